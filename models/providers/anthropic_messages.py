"""Anthropic messages: the request.

Source: anthropic 2.12, types/message_create_params.py and the blocks it names. Unknown fields are refused
there, so nothing is passed through. Citations are not replayed: they point at documents by their place in
the conversation, which an edit moves.
"""

from typing import Any

from msgspec.structs import replace

from models.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
)
from models.providers import media, parameters
from models.providers.anthropic_messages_answer import StreamDecoder as StreamDecoder
from models.providers.anthropic_messages_answer import decode as decode
from models.providers.anthropic_messages_answer import decode_usage as decode_usage
from models.providers.failures import error_from as error_from
from models.providers.history import Conversation, Turn, alternating, artefact
from models.providers.names import tool_name
from models.providers.profiles import Profile
from models.providers.schema_subset import closed

Json = dict[str, Any]

PROVIDER = "anthropic"
_RESERVED = frozenset(
    ("model", "messages", "stream", "max_tokens", "service_tier", "speed", "inference_geo", "fallbacks")
)
_IMAGE_TYPES = ("image/jpeg", "image/png", "image/gif", "image/webp")
_TIERS = {
    "auto": "auto",
    "priority": "auto",
    "default": "standard_only",
    "standard": "standard_only",
    "standard_only": "standard_only",
}
_DEFAULT_MAX_TOKENS = 4_096


def encode(
    request: ChatRequest,
    *,
    model: str,
    profile: Profile,
    max_output_tokens: int | None = None,
    replay_thinking: bool = True,
) -> dict[str, Any]:
    """`max_output_tokens` is the model's limit: this API has no default for `max_tokens`.

    `replay_thinking=False` leaves the model's earlier thinking out, for a history that was edited since and
    that the provider refused as `thinking_bound`.
    """
    history = request.messages if replay_thinking else _without_thinking(request.messages)
    talk = alternating(history, profile=profile)
    ceiling = parameters.output_ceiling(request, max_output_tokens)
    body: Json = {
        "model": model,
        "max_tokens": _DEFAULT_MAX_TOKENS if ceiling is None else ceiling,
        "messages": _messages(talk, profile),
    }
    body |= parameters.sampling(request, profile)
    if stops := [stop for stop in parameters.stops(request, profile) if stop.strip()]:
        body["stop_sequences"] = stops
    if request.tools:
        body |= _tools(request, profile)
    spoken = _add_format(body, request, profile)
    if system := _system((*talk.system, *spoken)):
        body["system"] = system
    _add_thinking(body, request, profile)
    if request.service_tier in _TIERS:
        body["service_tier"] = _TIERS[request.service_tier]
    if request.end_user:
        body["metadata"] = {"user_id": request.end_user}
    if request.stream:
        body["stream"] = True
    options = request.provider_options.get(PROVIDER, {})
    _limit_cache(body, profile.cache_breakpoints - ("cache_control" in options))
    return parameters.overlaid(body, options, reserved=_RESERVED)


def _system(parts: tuple[Text, ...]) -> str | list[Json]:
    if len(parts) == 1 and not parts[0].cache:
        return parts[0].text
    return [_text(part) for part in parts]


def _without_thinking(messages: tuple[Message, ...]) -> tuple[Message, ...]:
    return tuple(
        replace(message, parts=tuple(part for part in message.parts if not isinstance(part, Thinking)))
        for message in messages
    )


