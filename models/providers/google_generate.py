"""Gemini generateContent: the request, in the REST API's camelCase.

Source: google-genai 3.4, types.py.
"""

from typing import Any

from models.chat import ChatRequest, Reasoning, Text, Tool, ToolChoice
from models.parts import artefact
from models.providers import parameters
from models.providers.failures import error_from as error_from
from models.providers.google_generate_answer import decode as decode
from models.providers.google_generate_answer import decode_usage as decode_usage
from models.providers.google_generate_stream import StreamDecoder as StreamDecoder
from models.providers.google_parts import HOME, PROVIDER, content
from models.providers.history import alternating
from models.providers.names import tool_name
from models.providers.private import definitions, is_server_tool, opened
from models.providers.profiles import Profile
from models.providers.schema_subset import object_root, openapi
from models.providers.tiers import tier_word

Json = dict[str, Any]

_RESERVED = frozenset(
    (
        "model",
        "contents",
        "serviceTier",
        "generationConfig.maxOutputTokens",
        "generationConfig.candidateCount",
        "generationConfig.responseModalities",
    )
)
_SAMPLING = {
    "temperature": "temperature",
    "top_p": "topP",
    "top_k": "topK",
    "presence_penalty": "presencePenalty",
    "frequency_penalty": "frequencyPenalty",
    "seed": "seed",
}
_ANY_BUDGET = -1
"""The model is to choose how long it thinks."""


def encode(
    request: ChatRequest,
    *,
    model: str,  # noqa: ARG001  # in the URL; here for one signature with the other wires
    profile: Profile,
    max_output_tokens: int | None = None,
) -> dict[str, Any]:
    """The model is named in the URL, and so is whether the answer streams."""
    talk = alternating(request.messages, profile=profile, home=HOME)
    config, spoken = _generation_config(request, profile, max_output_tokens)
    body: Json = {"contents": [content(turn, profile) for turn in talk.turns]}
    if system := [{"text": part.text} for part in (*talk.system, *spoken)]:
        body["systemInstruction"] = {"parts": system}
    body |= _tools(request, profile)
    if config:
        body["generationConfig"] = config
    if tier := tier_word(request.service_tier, profile):
        body["serviceTier"] = tier
    options = request.provider_options.get(PROVIDER, {})
    return parameters.overlaid(body, options, reserved=_RESERVED | profile.options_refused)


def _tools(request: ChatRequest, profile: Profile) -> Json:
    choice = parameters.choice(request)
    functions = [tool for tool in request.tools if not is_server_tool(tool)]
    if choice and choice.mode == "auto" and choice.names:
        # Names go with a forced call alone: else the other functions are not declared.
        functions = [tool for tool in functions if tool.name in choice.names]
    own = [tool for tool in request.tools if is_server_tool(tool)]
    declared = definitions(functions, PROVIDER, lambda tool: _declaration(tool, profile))
    tools = [{"functionDeclarations": declared}] if declared else []
    tools += definitions(own, PROVIDER, lambda tool: _declaration(tool, profile))
    fields: Json = {"tools": tools} if tools else {}
    if declared and choice:
        fields["toolConfig"] = {"functionCallingConfig": _calling(choice, profile)}
    return fields


def _declaration(tool: Tool, profile: Profile) -> Json:
    declaration: Json = {"name": tool_name(tool.name, profile), "description": tool.description or tool.name}
    as_given = opened(artefact(tool.opaque, PROVIDER, "declaration") or "")
    if as_given and (profile.structured != "subset" or "parametersJsonSchema" not in as_given):
        return as_given | {"name": declaration["name"]}
    schema = object_root(tool.parameters or {})
    if schema.get("properties"):
        if profile.structured == "subset":
            declaration["parameters"] = openapi(schema)
        else:
            declaration["parametersJsonSchema"] = schema
    return declaration


def _calling(choice: ToolChoice, profile: Profile) -> Json:
    if choice.mode != "required" or not profile.forced_tools:
        return {"mode": "NONE" if choice.mode == "none" else "AUTO"}
    calling: Json = {"mode": "ANY"}
    if choice.names:
        calling["allowedFunctionNames"] = [tool_name(name, profile) for name in choice.names]
    return calling


def _generation_config(
    request: ChatRequest, profile: Profile, max_output_tokens: int | None
) -> tuple[Json, tuple[Text, ...]]:
    """The configuration, and what has to be said of the answer's form in the system prompt instead."""
    config: Json = {_SAMPLING[name]: value for name, value in parameters.sampling(request, profile).items()}
    if request.max_tokens is not None:
        config[profile.max_tokens_field] = parameters.output_ceiling(request, max_output_tokens) or 1
    if stops := parameters.stops(request, profile):
        config["stopSequences"] = stops
    if request.reasoning and (thinking := _thinking(request.reasoning, profile)):
        config["thinkingConfig"] = thinking
    form = request.response_format
    if form is None or form.kind == "text":
        return config, ()
    functions = any(not is_server_tool(tool) for tool in request.tools)
    if functions and not profile.structured_with_tools:
        return config, (Text(parameters.schema_in_words(form)),)
    config["responseMimeType"] = "application/json"
    if given := artefact(form.opaque, PROVIDER, "response_schema"):
        config["responseSchema"] = opened(given)
    elif form.schema is not None and profile.structured == "subset":
        config["responseSchema"] = openapi(form.schema)
    elif form.schema is not None:
        config["responseJsonSchema"] = form.schema
    return config, ()


def _thinking(wish: Reasoning, profile: Profile) -> Json:
    if profile.reasoning == "none":
        return {}
    config: Json = {"includeThoughts": True} if wish.include_thoughts else {}
    if profile.reasoning == "level":
        if level := parameters.effort(wish, profile.efforts):
            config["thinkingLevel"] = level
    elif wish.budget_tokens == _ANY_BUDGET:
        config["thinkingBudget"] = _ANY_BUDGET
    elif (budget := parameters.budget(wish)) is not None:
        off = budget == 0 and not profile.always_reasons
        config["thinkingBudget"] = 0 if off else min(max(budget, profile.budget_min), profile.budget_max)
    return config
