"""OpenAI's chat completions: decode a request, encode an answer, whole or streamed, or an error.

Wire facts: OpenAI API reference, chat completions and streaming, November 2026.
"""

import re
from typing import Any

import msgspec
from msgspec import Raw, Struct

from models import chat
from models.dialects import openai_chat_request as wire
from models.errors import InvalidRequest, UnsupportedParameter
from models.money import usd_text

_FORWARDED = ("logit_bias", "prediction", "prompt_cache_key", "safety_identifier")
_UNSUPPORTED = ("logprobs", "audio", "functions", "function_call")
_HARMLESS: tuple[Any, ...] = (None, False, "none", "auto", [])
"""Values of those that ask for nothing."""
_DATA_URL = re.compile(r"data:([\w.+-]+/[\w.+-]+)?(?:;[\w=.+-]+)*;base64,", re.ASCII)
_PATH = re.compile(r" - at `\$\.?(.*)`$")

_request = msgspec.json.Decoder(wire.Request)
_json = msgspec.json.Encoder().encode


class Ask(Struct, frozen=True):
    """A decoded request, with what only the answer's encoder needs."""

    request: chat.ChatRequest
    include_usage: bool
    """Whether the stream ends with a usage chunk."""


def decode(body: bytes) -> Ask:
    """Raises InvalidRequest naming the field at fault."""
    try:
        asked = _request.decode(body)
    except msgspec.ValidationError as error:
        raise _invalid(str(error)) from None
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise InvalidRequest(f"the body is not valid JSON: {error}") from None
    except RecursionError:
        raise InvalidRequest("the body is nested too deeply") from None
    for field in _UNSUPPORTED:
        if getattr(asked, field) not in _HARMLESS:
            raise UnsupportedParameter(f"`{field}` is not supported", param=field)
    if asked.n not in (None, 1):
        raise UnsupportedParameter("`n` other than 1 is not supported", param="n")
    include_usage = bool(asked.stream_options and asked.stream_options.include_usage)
    return Ask(_canonical(asked), include_usage)


def _invalid(message: str) -> InvalidRequest:
    path = _PATH.search(message)
    return InvalidRequest(message.replace("`$.", "`"), param=path.group(1) if path else None)


def _canonical(asked: wire.Request) -> chat.ChatRequest:
    options = {field: value for field in _FORWARDED if (value := getattr(asked, field)) is not None}
    return chat.ChatRequest(
        model=asked.model,
        messages=tuple(_message(m, i) for i, m in enumerate(asked.messages)),
        tools=tuple(_tool(t.function) for t in asked.tools or ()),
        tool_choice=_tool_choice(asked.tool_choice),
        parallel_tool_calls=asked.parallel_tool_calls,
        response_format=_response_format(asked.response_format),
        reasoning=chat.Reasoning(effort=asked.reasoning_effort) if asked.reasoning_effort else None,
        max_tokens=asked.max_completion_tokens or asked.max_tokens,
        stop=(asked.stop,) if isinstance(asked.stop, str) else tuple(asked.stop or ()),
        temperature=asked.temperature,
        top_p=asked.top_p,
        presence_penalty=asked.presence_penalty,
        frequency_penalty=asked.frequency_penalty,
        seed=asked.seed,
        verbosity=asked.verbosity,
        service_tier=asked.service_tier,
        end_user=asked.user or "",
        stream=bool(asked.stream),
        provider_options={"openai": options} if options else {},
    )


def _message(message: wire.Message, at: int) -> chat.Message:
    where = f"messages[{at}]"
    if isinstance(message, wire.ToolResult):
        result = chat.ToolResult(call_id=message.tool_call_id, parts=_text_parts(message.content))
        return chat.Message("tool", (result,))
    if isinstance(message, wire.Assistant):
        return chat.Message("assistant", _assistant_parts(message), message.name or "")
    if isinstance(message, wire.User):
        if isinstance(message.content, str):
            return chat.Message("user", (chat.Text(message.content),), message.name or "")
        if not message.content:
            raise InvalidRequest(f"`{where}.content` has no parts", param=f"{where}.content")
        return chat.Message("user", tuple(_user_part(p, where) for p in message.content), message.name or "")
    role: chat.Role = "developer" if isinstance(message, wire.Developer) else "system"
    return chat.Message(role, _text_parts(message.content), message.name or "")


