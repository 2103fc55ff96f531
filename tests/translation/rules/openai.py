"""What OpenAI's two APIs refuse alike."""

import re
from collections.abc import Iterator
from typing import Any

from tests.translation.facts import OpenAI

Json = dict[str, Any]

NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
IMAGE_URL = re.compile(r"https?://|data:image/(png|jpeg|gif|webp);base64,.")
CALL_ID = re.compile(r"[\x21-\x7e]{1,40}")


def sampling(body: Json, facts: OpenAI) -> Iterator[str]:
    penal = {"presence_penalty", "frequency_penalty", "logit_bias", "logprobs", "top_logprobs"}
    refused = body.keys() & ({"temperature", "top_p"} | penal)
    if facts.reasons and refused:
        yield f"{refused} on a reasoning model"
    for name, low, high in (("temperature", 0, 2), ("top_p", 0, 1), ("presence_penalty", -2, 2)):
        if not low <= body.get(name, 0) <= high:
            yield f"{name} {body[name]}"


def effort(said: object, facts: OpenAI) -> Iterator[str]:
    if said is not None and said not in facts.efforts:
        yield f"effort {said}"


def schema(parameters: object) -> Iterator[str]:
    if not isinstance(parameters, dict) or parameters.get("type") != "object":
        yield f"schema {parameters}"
    elif parameters.keys() & {"anyOf", "oneOf", "allOf", "enum", "not"}:
        yield "a choice at the top of a schema"


def strict(parameters: Json) -> Iterator[str]:
    """What a model cannot be held to."""
    if parameters.get("type") == "object" or "properties" in parameters:
        fields = parameters.get("properties", {})
        if parameters.get("additionalProperties") is not False or set(parameters.get("required", ())) != set(
            fields
        ):
            yield f"strict {parameters}"
        for inner in fields.values():
            yield from strict(inner)


def speaks_of_json(messages: list[Json]) -> bool:
    said = [message.get("content") for message in messages]
    texts = [part.get("text", "") for one in said if isinstance(one, list) for part in one]
    return any("json" in text.lower() for text in [*texts, *(one for one in said if isinstance(one, str))])


def breakpoints(parts: list[Json], facts: OpenAI) -> Iterator[str]:
    marks = [part["prompt_cache_breakpoint"] for part in parts if "prompt_cache_breakpoint" in part]
    if len(marks) > facts.breakpoints:
        yield f"{len(marks)} cache marks"
    if any(mark.keys() - {"mode", "ttl"} or mark["mode"] != "explicit" for mark in marks):
        yield f"cache marks {marks}"
