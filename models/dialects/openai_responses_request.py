"""OpenAI's Responses request, read to the canonical one.

Source: openai 3.54, types/responses/response_create_params.py. What lies at the provider alone (a previous
response, a conversation) is an option of its own: no other provider can be told of it.
"""

from collections.abc import Iterator
from typing import Any, Literal

from models.chat import (
    ChatRequest,
    Effort,
    Message,
    Opaque,
    Reasoning,
    ResponseFormat,
    Text,
    Tool,
    ToolChoice,
)
from models.dialects.openai_forms import FREEFORM
from models.dialects.openai_responses_items import INSTRUCTIONS, PROVIDER, message
from models.dialects.reading import Reader
from models.parts import REST, json_text

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
"""Fields that the Chat API has too, and reads alike."""
_Verbosity = Literal["low", "medium", "high"]


def decode(body: dict[str, Any]) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault."""
    asked, own = Reader(body), dict[str, Any]()
    text = asked.inner("text")
    form = _format(text.inner("format"), own) if text else None
    verbosity = text.one_of("verbosity", _Verbosity) if text else None
    reasoning = _reasoning(asked.inner("reasoning"), own)
    return ChatRequest(
        model=asked.text("model"),
        messages=tuple(_messages(asked)),
        tools=tuple(_tool(tool) for tool in asked.each("tools")),
        tool_choice=_tool_choice(asked, own),
        parallel_tool_calls=asked.maybe("parallel_tool_calls", bool),
        response_format=form,
        reasoning=reasoning,
        max_tokens=asked.maybe("max_output_tokens", int),
        temperature=asked.number("temperature"),
        top_p=asked.number("top_p"),
        verbosity=verbosity,
        service_tier=asked.maybe("service_tier", str),
        end_user=asked.text("user"),
        stream=asked.maybe("stream", bool) or False,
        provider_options=_options(asked, own),
    )


def _messages(asked: Reader) -> Iterator[Message]:
    if given := asked.text("instructions"):
        yield Message("system", (Text(given),), opaque=(Opaque(PROVIDER, INSTRUCTIONS, "true"),))
    if isinstance(said := asked.peek("input"), str):
        yield Message("user", (Text(said),))
        return
    for item in asked.each("input"):
        yield message(item)


def _options(asked: Reader, own: dict[str, Any]) -> dict[str, dict[str, Any]]:
    shared = {name: value for name, value in asked.rest.items() if name in _SHARED}
    private = {name: value for name, value in asked.rest.items() if name not in _SHARED} | own
    return ({"openai": shared} if shared else {}) | ({PROVIDER: private} if private else {})


def _tool(tool: Reader) -> Tool:
    match tool.need("type", str):
        case "function":
            name, strict = tool.need("name", str), tool.maybe("strict", bool)
            described, parameters = tool.text("description"), tool.maybe("parameters", dict)
            # Left out it is not false here.
            kept = tool.rest | ({} if "strict" in tool.raw else {"strict": None})
            opaque = (Opaque(PROVIDER, REST, json_text(kept)),) if kept else ()
            return Tool(name, described, parameters, strict, opaque=opaque)
        case "custom":
            name, described = tool.need("name", str), tool.text("description")
            return Tool(name, described, FREEFORM, freeform=True, opaque=tool.kept(PROVIDER))
        case kind:
            return Tool(kind, opaque=(Opaque(PROVIDER, "tool", json_text(tool.raw)),))


def _tool_choice(asked: Reader, own: dict[str, Any]) -> ToolChoice | None:
    match asked.peek("tool_choice"):
        case None:
            return None
        case ("auto" | "none" | "required") as mode:
            return ToolChoice(mode)
        case {"type": "function" | "custom", "name": str(name)}:
            return ToolChoice("required", (name,))
        case {"type": "allowed_tools", "mode": ("auto" | "required") as mode, "tools": list(tools)} if all(
            isinstance(tool, dict) and isinstance(tool.get("name"), str) for tool in tools
        ):
            return ToolChoice(mode, tuple(tool["name"] for tool in tools))
        case dict():
            pass
        case _:
            raise asked.wrong("tool_choice", "is to be auto, none, required or an object")
    own["tool_choice"] = asked.raw["tool_choice"]
    return None


def _format(form: Reader | None, own: dict[str, Any]) -> ResponseFormat | None:
    match form.need("type", str) if form else None:
        case None:
            return None
        case ("text" | "json_object") as kind:
            return ResponseFormat(kind)
        case "json_schema" if form:
            return ResponseFormat(
                "json_schema",
                form.text("name"),
                form.text("description"),
                form.need("schema", dict),
                form.maybe("strict", bool),
            )
        case _:
            own["text"] = {"format": form.raw if form else {}}
            return None


def _reasoning(reasoning: Reader | None, own: dict[str, Any]) -> Reasoning | None:
    if reasoning is None:
        return None
    effort = reasoning.one_of("effort", Effort)
    shown = reasoning.raw.get("summary") is not None
    if reasoning.raw.get("summary") == "auto":
        reasoning.skip("summary")
    if reasoning.rest:
        own["reasoning"] = reasoning.rest
    return Reasoning(effort, include_thoughts=shown) if effort or shown else None
