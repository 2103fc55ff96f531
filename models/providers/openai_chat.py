"""OpenAI chat completions and the hosts that speak it: the request.

Source: openai 3.54, types/chat/completion_create_params.py.
"""

from typing import Any

from models.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from models.providers import parameters
from models.providers.failures import error_from as error_from
from models.providers.history import paired
from models.providers.names import tool_name
from models.providers.openai_chat_answer import decode as decode
from models.providers.openai_chat_answer import decode_usage as decode_usage
from models.providers.openai_chat_messages import HOME, messages
from models.providers.openai_chat_stream import StreamDecoder as StreamDecoder
from models.providers.openai_media import JSON_WANTED, PROVIDER, limit_breakpoints, needs_word
from models.providers.private import definitions, restored
from models.providers.profiles import Profile
from models.providers.schema_subset import is_strict, object_root, strict_form
from models.providers.stand_ins import OPENING
from models.providers.tiers import tier_word

Json = dict[str, Any]

_RESERVED = frozenset(
    (
        "model",
        "messages",
        "stream",
        "stream_options",
        "n",
        "max_tokens",
        "max_completion_tokens",
        "service_tier",
    )
)


def encode(
    request: ChatRequest, *, model: str, profile: Profile, max_output_tokens: int | None = None
) -> dict[str, Any]:
    effort = parameters.effort(request.reasoning, profile.efforts) if request.reasoning else None
    profile = profile.at(effort)
    body: Json = {"model": model, "messages": _messages(request, profile)}
    body |= parameters.sampling(request, profile) | _limits(request, profile, max_output_tokens)
    if tools := definitions(request.tools, PROVIDER, lambda tool: _tool(tool, profile)):
        body["tools"] = tools
        body |= _tool_choice(request, profile)
    if effort:
        body["reasoning_effort"] = effort
    if request.response_format and (form := _response_format(request.response_format, profile)):
        body["response_format"] = form
    if request.verbosity and profile.verbosity:
        body["verbosity"] = request.verbosity
    if tier := tier_word(request.service_tier, profile):
        body["service_tier"] = tier
    if request.end_user:
        body["user"] = request.end_user
    if request.stream:
        body |= {"stream": True, "stream_options": {"include_usage": True}}
    options = request.provider_options.get(PROVIDER, {}) if profile.first_party else {}
    return parameters.overlaid(body, options, reserved=_RESERVED | profile.options_refused)


def _limits(request: ChatRequest, profile: Profile, max_output_tokens: int | None) -> Json:
    limits: Json = {}
    # Without a wish of the caller's the provider's own default is the better ceiling.
    if request.max_tokens is not None:
        # Zero, which warms a cache at another provider, is refused here.
        limits[profile.max_tokens_field] = parameters.output_ceiling(request, max_output_tokens) or 1
    if stops := parameters.stops(request, profile):
        limits["stop"] = stops
    return limits


def _messages(request: ChatRequest, profile: Profile) -> list[Json]:
    turns = paired(request.messages, profile=profile, home=HOME, keep_names=True)
    said = [message for turn in turns for message in messages(turn, profile)]
    limit_breakpoints(said, profile.cache_breakpoints)
    if needs_word(request.response_format, said):
        said.append({"role": "system", "content": JSON_WANTED})
    return said or [{"role": "user", "content": OPENING.text}]


def _tool(tool: Tool, profile: Profile) -> Json:
    described: Json = {"name": tool_name(tool.name, profile)}
    if tool.description:
        described["description"] = tool.description
    if tool.freeform and profile.first_party:
        return {"type": "custom", "custom": restored(described, tool.opaque, PROVIDER, "custom")}
    described["parameters"] = object_root(tool.parameters or {"properties": {}})
    if tool.strict is not None:
        described["strict"] = tool.strict and is_strict(described["parameters"])
    return {"type": "function", "function": described}


def _tool_choice(request: ChatRequest, profile: Profile) -> Json:
    fields: Json = {}
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    if choice := parameters.choice(request):
        fields["tool_choice"] = _choice(choice, request.tools, profile)
    return fields


def _choice(choice: ToolChoice, tools: tuple[Tool, ...], profile: Profile) -> str | Json:
    custom = {tool.name for tool in tools if tool.freeform} if profile.first_party else set()
    kinds = [("custom" if name in custom else "function", tool_name(name, profile)) for name in choice.names]
    named: list[Json] = [{"type": kind, kind: {"name": name}} for kind, name in kinds]
    mode = "auto" if choice.mode == "required" and not profile.forced_tools else choice.mode
    if mode == "required" and len(named) == 1:
        return named[0]
    if mode == "none" or not named or not profile.first_party:
        return mode
    return {"type": "allowed_tools", "allowed_tools": {"mode": mode, "tools": named}}


def _response_format(form: ResponseFormat, profile: Profile) -> Json:
    if form.kind == "json_schema" and form.schema is not None:
        held = strict_form(form.schema) if form.strict else None
        wanted: Json = {"name": tool_name(form.name or "answer", profile), "schema": held or form.schema}
        if form.description:
            wanted["description"] = form.description
        if form.strict is not None:
            wanted["strict"] = held is not None
        return {"type": "json_schema", "json_schema": wanted}
    return {"type": "text" if form.kind == "text" else "json_object"}
