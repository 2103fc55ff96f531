"""Gemini generateContent: the request, in the REST API's camelCase.

Source: google-genai 3.4, types.py; thought signatures: the Gemini thinking guide.
"""

from typing import Any

from models.chat import (
    ChatRequest,
    File,
    Image,
    Part,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolChoice,
    ToolResult,
)
from models.providers import media, parameters
from models.providers.failures import error_from as error_from
from models.providers.google_generate_answer import StreamDecoder as StreamDecoder
from models.providers.google_generate_answer import decode as decode
from models.providers.google_generate_answer import decode_usage as decode_usage
from models.providers.history import Turn, alternating, artefact
from models.providers.names import tool_name
from models.providers.profiles import Profile
from models.providers.schema_subset import openapi

Json = dict[str, Any]

PROVIDER = "google"
_SIGNATURE = "thought_signature"
_UNSIGNED = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made."""
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
_TIERS = {"default": "standard", "standard": "standard", "flex": "flex", "priority": "priority"}


def encode(
    request: ChatRequest,
    *,
    model: str,  # noqa: ARG001  # in the URL; here for one signature with the other wires
    profile: Profile,
    max_output_tokens: int | None = None,
) -> dict[str, Any]:
    """The model is named in the URL, and so is whether the answer streams."""
    talk = alternating(request.messages, profile=profile)
    config, spoken = _generation_config(request, profile, max_output_tokens)
    body: Json = {"contents": [_content(turn, profile) for turn in talk.turns]}
    if system := [{"text": part.text} for part in (*talk.system, *spoken)]:
        body["systemInstruction"] = {"parts": system}
    if request.tools:
        body["tools"] = [{"functionDeclarations": [_declaration(tool, profile) for tool in request.tools]}]
        if request.tool_choice:
            body["toolConfig"] = {"functionCallingConfig": _calling(request.tool_choice, profile)}
    if config:
        body["generationConfig"] = config
    if request.service_tier in _TIERS:
        body["serviceTier"] = _TIERS[request.service_tier]
    return parameters.overlaid(body, request.provider_options.get(PROVIDER, {}), reserved=_RESERVED)


def _content(turn: Turn, profile: Profile) -> Json:
    if turn.role == "assistant":
        parts = [_said(part, profile) for part in turn.parts]
        calls = [part for part in parts if "functionCall" in part]
        if calls and profile.signed_calls:
            calls[0].setdefault("thoughtSignature", _UNSIGNED)
        return {"role": "model", "parts": parts}
    results = [_response(result, profile) for result in turn.results]
    # What a response cannot hold follows all of them, so that their number stays the calls'.
    beside = [part for result in turn.results for part in result.parts if not _fits(part, profile)]
    rest = [part for part in turn.parts if not isinstance(part, ToolResult)]
    return {"role": "user", "parts": results + [_input(part) for part in (*beside, *rest)]}


def _said(part: Part, profile: Profile) -> Json:
    match part:
        case Text():
            return _signed({"text": part.text}, part)
        case Thinking():
            return _signed({"text": part.text, "thought": True}, part)
        case ToolCall():
            call: Json = {
                "name": tool_name(part.name, profile),
                "args": parameters.arguments(part.arguments),
            }
            if profile.call_ids:
                call["id"] = part.id
            return _signed({"functionCall": call}, part)
        case _:
            return _input(part)


def _signed(wire: Json, part: Text | Thinking | ToolCall) -> Json:
    if signature := artefact(part, PROVIDER, _SIGNATURE):
        wire["thoughtSignature"] = signature
    return wire


def _input(part: Part) -> Json:
    match part:
        case Text() | Refusal():
            return {"text": part.text}
        case Image():
            return _blob(part)
        case File():
            text = media.plain_text(part)
            return {"text": media.titled(part, text).text} if text is not None else _blob(part)
        case _:
            raise AssertionError(f"{type(part).__name__} in a user turn")


def _blob(part: Image | File) -> Json:
    kind = media.media_type(part)
    if part.data:
        return {"inlineData": {"mimeType": kind, "data": part.data}}
    if part.url:
        return {"fileData": {"mimeType": kind, "fileUri": part.url}}
    if media.owned_by(part, PROVIDER):
        return {"fileData": {"mimeType": kind, "fileUri": part.file_id}}
    return {"text": media.note(part).text}


def _fits(part: Text | Image | File, profile: Profile) -> bool:
    if isinstance(part, Text) or (isinstance(part, File) and media.plain_text(part) is not None):
        return True
    return bool(part.data) and media.media_type(part) in profile.media_in_results


def _response(result: ToolResult, profile: Profile) -> Json:
    texts = [part.text for part in result.parts if isinstance(part, Text)]
    texts += [text for p in result.parts if isinstance(p, File) and (text := media.plain_text(p)) is not None]
    name = tool_name(result.name, profile)
    response: Json = {"name": name, "response": {"error" if result.is_error else "output": "\n".join(texts)}}
    if profile.call_ids:
        response["id"] = result.call_id
    inline = [
        _blob(part)
        for part in result.parts
        if not isinstance(part, Text)
        and _fits(part, profile)
        and not (isinstance(part, File) and media.plain_text(part) is not None)
    ]
    if inline:
        response["parts"] = inline
    return {"functionResponse": response}


def _declaration(tool: Tool, profile: Profile) -> Json:
    declaration: Json = {"name": tool_name(tool.name, profile), "description": tool.description or tool.name}
    if tool.parameters and tool.parameters.get("properties"):
        if profile.structured == "subset":
            declaration["parameters"] = openapi(tool.parameters)
        else:
            declaration["parametersJsonSchema"] = tool.parameters
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
        config[profile.max_tokens_field] = parameters.output_ceiling(request, max_output_tokens)
    if stops := parameters.stops(request, profile):
        config["stopSequences"] = stops
    if request.reasoning and (thinking := _thinking(request.reasoning, profile)):
        config["thinkingConfig"] = thinking
    form = request.response_format
    if form is None or form.kind == "text":
        return config, ()
    if request.tools and not profile.structured_with_tools:
        return config, (Text(parameters.schema_in_words(form)),)
    config["responseMimeType"] = "application/json"
    if form.schema is not None and profile.structured == "subset":
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
    elif (budget := parameters.budget(wish)) is not None:
        off = budget == 0 and not profile.always_reasons
        config["thinkingBudget"] = 0 if off else min(max(budget, profile.budget_min), profile.budget_max)
    return config