def _text_parts(content: str | list[wire.TextPart]) -> tuple[chat.Text, ...]:
    if isinstance(content, str):
        return (chat.Text(content),)
    return tuple(chat.Text(p.text) for p in content)


def _assistant_parts(message: wire.Assistant) -> tuple[chat.Part, ...]:
    parts: list[chat.Part] = []
    content = message.content or ()
    if isinstance(content, str):
        parts.append(chat.Text(content))
    else:
        parts += [
            chat.Text(p.text) if isinstance(p, wire.TextPart) else chat.Refusal(p.refusal) for p in content
        ]
    if message.refusal:
        parts.append(chat.Refusal(message.refusal))
    for call in message.tool_calls or ():
        parts.append(chat.ToolCall(call.id, call.function.name, call.function.arguments or ""))
    return tuple(parts)


def _user_part(part: wire.Part, where: str) -> chat.Part:
    if isinstance(part, wire.TextPart):
        return chat.Text(part.text)
    if isinstance(part, wire.ImagePart):
        return _image(part.image_url, where)
    if isinstance(part, wire.AudioPart):
        media = "audio/wav" if part.input_audio.format == "wav" else "audio/mpeg"
        return chat.File(media_type=media, data=part.input_audio.data)
    if isinstance(part, wire.FilePart):
        return _file(part.file, where)
    raise InvalidRequest("a user's message holds no refusal", param=f"{where}.content")


def _image(image: wire.ImageUrl, where: str) -> chat.Image:
    if found := _DATA_URL.match(image.url):
        media = found.group(1) or "image/png"
        return chat.Image(media_type=media, data=image.url[found.end() :], detail=image.detail)
    if not image.url.startswith(("https://", "http://")):
        raise InvalidRequest("an image is an http(s) URL or a base64 data URL", param=f"{where}.content")
    return chat.Image(url=image.url, detail=image.detail)


def _file(file: wire.FileData, where: str) -> chat.File:
    if file.file_id:
        return chat.File(file_id=file.file_id, file_provider="openai", filename=file.filename or "")
    if not file.file_data:
        raise InvalidRequest("a file needs `file_data` or `file_id`", param=f"{where}.content")
    found = _DATA_URL.match(file.file_data)
    media = (found.group(1) if found else "") or "application/pdf"
    data = file.file_data[found.end() :] if found else file.file_data
    return chat.File(media_type=media, filename=file.filename or "", data=data)


def _tool(function: wire.Function) -> chat.Tool:
    return chat.Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=function.strict,
    )


def _tool_choice(choice: Any) -> chat.ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, wire.NamedTool):
        return chat.ToolChoice("required", (choice.function.name,))
    if isinstance(choice, wire.AllowedChoice):
        allowed = choice.allowed_tools
        return chat.ToolChoice(allowed.mode, tuple(t.function.name for t in allowed.tools))
    return chat.ToolChoice(choice)


def _response_format(asked: Any) -> chat.ResponseFormat | None:
    if isinstance(asked, wire.JsonObjectFormat):
        return chat.ResponseFormat("json_object")
    if isinstance(asked, wire.JsonSchemaFormat):
        schema = asked.json_schema
        return chat.ResponseFormat(
            "json_schema", schema.name, schema.description or "", schema.schema, schema.strict
        )
    return None


def usage_fields(usage: chat.Usage, cost_pico: int | None) -> dict[str, Any]:
    """OpenAI's usage object; `cost` in USD is ours, under the name that other gateways use."""
    prompt, completion = usage.total_input, usage.total_output
    fields: dict[str, Any] = {
        "prompt_tokens": prompt,
        "completion_tokens": completion,
        "total_tokens": prompt + completion,
        "prompt_tokens_details": {"cached_tokens": usage.cache_read + usage.cache_read_audio},
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
    texts = [p.text for p in response.parts if isinstance(p, chat.Text)]
    if texts:
        message["content"] = "".join(texts)
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
    if response.service_tier:
        body["service_tier"] = response.service_tier
    return _json(body)


def _encode_call(call: chat.ToolCall) -> dict[str, Any]:
    return {"id": call.id, "type": "function", "function": {"name": call.name, "arguments": call.arguments}}


def encode_error(fields: dict[str, Any]) -> bytes:
    """`fields`: message, type, param, code."""
    return _json({"error": fields})
