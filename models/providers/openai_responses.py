"""OpenAI's Responses API: the request.

Source: openai 3.54, types/responses/response_create_params.py.
"""

from collections.abc import Mapping
from typing import Any

from models.chat import ChatRequest, ResponseFormat, Tool, ToolChoice
from models.parts import artefact
from models.providers import parameters
from models.providers.history import paired
from models.providers.names import tool_name
from models.providers.openai_items import HOME, PROVIDER, items, without_loose_ends
from models.providers.openai_media import JSON_WANTED, limit_breakpoints, needs_word
from models.providers.private import definitions
from models.providers.profiles import Profile
from models.providers.schema_subset import is_strict, object_root, strict_form
from models.providers.stand_ins import OPENING
from models.providers.tiers import tier_word

Json = dict[str, Any]

INSTRUCTIONS = "instructions"
"""Kind of a system message's artefact: it was given apart from the input."""
_RESERVED = frozenset(("model", "input", "stream", "max_output_tokens", "service_tier", "background"))
_SHARED = frozenset(
    (
        "metadata",
        "moderation",
        "prompt_cache_key",
        "prompt_cache_options",
        "prompt_cache_retention",
        "safety_identifier",
        "store",
        "top_logprobs",
    )
)
"""Options that the Chat API knows too."""
_LEAST_TOKENS = 16


def encode(
    request: ChatRequest, *, model: str, profile: Profile, max_output_tokens: int | None = None
) -> dict[str, Any]:
    """This API has no stop sequences, penalties and seed: such wishes are left out."""
    turns = paired(request.messages, profile=profile, home=HOME)
    apart = [turn for turn in turns if artefact(turn.opaque, PROVIDER, INSTRUCTIONS)]
    written = without_loose_ends(items([turn for turn in turns if turn not in apart], profile))
    limit_breakpoints(written, profile.cache_breakpoints)
    if needs_word(request.response_format, written):
        written.append({"role": "system", "content": JSON_WANTED})
    body: Json = {"model": model, "input": written or [{"role": "user", "content": OPENING.text}]}
    if apart:
        body["instructions"] = "\n\n".join(part.text for turn in apart for part in turn.texts)
    sampling = parameters.sampling(request, profile)
    body |= {name: sampling[name] for name in ("temperature", "top_p") if name in sampling}
    if request.max_tokens is not None:
        ceiling = parameters.output_ceiling(request, max_output_tokens) or 0
        body["max_output_tokens"] = max(ceiling, _LEAST_TOKENS)
    body |= _tools(request, profile) | _settings(request, profile)
    if request.stream:
        body["stream"] = True
    options = _options(request.provider_options)
    return parameters.overlaid(body, options, reserved=_RESERVED | profile.options_refused)


def _settings(request: ChatRequest, profile: Profile) -> Json:
    settings: Json = {}
    if wish := request.reasoning:
        effort = parameters.effort(wish, profile.efforts)
        reasoning: Json = {"effort": effort} if effort else {}
        if wish.include_thoughts and profile.efforts:
            reasoning["summary"] = "auto"
        settings |= {"reasoning": reasoning} if reasoning else {}
    form = request.response_format
    text: Json = {"format": _format(form, profile)} if form else {}
    if request.verbosity and profile.verbosity:
        text["verbosity"] = request.verbosity
    if text:
        settings["text"] = text
    if tier := tier_word(request.service_tier, profile):
        settings["service_tier"] = tier
    if request.end_user:
        settings["user"] = request.end_user
    return settings


def _options(options: Mapping[str, dict[str, Any]]) -> Json:
    shared = {key: value for key, value in options.get("openai", {}).items() if key in _SHARED}
    return shared | options.get(PROVIDER, {})


def _tools(request: ChatRequest, profile: Profile) -> Json:
    tools = definitions(request.tools, PROVIDER, lambda tool: _tool(tool, profile))
    if not tools:
        return {}
    fields: Json = {"tools": tools}
    if request.parallel_tool_calls is not None:
        fields["parallel_tool_calls"] = request.parallel_tool_calls
    if choice := parameters.choice(request):
        fields["tool_choice"] = _choice(choice, request.tools, profile)
    return fields


def _tool(tool: Tool, profile: Profile) -> Json:
    described: Json = {"name": tool_name(tool.name, profile)}
    if tool.description:
        described["description"] = tool.description
    if tool.freeform:
        return {"type": "custom", **described}
    schema = object_root(tool.parameters or {"properties": {}})
    # Left out, it would be true here, and few schemas are written for that.
    return {
        "type": "function",
        **described,
        "parameters": schema,
        "strict": bool(tool.strict) and is_strict(schema),
    }


def _choice(choice: ToolChoice, tools: tuple[Tool, ...], profile: Profile) -> str | Json:
    custom = {tool.name for tool in tools if tool.freeform}
    named: list[Json] = [
        {"type": "custom" if name in custom else "function", "name": tool_name(name, profile)}
        for name in choice.names
    ]
    if choice.mode == "required" and len(named) == 1:
        return named[0]
    if choice.mode == "none" or not named:
        return choice.mode
    return {"type": "allowed_tools", "mode": choice.mode, "tools": named}


def _format(form: ResponseFormat, profile: Profile) -> Json:
    if form.kind != "json_schema" or form.schema is None:
        return {"type": "text" if form.kind == "text" else "json_object"}
    wanted: Json = {"type": "json_schema", "name": tool_name(form.name or "answer", profile)}
    held = strict_form(form.schema) if form.strict else None
    wanted["schema"] = held or form.schema
    if form.description:
        wanted["description"] = form.description
    if form.strict is not None:
        wanted["strict"] = held is not None
    return wanted
