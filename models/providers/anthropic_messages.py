"""Anthropic messages: the request.

Source: anthropic 2.12, types/message_create_params.py. Unknown fields are refused there, so nothing is passed
through but what came from there.
"""

from collections.abc import Iterator
from typing import Any

from models.chat import ChatRequest, Reasoning, Text, Tool
from models.parts import json_text
from models.providers import parameters
from models.providers.anthropic_blocks import (
    HOME,
    PROVIDER,
    blocks,
    marked,
    text_block,
    unbound,
    with_whole_server_tools,
)
from models.providers.anthropic_messages_answer import decode as decode
from models.providers.anthropic_messages_answer import decode_usage as decode_usage
from models.providers.anthropic_messages_stream import StreamDecoder as StreamDecoder
from models.providers.failures import error_from as error_from
from models.providers.history import Conversation, alternating
from models.providers.names import tool_name
from models.providers.private import definitions, restored
from models.providers.profiles import Profile
from models.providers.schema_subset import closed, object_root
from models.providers.tiers import tier_word

Json = dict[str, Any]

_RESERVED = frozenset(
    ("model", "messages", "stream", "max_tokens", "service_tier", "speed", "inference_geo", "fallbacks")
)
_DEFAULT_MAX_TOKENS = 4_096
_GONE = "No longer on offer."
_LONG_CHARS = 8_192
"""Instructions and tools of less are rarely worth a place in a cache, or too short for one."""
_MARKABLE = ("text", "image", "document", "tool_result")


def encode(
    request: ChatRequest,
    *,
    model: str,
    profile: Profile,
    max_output_tokens: int | None = None,
    replay_thinking: bool = True,
) -> dict[str, Any]:
    """`max_output_tokens` is the model's limit: this API has no default for `max_tokens`.

    `replay_thinking=False` leaves out the model's earlier thinking and where its citations point, for a
    history that was edited since and that the provider refused as `thinking_bound`.
    """
    history = request.messages if replay_thinking else unbound(request.messages)
    talk = alternating(with_whole_server_tools(history), profile=profile, home=HOME)
    ceiling = parameters.output_ceiling(request, max_output_tokens)
    body: Json = {
        "model": model,
        "max_tokens": _DEFAULT_MAX_TOKENS if ceiling is None else ceiling,
        "messages": _messages(talk, profile),
    }
    body |= parameters.sampling(request, profile)
    if stops := [stop for stop in parameters.stops(request, profile) if stop.strip()]:
        body["stop_sequences"] = stops
    body |= _tools(request, profile) or _tools_gone(talk, profile)
    spoken = _add_format(body, request, profile)
    if system := _system((*talk.system, *spoken)):
        body["system"] = system
    _add_thinking(body, request, profile)
    if tier := tier_word(request.service_tier, profile):
        body["service_tier"] = tier
    if request.end_user:
        body["metadata"] = {"user_id": request.end_user}
    if request.stream:
        body["stream"] = True
    options = _options(request, body)
    if request.auto_cache and profile.cache_breakpoints and "cache_control" not in options:
        _mark_unasked(body)
    _limit_cache(body, profile.cache_breakpoints - ("cache_control" in options))
    return parameters.overlaid(body, options, reserved=_RESERVED | profile.options_refused)


def _options(request: ChatRequest, body: Json) -> Json:
    """How thinking is shown says nothing where there is none."""
    options = request.provider_options.get(PROVIDER, {})
    thinking = options.get("thinking")
    if not thinking or "type" in thinking or "thinking" in body:
        return options
    return {name: value for name, value in options.items() if name != "thinking"}


def _system(parts: tuple[Text, ...]) -> str | list[Json]:
    written = [text_block(part) for part in parts]
    if len(written) == 1 and written[0].keys() == {"type", "text"}:
        text: str = written[0]["text"]
        return text
    return written


def _messages(talk: Conversation, profile: Profile) -> list[Json]:
    messages: list[Json] = []
    for turn in talk.turns:
        message: Json = {"role": turn.role, "content": blocks(turn, profile)}
        messages.append(restored(message, turn.opaque, PROVIDER))
    last = messages[-1]["content"][-1]
    if messages[-1]["role"] == "assistant" and last["type"] == "text":
        last["text"] = last["text"].rstrip()
    return messages


