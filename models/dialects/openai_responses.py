"""OpenAI's Responses as a way in: a request decoded, with what is safe to hand on.

Source: openai 3.54, types/responses/response_create_params.py. What OpenAI would keep is kept by Polyvox, as
a conversation.
"""

from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from models.chat import ChatRequest
from models.dialects import openai_responses_request
from models.dialects.ask import (
    checked,
    depth_checked,
    named_conversation,
    read_object,
    refuse,
    without_own_tools,
)
from models.dialects.openai_responses_items import PROVIDER
from models.dialects.openai_responses_tools import Offered, as_functions, flattened
from models.errors import InvalidRequest, UnsupportedParameter

_REFUSED = ("background", "moderation", "prompt", "top_logprobs")
_FORWARDED = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier")
_LOGPROBS = "message.output_text.logprobs"
ECHOED: dict[str, Any] = {
    "instructions": None,
    "max_output_tokens": None,
    "metadata": {},
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "reasoning": {"effort": None, "summary": None},
    "safety_identifier": None,
    "store": True,
    "temperature": None,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": None,
    "truncation": "disabled",
    "user": None,
}
"""What an answer repeats of its request, and what it says where that said nothing."""


class ResponseAsk(Struct, frozen=True, kw_only=True):
    request: ChatRequest
    conversation_id: str = ""
    previous_id: str = ""
    """The response that it goes on from."""
    store: bool = True
    offered: Offered = Offered()
    left_out: tuple[str, ...] = ()
    """Tools that are offered to nobody."""
    echo: dict[str, Any] = {}
    """Fields of the answer that repeat the request's."""


def decode(body: bytes) -> ResponseAsk:
    """Raises InvalidRequest naming the field at fault, UnsupportedParameter for what cannot be carried."""
    with depth_checked():
        return _ask(read_object(body))


def decode_compact(body: bytes) -> ResponseAsk:
    """Of what is to be made shorter: a previous response may be all of it. Raises InvalidRequest."""
    with depth_checked():
        asked = read_object(body)
        flattened(asked)
        request = as_functions(openai_responses_request.decode(asked))
        if not request.model:
            raise InvalidRequest("`model` is missing", param="model")
        return ResponseAsk(request=request, previous_id=_text(asked, "previous_response_id"))


def _ask(asked: dict[str, Any]) -> ResponseAsk:
    conversation_id = _conversation(asked) or named_conversation(asked)
    refuse(asked, _REFUSED)
    included = asked.get("include")
    if isinstance(included, list) and _LOGPROBS in included:
        raise UnsupportedParameter(f"`include` of {_LOGPROBS} is not supported", param="include")
    echo = {name: default if (v := asked.get(name)) is None else v for name, default in ECHOED.items()}
    namespaces = flattened(asked)
    request = openai_responses_request.decode(asked)
    for field in ("tool_choice", "text"):
        if field in request.provider_options.get(PROVIDER, {}):
            raise UnsupportedParameter(f"this `{field}` is not supported", param=field)
    request, left_out = without_own_tools(request)
    return ResponseAsk(
        request=checked(as_functions(_with_safe_options(request)), messages="input"),
        conversation_id=conversation_id,
        previous_id=_text(asked, "previous_response_id"),
        store=asked.get("store") is not False,
        offered=Offered(frozenset(tool.name for tool in request.tools if tool.freeform), namespaces),
        left_out=left_out,
        echo=echo,
    )


def _conversation(asked: dict[str, Any]) -> str:
    """`conversation`, which is an id or an object that has one."""
    named = asked.pop("conversation", None)
    if isinstance(named, dict):
        named = named.get("id")
    if named is not None and not isinstance(named, str):
        raise InvalidRequest("`conversation` is to be an id", param="conversation")
    return named or ""


def _text(asked: dict[str, Any], field: str) -> str:
    value = asked.get(field)
    if value is not None and not isinstance(value, str):
        raise InvalidRequest(f"`{field}` is to be a string", param=field)
    return value or ""


def _with_safe_options(request: ChatRequest) -> ChatRequest:
    given = request.provider_options.get("openai", {})
    kept = {name: given[name] for name in _FORWARDED if name in given}
    return replace(request, provider_options={"openai": kept} if kept else {}, auto_cache=True)
