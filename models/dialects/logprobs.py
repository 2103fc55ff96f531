"""Log probabilities in the dialects that have them: how they are asked for, and how they are told.

An answer of another dialect's provider has them as an artefact, in OpenAI's list of tokens.
"""

from collections.abc import Collection
from typing import Any

import msgspec

from models.chat import Opaque

LOGPROBS = "logprobs"
"""Kind of the artefact."""
HAVE_THEM = ("openai", "google")
"""Protocols of the catalogue."""

Json = dict[str, Any]

_tokens = msgspec.json.Decoder(list[dict[str, Any]])


def asked_of_all(top: int | None) -> dict[str, Json]:
    """Options of each provider that has them. `top` is how many of the likeliest tokens come beside each."""
    openai = {"logprobs": True} | ({"top_logprobs": top} if top else {})
    config = {"responseLogprobs": True} | ({"logprobs": top} if top else {})
    return {"openai": openai, "google": {"generationConfig": config}}


def told(held: Collection[Opaque]) -> list[Json]:
    return [token for opaque in held if opaque.kind == LOGPROBS for token in _tokens.decode(opaque.value)]


def gemini_result(tokens: Collection[Json]) -> Json:
    """Fields of a candidate."""
    if not tokens:
        return {}
    sum_ = sum(token["logprob"] for token in tokens)
    result = {
        "chosenCandidates": [_candidate(token) for token in tokens],
        "topCandidates": [
            {"candidates": [_candidate(one) for one in token.get("top_logprobs") or ()]} for token in tokens
        ],
        "logProbabilitySum": sum_,
    }
    return {"avgLogprobs": sum_ / len(tokens), "logprobsResult": result}


def _candidate(token: Json) -> Json:
    return {"token": token["token"], "logProbability": token["logprob"]}