def _tools_gone(talk: Conversation, profile: Profile) -> Json:
    """Stand-ins for tools that were called and are not offered any more."""
    called = {tool_name(call.name, profile): None for turn in talk.turns for call in turn.calls}
    if not called or not profile.calls_need_tools:
        return {}
    schema = {"type": "object", "properties": Json()}
    tools = [{"name": name, "description": _GONE, "input_schema": schema} for name in called]
    return {"tools": tools, "tool_choice": {"type": "none"}}


def _tools(request: ChatRequest, profile: Profile) -> Json:
    tools, fields = request.tools, Json()
    choice = parameters.choice(request)
    one = choice is not None and choice.mode == "required" and len(choice.names) == 1
    if choice and choice.mode != "none" and choice.names and not (one and profile.forced_tools):
        # "One of these" exists for one tool that is forced: else the others are not offered.
        tools = tuple(tool for tool in tools if tool.name in choice.names)
    if choice and choice.mode == "required" and profile.forced_tools:
        fields = {"type": "tool", "name": tool_name(choice.names[0], profile)} if one else {"type": "any"}
    elif choice:
        fields = {"type": "none" if choice.mode == "none" else "auto"}
    if request.parallel_tool_calls is False and fields.get("type") != "none":
        fields = {"type": "auto", **fields, "disable_parallel_tool_use": True}
    offered = definitions(tools, PROVIDER, lambda tool: _tool(tool, profile))
    if not offered:
        return {}
    return {"tools": offered} | ({"tool_choice": fields} if fields else {})


def _tool(tool: Tool, profile: Profile) -> Json:
    schema = object_root(tool.parameters or {"properties": {}})
    definition: Json = {"name": tool_name(tool.name, profile), "input_schema": schema}
    if tool.description:
        definition["description"] = tool.description
    if tool.strict and profile.structured == "json_schema":
        definition |= {"strict": True, "input_schema": closed(schema)}
    return marked(definition, tool.cache)


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
    wish, options = request.reasoning, request.provider_options.get(PROVIDER, {})
    if wish is None or profile.reasoning == "none":
        return
    if profile.reasoning == "budget":
        thinking = _thinking_budget(body, parameters.budget(wish), profile)
    else:
        thinking = _adaptive_thinking(wish, profile)
        if thinking["type"] == "adaptive" and (effort := parameters.effort(wish, profile.efforts)):
            body["output_config"] = {**body.get("output_config", {}), "effort": effort}
    if "thinking" in options and options["thinking"] is None:
        return  # effort was all that was wished for
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


def _mark_unasked(body: Json) -> None:
    """Where the caller marked nothing: a talk that goes on will be sent again, and so will long instructions.

    Storing costs a quarter more than sending, reading a tenth of it: a single short question is not marked.
    """
    if any(block.get("cache_control") for block in _holders(body)):
        return
    tools, system, messages = body.get("tools", []), body.get("system", ""), body["messages"]
    if isinstance(system, str) and system:
        system = [{"type": "text", "text": system}]
    steady = [*tools, *system]
    if steady and sum(len(json_text(one)) for one in steady) >= _LONG_CHARS:
        steady[-1]["cache_control"] = {"type": "ephemeral"}
        body |= {"system": system} if system else {}
    if messages[-1]["role"] == "user" and any(one["role"] == "assistant" for one in messages):
        markable = [block for block in messages[-1]["content"] if block["type"] in _MARKABLE]
        if markable:
            markable[-1]["cache_control"] = {"type": "ephemeral"}


def _limit_cache(body: Json, most: int) -> None:
    """Keeps the first mark, the prefix that most requests share, and the latest; longer-lived ones first.

    Source: Anthropic prompt caching guide: at most four, and a 1h entry may not follow a 5m one.
    """
    marked_blocks = [block for block in _holders(body) if block.get("cache_control")]
    for block in marked_blocks[1 : max(len(marked_blocks) - most + 1, 1)]:
        del block["cache_control"]
    short = False
    for block in marked_blocks:
        if control := block.get("cache_control"):
            if short:
                control.pop("ttl", None)
            short = short or control.get("ttl") != "1h"


def _holders(body: Json) -> Iterator[Json]:
    """What may carry a mark, in the order in which the provider reads it."""
    yield from body.get("tools", ())
    yield from () if isinstance(system := body.get("system", ()), str) else system
    for message in body["messages"]:
        for block in message["content"]:
            if isinstance(inner := block.get("content"), list):
                yield from (one for one in inner if isinstance(one, dict))
            yield block
