"""OpenAI's chat completions request, read to the canonical one."""

from typing import Any

import msgspec
from msgspec.structs import replace

from models import chat
from models.dialects import openai_chat_fields as wire
from models.dialects.json_body import invalid
from models.dialects.openai_forms import FREEFORM, file_of, image_of
from models.errors import InvalidRequest
from models.parts import REST, json_text

PROVIDER = "openai"
_CANONICAL = frozenset(
    (
        "model",
        "messages",
        "tools",
        "tool_choice",
        "parallel_tool_calls",
        "response_format",
        "reasoning_effort",
        "verbosity",
        "max_completion_tokens",
        "max_tokens",
        "stop",
        "temperature",
        "top_p",
        "presence_penalty",
        "frequency_penalty",
        "seed",
        "service_tier",
        "user",
        "stream",
        "stream_options",
        "functions",
        "function_call",
    )
)
"""Fields that the canonical request has, in one form or another."""
_KNOWN_ELSEWHERE = frozenset(
    (
        "audio",
        "logprobs",
        "metadata",
        "modalities",
        "moderation",
        "n",
        "store",
        "top_logprobs",
        "web_search_options",
    )
)
"""Fields of OpenAI's that are refused, read or left out, as `openai_chat` says."""
_FOREIGN = frozenset(
    (
        "cache",
        "cache_control",
        "caching",
        "conversation_id",
        "extra_body",
        "extra_headers",
        "fallbacks",
        "guardrails",
        "include_reasoning",
        "mock_response",
        "models",
        "num_retries",
        "plugins",
        "provider",
        "reasoning",
        "route",
        "safety_settings",
        "session_id",
        "tags",
        "thinking",
        "transforms",
        "usage",
    )
)
"""Fields of other gateways, which OpenAI would refuse."""


def decode(body: dict[str, Any]) -> chat.ChatRequest:
    """With every field that OpenAI alone has, for it. Raises InvalidRequest naming the field at fault."""
    try:
        asked = msgspec.convert(body, wire.Request)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None
    private = {name: value for name, value in body.items() if name not in _CANONICAL and value is not None}
    return canonical(asked, private)


def unknown(body: dict[str, Any]) -> dict[str, Any]:
    """Fields that nobody here knows, for OpenAI's own models; what other gateways have is not sent."""
    known = _CANONICAL | _KNOWN_ELSEWHERE | _FOREIGN
    return {name: value for name, value in body.items() if name not in known and value is not None}


def canonical(asked: wire.Request, private: dict[str, Any]) -> chat.ChatRequest:
    """`private` holds what goes to OpenAI's own models and nowhere else."""
    return chat.ChatRequest(
        model=asked.model,
        messages=tuple(_message(m, i) for i, m in enumerate(asked.messages)),
        tools=(*map(_tool, asked.tools or ()), *map(_function, asked.functions or ())),
        tool_choice=_tool_choice(asked.tool_choice) or _function_choice(asked.function_call),
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
        provider_options={PROVIDER: private} if private else {},
    )


def _message(message: wire.Message, at: int) -> chat.Message:
    where = f"messages[{at}]"
    match message:
        case wire.ToolResult():
            return chat.Message("tool", (chat.ToolResult(message.tool_call_id, _result(message, where)),))
        case wire.FunctionResult():
            said = (chat.Text(message.content),) if message.content else ()
            return chat.Message("tool", (chat.ToolResult("", said, message.name),))
        case wire.Assistant():
            return chat.Message("assistant", _assistant_parts(message), message.name or "")
        case wire.User():
            return chat.Message("user", _user_parts(message, where), message.name or "")
    role: chat.Role = "developer" if isinstance(message, wire.Developer) else "system"
    return chat.Message(role, _text_parts(message.content), message.name or "")


def _user_parts(message: wire.User, where: str) -> tuple[chat.Part, ...]:
    if isinstance(message.content, str):
        return (chat.Text(message.content),)
    if not message.content:
        raise InvalidRequest(f"`{where}.content` has no parts", param=f"{where}.content")
    return tuple(_input(part, where) for part in message.content)


def _result(message: wire.ToolResult, where: str) -> tuple[chat.Text | chat.Image | chat.File, ...]:
    if isinstance(message.content, str):
        return (chat.Text(message.content),)
    return tuple(_input(part, where) for part in message.content or ())


def _text_parts(content: str | list[wire.TextPart]) -> tuple[chat.Text, ...]:
    if isinstance(content, str):
        return (chat.Text(content),)
    return tuple(_text(part) for part in content)


