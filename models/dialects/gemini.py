"""Gemini's generateContent as a way in: a request decoded, with what is safe to hand on.

Source: google-genai 3.4, types.py (GenerateContentConfig and what it names).
"""

from collections.abc import Collection
from typing import Any

from msgspec.structs import replace

from models.chat import ChatRequest
from models.dialects import gemini_request
from models.dialects.ask import (
    Ask,
    checked,
    depth_checked,
    held_to_schema,
    named_conversation,
    options_with,
    read_object,
    refuse,
    without,
    without_own_tools,
)
from models.dialects.logprobs import HAVE_THEM, asked_of_all
from models.errors import InvalidRequest, UnsupportedParameter

PROTOCOL = "google"
_REFUSED = ("cachedContent", "cached_content")
"""What lies at the provider is not the caller's alone."""
_CONFIG_REFUSED = (
    "speechConfig",
    "speech_config",
    "enableEnhancedCivicAnswers",
)
_DROPPED = frozenset(("metadata", "labels", "store", "model"))
_CONFIG = ("generationConfig", "generation_config")
_COUNTED = ("generateContentRequest", "generate_content_request")


def decode(body: bytes, *, model: str, stream: bool) -> Ask:
    """Raises InvalidRequest naming the field at fault, UnsupportedParameter for what cannot be carried."""
    with depth_checked():
        return _ask(read_object(body), model=model, stream=stream)


def decode_count(body: bytes, *, model: str) -> Ask:
    """Of `countTokens`, where the request may be a field of another."""
    with depth_checked():
        asked = read_object(body)
        inner = next((asked[name] for name in _COUNTED if isinstance(asked.get(name), dict)), asked)
        return _ask(inner, model=model, stream=False)


def _ask(asked: dict[str, Any], *, model: str, stream: bool) -> Ask:
    conversation_id = named_conversation(asked)
    refuse(asked, _REFUSED)
    for name in _CONFIG:
        if isinstance(config := asked.get(name), dict):
            _check_config(config, where=f"{name}.")
    request = held_to_schema(gemini_request.decode(without(asked, _DROPPED) | {"model": model}))
    request, left_out = without_own_tools(request)
    if not model:
        raise InvalidRequest("the path names no model", param="model")
    request = checked(request, messages="contents")
    request = replace(request, stream=stream, dialect=PROTOCOL, auto_cache=True)
    only_of: Collection[str] = ()
    if config := _asks_for_logprobs(request):
        only_of, wish = HAVE_THEM, asked_of_all(config.get("logprobs"))
        request = replace(request, provider_options=options_with(wish, request.provider_options))
    return Ask(request=request, conversation_id=conversation_id, left_out=left_out, only_of=only_of)


def _asks_for_logprobs(request: ChatRequest) -> dict[str, Any]:
    """The configuration that does; empty where none does."""
    config: dict[str, Any] = request.provider_options.get(PROTOCOL, {}).get("generationConfig", {})
    return config if config.get("responseLogprobs") or config.get("logprobs") else {}


def _check_config(config: dict[str, Any], *, where: str) -> None:
    refuse(config, _CONFIG_REFUSED, where=where)
    for name in ("candidateCount", "candidate_count"):
        if config.get(name) not in (None, 1):
            raise UnsupportedParameter(f"`{where}{name}` other than 1 is not supported", param=where + name)
    for name in ("responseModalities", "response_modalities"):
        if any(str(one).upper() != "TEXT" for one in _items(config.get(name))):
            raise UnsupportedParameter(f"`{where}{name}`: answers are text", param=where + name)


def _items(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [] if value is None else [value]