def _messages(talk: Conversation, profile: Profile) -> list[Json]:
    messages: list[Json] = []
    for turn in talk.turns:
        blocks = [block for part in turn.parts if (block := _block(part, turn, profile))]
        messages.append({"role": turn.role, "content": blocks})
    last = messages[-1]["content"][-1]
    if messages[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()
    return messages


def _block(part: Part, turn: Turn, profile: Profile) -> Json | None:
    match part:
        case Text():
            return _text(part)
        case Refusal():
            return {"type": "text", "text": part.text}
        case Thinking():
            return _thinking(part)
        case ToolCall():
            name, given = tool_name(part.name, profile), parameters.arguments(part.arguments)
            return {"type": "tool_use", "id": part.id, "name": name, "input": given}
        case ToolResult():
            return _result(part)
        case Image() | File() if turn.role == "assistant":
            return _text(media.note(part))
        case Image():
            return _image(part)
        case File():
            return _document(part)


def _thinking(part: Thinking) -> Json | None:
    if redacted := artefact(part, PROVIDER, "redacted_thinking"):
        return {"type": "redacted_thinking", "data": redacted}
    signature = artefact(part, PROVIDER, "signature")
    return {"type": "thinking", "thinking": part.text, "signature": signature} if signature else None


def _result(result: ToolResult) -> Json:
    block: Json = {"type": "tool_result", "tool_use_id": result.call_id}
    # The one mark goes on the result itself: those inside count too.
    mark = result.cache or next((part.cache for part in result.parts if part.cache), None)
    content = [_result_block(replace(part, cache=None)) for part in result.parts]
    if len(content) == 1 and content[0].keys() == {"type", "text"}:
        block["content"] = content[0]["text"]
    elif content:
        block["content"] = content
    if result.is_error:
        block["is_error"] = True
    return _marked(block, mark)


def _result_block(part: Text | Image | File) -> Json:
    match part:
        case Text():
            return _text(part)
        case Image():
            return _image(part)
        case File():
            return _document(part)


def _text(part: Text) -> Json:
    return _marked({"type": "text", "text": part.text}, part.cache)


def _image(part: Image) -> Json:
    source: Json
    if part.data and media.media_type(part) in _IMAGE_TYPES:
        source = {"type": "base64", "media_type": media.media_type(part), "data": part.data}
    elif part.url:
        source = {"type": "url", "url": part.url}
    elif media.owned_by(part, PROVIDER):
        source = {"type": "file", "file_id": part.file_id}
    else:
        return _marked(_text(media.note(part)), part.cache)
    return _marked({"type": "image", "source": source}, part.cache)


def _document(part: File) -> Json:
    source: Json
    text = media.plain_text(part)
    if text is not None and text.strip():
        source = {"type": "text", "media_type": "text/plain", "data": text}
    elif part.data and media.media_type(part) == "application/pdf":
        source = {"type": "base64", "media_type": "application/pdf", "data": part.data}
    elif part.url and media.media_type(part) == "application/pdf":
        source = {"type": "url", "url": part.url}
    elif media.owned_by(part, PROVIDER):
        source = {"type": "file", "file_id": part.file_id}
    else:
        return _marked(_text(media.note(part)), part.cache)
    block: Json = {"type": "document", "source": source}
    if part.filename:
        block["title"] = part.filename
    return _marked(block, part.cache)


def _tools(request: ChatRequest, profile: Profile) -> Json:
    tools, fields = request.tools, Json()
    choice = request.tool_choice
    if choice and choice.mode == "required" and profile.forced_tools:
        # "One of these" exists for one tool alone: for several, the others are not offered.
        tools = tuple(tool for tool in tools if tool.name in choice.names) or tools
        one = len(choice.names) == 1
        fields = {"type": "tool", "name": tool_name(choice.names[0], profile)} if one else {"type": "any"}
    elif choice:
        fields = {"type": "none" if choice.mode == "none" else "auto"}
    if request.parallel_tool_calls is False and fields.get("type") != "none":
        fields = {"type": "auto", **fields, "disable_parallel_tool_use": True}
    body: Json = {"tools": [_tool(tool, profile) for tool in tools]}
    return body | ({"tool_choice": fields} if fields else {})


def _tool(tool: Tool, profile: Profile) -> Json:
    schema = {**(tool.parameters or {"properties": {}}), "type": "object"}
    definition: Json = {"name": tool_name(tool.name, profile), "input_schema": schema}
    if tool.description:
        definition["description"] = tool.description
    if tool.strict and profile.structured == "json_schema":
        definition |= {"strict": True, "input_schema": closed(schema)}
    return _marked(definition, tool.cache)


def _add_format(body: Json, request: ChatRequest, profile: Profile) -> tuple[Text, ...]:
    """Sets the answer's schema, or returns what has to be said of it in the system prompt."""
    form = request.response_format
    if form is None or form.kind == "text":
        return ()
    if form.schema is None or profile.structured != "json_schema":
        return (Text(parameters.schema_in_words(form)),)
    body["output_config"] = {"format": {"type": "json_schema", "schema": closed(form.schema)}}
    return ()


def _add_thinking(body: Json, request: ChatRequest, profile: Profile) -> None:
    """Source: Anthropic extended and adaptive thinking guides, for what may not stand beside it."""
    wish = request.reasoning
    if wish is None or profile.reasoning == "none":
        return
    if profile.reasoning == "budget":
        thinking = _thinking_budget(body, parameters.budget(wish), profile)
    else:
        thinking = _adaptive_thinking(wish, profile)
        if thinking["type"] == "adaptive" and (effort := parameters.effort(wish, profile.efforts)):
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    forced = body.get("tool_choice", {}).get("type") in ("any", "tool")
    if not thinking or (forced and not profile.always_reasons):
        return
    body["thinking"] = thinking
    if thinking["type"] != "disabled":
        for refused in ("temperature", "top_p", "top_k"):
            body.pop(refused, None)


def _adaptive_thinking(wish: Reasoning, profile: Profile) -> Json:
    if parameters.is_off(wish) and not profile.always_reasons:
        return {"type": "disabled"}
    return {"type": "adaptive"} | ({"display": "summarized"} if wish.include_thoughts else {})


def _thinking_budget(body: Json, wanted: int | None, profile: Profile) -> Json:
    """Nothing where it would be refused: no room below `max_tokens`, a prefill, an unthinking tool turn."""
    budget = min(max(wanted or 0, profile.budget_min), profile.budget_max, body["max_tokens"] - 1)
    messages = body["messages"]
    prefilled = messages[-1]["role"] == "assistant"
    in_tool_turn = messages[-1]["content"][0]["type"] == "tool_result"
    unthinking = in_tool_turn and messages[-2]["content"][0]["type"] not in ("thinking", "redacted_thinking")
    if not wanted or budget < profile.budget_min or prefilled or unthinking:
        return {}
    return {"type": "enabled", "budget_tokens": budget}


def _marked(block: Json, ttl: str | None) -> Json:
    if ttl:
        block["cache_control"] = {"type": "ephemeral"} | ({"ttl": "1h"} if ttl == "1h" else {})
    return block


def _limit_cache(body: Json, most: int) -> None:
    """Keeps the first mark, the prefix that most requests share, and the latest; longer-lived ones first.

    Source: Anthropic prompt caching guide: at most four, and a 1h entry may not follow a 5m one.
    """
    system = body.get("system", ())
    holders = [*body.get("tools", ()), *(() if isinstance(system, str) else system)]
    holders += [block for message in body["messages"] for block in message["content"]]
    marked = [block for block in holders if "cache_control" in block]
    for block in marked[1 : max(len(marked) - most + 1, 1)]:
        del block["cache_control"]
    short = False
    for block in marked:
        if control := block.get("cache_control"):
            if short:
                control.pop("ttl", None)
            short = short or control.get("ttl") != "1h"
