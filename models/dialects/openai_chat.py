"""OpenAI's chat completions: decode a request, encode an answer, whole or streamed, or an error.

Wire facts: OpenAI API reference, chat completions and streaming, November 2026.
"""

from collections.abc import Collection
from typing import Any

import msgspec
from msgspec import Raw, Struct
from msgspec.structs import replace

from models import chat
from models.dialects.ask import laid, opened, options_with, read_object, refuse, rest_of
from models.dialects.json_body import invalid
from models.dialects.logprobs import HAVE_THEM, asked_of_all, told
from models.dialects.openai_chat_fields import CustomTool, Request
from models.dialects.openai_chat_request import PROVIDER, canonical, unknown
from models.dialects.tiers import tier_told
from models.errors import InvalidRequest, UnsupportedParameter
from models.money import usd_text

_LOGPROBS = ("logprobs", "top_logprobs")
_UNSUPPORTED = ("audio", "functions", "function_call")
_REFUSED = ("moderation",)
_HARMLESS: tuple[Any, ...] = (None, False, "none", "auto", [])
"""Values of those that ask for nothing."""

_json = msgspec.json.Encoder().encode


class Ask(Struct, frozen=True):
    """A decoded request, with what only the answer's encoder needs."""

    request: chat.ChatRequest
    include_usage: bool
    """Whether the stream ends with a usage chunk."""
    conversation_id: str = ""
    """The conversation that `metadata` names."""
    only_of: Collection[str] = ()
    """Whose models alone can do all that is asked, if that is so: protocols of the catalogue."""


def decode(body: bytes) -> Ask:
    """Raises InvalidRequest naming the field at fault."""
    sent = read_object(body)
    asked = _typed(sent)
    refuse(sent, _REFUSED)
    _check_answers(sent)
    for field in _UNSUPPORTED:
        if getattr(asked, field) not in _HARMLESS:
            raise UnsupportedParameter(f"`{field}` is not supported", param=field)
    if asked.n not in (None, 1):
        raise UnsupportedParameter("`n` other than 1 is not supported", param="n")
    if any(isinstance(tool, CustomTool) for tool in asked.tools or ()):
        raise UnsupportedParameter("custom tools are not supported", param="tools")
    include_usage = bool(asked.stream_options and asked.stream_options.include_usage)
    request = canonical(asked, unknown(sent))
    if asks := any(sent.get(name) for name in _LOGPROBS):
        wish = asked_of_all(_top(sent))
        request = replace(request, provider_options=options_with(request.provider_options, wish))
    return Ask(
        replace(request, dialect=PROVIDER, auto_cache=True),
        include_usage,
        _conversation(asked.metadata),
        HAVE_THEM if asks else (),
    )


def _top(sent: dict[str, Any]) -> int | None:
    top = sent.get("top_logprobs")
    if top is not None and (not isinstance(top, int) or isinstance(top, bool)):
        raise InvalidRequest("`top_logprobs` is to be an integer", param="top_logprobs")
    return top


def _check_answers(sent: dict[str, Any]) -> None:
    """Raises UnsupportedParameter for answers that would be found on the web, or be other than text."""
    if sent.get("web_search_options") is not None:  # an empty object asks for a search too
        raise UnsupportedParameter("`web_search_options` is not supported", param="web_search_options")
    modalities = sent.get("modalities")
    if isinstance(modalities, list) and any(one != "text" for one in modalities):
        raise UnsupportedParameter("`modalities`: answers are text", param="modalities")


def _typed(sent: dict[str, Any]) -> Request:
    try:
        return msgspec.convert(sent, Request)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def _conversation(metadata: dict[str, Any] | None) -> str:
    named = (metadata or {}).get("conversation_id", "")
    if not isinstance(named, str):
        raise InvalidRequest("a conversation's id is a text", param="metadata.conversation_id")
    return named


def usage_fields(usage: chat.Usage, cost_pico: int | None) -> dict[str, Any]:
    """OpenAI's usage object; `cost` in USD is ours, under the name that other gateways use."""
    prompt, completion = usage.total_input, usage.total_output
    details = {"cached_tokens": usage.cache_read + usage.cache_read_audio}
    if written := usage.cache_write_5m + usage.cache_write_1h:
        details["cache_write_tokens"] = written
    fields: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": details,
        "completion_tokens_details": {"reasoning_tokens": usage.reasoning},
    }
    if cost_pico is not None:
        fields["cost"] = Raw(usd_text(cost_pico).encode())
    return fields


def finish_reason(finish: chat.FinishReason, *, refused: bool) -> str:
    """OpenAI's models finish a refusal that has words with `stop`; its SDK raises on `content_filter`."""
    if finish == "refusal":
        return "stop" if refused else "content_filter"
    return finish


def encode(
    response: chat.ChatResponse, *, id: str, model: str, created: int, cost_pico: int | None = None
) -> bytes:
    """A whole answer. `model` is the one that served it, by its catalogue id."""
    message: dict[str, Any] = {"role": "assistant", "content": None, "refusal": None}
    calls = [_encode_call(p) for p in response.parts if isinstance(p, chat.ToolCall)]
    texts = [part for part in response.parts if isinstance(part, chat.Text)]
    if texts:
        message["content"] = "".join(part.text for part in texts)
        if cited := _annotations(texts):
            message["annotations"] = cited
    elif not calls:
        message["content"] = ""
    if calls:
        message["tool_calls"] = calls
    for part in response.parts:
        if isinstance(part, chat.Refusal):
            message["refusal"] = part.text
        elif isinstance(part, chat.Thinking) and part.text:
            message["reasoning_content"] = message.get("reasoning_content", "") + part.text
    finish = finish_reason(response.finish, refused=message["refusal"] is not None)
    body: dict[str, Any] = {
        "id": id,
        "object": "chat.completion",
        "created": created,
        "model": model,
        "choices": [{"index": 0, "message": message, "logprobs": None, "finish_reason": finish}],
        "usage": usage_fields(response.usage, cost_pico),
    }
    if tier := tier_told(response.service_tier, plain="default"):
        body["service_tier"] = tier
    if tokens := told(response.opaque):
        body["choices"][0]["logprobs"] = {"content": tokens, "refusal": None}
    return _json(laid(body, rest) if (rest := rest_of(response.opaque, PROVIDER)) else body)


def _annotations(texts: list[chat.Text]) -> list[dict[str, Any]]:
    cited, length = [], 0
    for part in texts:
        length += len(part.text)
        cited += [said for one in part.citations if (said := annotation(one, length))]
    return cited


def annotation(cited: chat.Citation, length: int) -> dict[str, Any]:
    """Of a source that is known by its address, all of the text so far is said to come from it."""
    if cited.opaque is not None and cited.opaque.provider == PROVIDER:
        return opened(cited.opaque.value)
    if not cited.url:
        return {}
    places = {"start_index": 0, "end_index": length}
    return {"type": "url_citation", "url_citation": {"url": cited.url, "title": cited.title, **places}}


def _encode_call(call: chat.ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def encode_error(fields: dict[str, Any]) -> bytes:
    """`fields`: message, type, param, code."""
    return _json({"error": fields})
