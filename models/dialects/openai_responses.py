"""OpenAI's Responses as a way in: a request decoded, with what is safe to hand on.

Source: openai 3.54, types/responses/response_create_params.py. What OpenAI would keep is kept by Polyvox, as
a conversation.
"""

from collections.abc import Collection, Iterator
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from models.chat import ChatRequest
from models.dialects import openai_responses_request
from models.dialects.ask import (
    checked,
    depth_checked,
    named_conversation,
    options_with,
    read_object,
    refuse,
    without_own_tools,
)
from models.dialects.logprobs import HAVE_THEM, asked_of_all
from models.dialects.openai_responses_items import PROVIDER
from models.dialects.openai_responses_tools import Offered, as_functions, flattened
from models.errors import InvalidRequest, UnsupportedParameter

_REFUSED = ("background", "moderation", "prompt")
_FORWARDED = ("prompt_cache_key", "prompt_cache_options", "prompt_cache_retention", "safety_identifier")
_READ_HERE = ("include", "previous_response_id", "reasoning", "stream_options")
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
    only_of: Collection[str] = ()
    """Whose models alone can do all that is asked, if that is so: protocols of the catalogue."""
    logprobs: str = ""
    """The field that asks for log probabilities."""
    left_out: tuple[str, ...] = ()
    """Tools that are offered to nobody."""
    dropped: tuple[str, ...] = ()
    """Fields that nobody is told of."""
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
    echo = {name: default if (v := asked.get(name)) is None else v for name, default in ECHOED.items()}
    namespaces = flattened(asked)
    request = openai_responses_request.decode(asked)
    for field in ("tool_choice", "text"):
        if field in request.provider_options.get(PROVIDER, {}):
            raise UnsupportedParameter(f"this `{field}` is not supported", param=field)
    request, left_out = without_own_tools(request)
    dropped = tuple(_dropped(request.provider_options.get(PROVIDER, {})))
    request = _with_safe_options(request)
    if logprobs := _asking_for_logprobs(asked):
        wish = asked_of_all(asked.get("top_logprobs"))
        request = replace(request, provider_options=options_with(request.provider_options, wish))
    return ResponseAsk(
        request=checked(as_functions(request), messages="input"),
        only_of=HAVE_THEM if logprobs else (),
        logprobs=logprobs,
        conversation_id=conversation_id,
        previous_id=_text(asked, "previous_response_id"),
        store=asked.get("store") is not False,
        offered=Offered(frozenset(tool.name for tool in request.tools if tool.freeform), namespaces),
        left_out=left_out,
        dropped=dropped,
        echo=echo,
    )


def _asking_for_logprobs(asked: dict[str, Any]) -> str:
    """The field that does; empty where none does."""
    top, included = asked.get("top_logprobs"), asked.get("include")
    if top is not None and (not isinstance(top, int) or isinstance(top, bool)):
        raise InvalidRequest("`top_logprobs` is to be an integer", param="top_logprobs")
    if top:
        return "top_logprobs"
    return "include" if isinstance(included, list) and _LOGPROBS in included else ""


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


def _dropped(private: dict[str, Any]) -> Iterator[str]:
    for name, value in private.items():
        if name not in _READ_HERE and value != ECHOED.get(name):
            yield name


def _with_safe_options(request: ChatRequest) -> ChatRequest:
    given = request.provider_options.get("openai", {})
    kept = {name: given[name] for name in _FORWARDED if name in given}
    return replace(request, provider_options={"openai": kept} if kept else {}, auto_cache=True)