def _assistant_parts(message: wire.Assistant) -> tuple[chat.Part, ...]:
    parts: list[chat.Part] = []
    if thought := message.reasoning_content or message.reasoning:
        parts.append(chat.Thinking(thought))
    if isinstance(message.content, str):
        parts.append(chat.Text(message.content))
    else:
        parts += [
            _text(p) if isinstance(p, wire.TextPart) else chat.Refusal(p.refusal)
            for p in message.content or ()
        ]
    if message.refusal:
        parts.append(chat.Refusal(message.refusal))
    if message.audio:
        parts.append(chat.Native(chat.Opaque(PROVIDER, "audio", message.audio.id)))
    parts += map(_call, message.tool_calls or ())
    if called := message.function_call:
        parts.append(chat.ToolCall("", called.name, called.arguments or ""))
    return tuple(parts)


def _call(call: wire.ToolCall | wire.CustomCall) -> chat.ToolCall:
    if isinstance(call, wire.CustomCall):
        written = json_text({"input": call.custom.input})
        return chat.ToolCall(call.id, call.custom.name, written, freeform=True)
    signed = _signature(call.extra_content) if call.extra_content else ()
    return chat.ToolCall(call.id, call.function.name, call.function.arguments or "", signed)


def _signature(extra: dict[str, Any]) -> tuple[chat.Opaque, ...]:
    match extra:
        case {"google": {"thought_signature": str(signature)}} if signature:
            return (chat.Opaque("google", "thought_signature", signature),)
        case _:
            return ()


def _input(part: wire.Part, where: str) -> chat.Text | chat.Image | chat.File:
    match part:
        case wire.TextPart():
            return _text(part)
        case wire.ImagePart():
            cache, own = _mark(part.prompt_cache_breakpoint)
            shown, at = part.image_url, f"{where}.content"
            return image_of(shown.url, at, detail=shown.detail, cache=cache, opaque=own)
        case wire.AudioPart():
            media = "audio/wav" if part.input_audio.format == "wav" else "audio/mpeg"
            return chat.File(media_type=media, data=part.input_audio.data)
        case wire.FilePart():
            return _file(part, where)
        case wire.RefusalPart():
            raise InvalidRequest("only an assistant's message holds a refusal", param=f"{where}.content")


def _text(part: wire.TextPart) -> chat.Text:
    if part.prompt_cache_breakpoint is None:
        return chat.Text(part.text)
    cache, own = _mark(part.prompt_cache_breakpoint)
    return chat.Text(part.text, cache=cache, opaque=own)


def _mark(asked: wire.Breakpoint | None) -> tuple[chat.CacheTtl | None, tuple[chat.Opaque, ...]]:
    if asked is None:
        return None, ()
    kept = {"prompt_cache_breakpoint": msgspec.to_builtins(asked)}
    own = (chat.Opaque(PROVIDER, REST, json_text(kept)),) if asked.ttl else ()
    return "1h" if asked.ttl == "12h" else "5m", own


def _file(part: wire.FilePart, where: str) -> chat.File:
    file, (cache, own) = part.file, _mark(part.prompt_cache_breakpoint)
    name = file.filename or ""
    if file.file_id:
        return chat.File(filename=name, file_id=file.file_id, file_provider=PROVIDER, cache=cache, opaque=own)
    if not file.file_data:
        raise InvalidRequest("a file needs `file_data` or `file_id`", param=f"{where}.content")
    return file_of(file.file_data, name, cache=cache, opaque=own)


def _tool(tool: wire.Tool | wire.CustomTool) -> chat.Tool:
    if isinstance(tool, wire.Tool):
        return _function(tool.function)
    custom = tool.custom
    plain = chat.Tool(custom.name, custom.description or "", FREEFORM, freeform=True)
    if not custom.format:
        return plain
    return replace(plain, opaque=(chat.Opaque(PROVIDER, "custom", json_text({"format": custom.format})),))


def _function(function: wire.Function) -> chat.Tool:
    return chat.Tool(
        name=function.name,
        description=function.description or "",
        parameters=function.parameters,
        strict=function.strict,
    )


def _tool_choice(choice: Any) -> chat.ToolChoice | None:
    match choice:
        case None:
            return None
        case wire.NamedTool() | wire.NamedCustom():
            return chat.ToolChoice("required", (_name(choice),))
        case wire.AllowedChoice():
            allowed = choice.allowed_tools
            return chat.ToolChoice(allowed.mode, tuple(_name(tool) for tool in allowed.tools))
        case _:
            return chat.ToolChoice(choice)


def _name(tool: wire.NamedTool | wire.NamedCustom) -> str:
    return tool.function.name if isinstance(tool, wire.NamedTool) else tool.custom.name


def _function_choice(choice: Any) -> chat.ToolChoice | None:
    if choice is None:
        return None
    if isinstance(choice, wire.ToolName):
        return chat.ToolChoice("required", (choice.name,))
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
