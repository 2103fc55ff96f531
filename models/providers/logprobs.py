"""Log probabilities of an answer's tokens, as an artefact that every dialect which has them can read.

In one form, OpenAI's list of tokens, for a client of another dialect than the provider's own.
"""

from typing import Any

from models.chat import Opaque
from models.parts import json_text

LOGPROBS = "logprobs"
"""Kind of the artefact."""

Json = dict[str, Any]


def of_openai(said: Any) -> tuple[Opaque, ...]:
    """Of a choice. Source: openai 3.54, types/chat/chat_completion.py."""
    tokens = said.get("content") if isinstance(said, dict) else None
    return (Opaque("openai", LOGPROBS, json_text(tokens)),) if tokens else ()


def of_google(said: Any) -> tuple[Opaque, ...]:
    """Of a candidate. Source: google-genai 3.4, types.LogprobsResult."""
    if not isinstance(said, dict):
        return ()
    chosen = [_token(one) for one in _objects(said.get("chosenCandidates"))]
    tops = [_objects(top.get("candidates")) for top in _objects(said.get("topCandidates"))]
    tops += [[] for _ in chosen]
    tokens = [{**one, "top_logprobs": [*map(_token, top)]} for one, top in zip(chosen, tops, strict=False)]
    return (Opaque("google", LOGPROBS, json_text(tokens)),) if tokens else ()


def _token(said: Json) -> Json:
    token = str(said.get("token") or "")
    spelt = list(token.encode("utf-8", "surrogatepass"))
    return {"token": token, "logprob": said.get("logProbability") or 0.0, "bytes": spelt}


def _objects(value: Any) -> list[Json]:
    return [one for one in value if isinstance(one, dict)] if isinstance(value, list) else []
