"""Anthropic's messages request, read to the canonical one.

Source: anthropic 2.12, types/message_create_params.py. Fields that it alone has come back to it as they were.
"""

from typing import Any, Literal

from models.chat import ChatRequest, Message, Opaque, Reasoning, ResponseFormat, Tool, ToolChoice
from models.dialects.anthropic_blocks import PROVIDER, mark, messages, texts
from models.dialects.reading import Reader
from models.parts import json_text

_Effort = Literal["low", "medium", "high", "xhigh", "max"]
_MODES: dict[str, Literal["auto", "none", "required"]] = {
    "auto": "auto",
    "none": "none",
    "any": "required",
    "tool": "required",
}


def decode(body: dict[str, Any]) -> ChatRequest:
    """Raises InvalidRequest naming the field at fault."""
    asked = Reader(body)
    choice, parallel = _tool_choice(asked.inner("tool_choice"))
    output, options = asked.inner("output_config"), dict[str, Any]()
    form = _format(output, options) if output else None
    reasoning = _reasoning(asked.inner("thinking"), output, options)
    metadata = asked.inner("metadata")
    end_user = metadata.text("user_id") if metadata else ""
    if metadata and metadata.rest:
        options["metadata"] = metadata.rest
    if output and output.rest:
        options["output_config"] = output.rest | options.get("output_config", {})
    return ChatRequest(
        model=asked.text("model"),
        messages=(*_system(asked), *(m for one in asked.each("messages") for m in messages(one))),
        tools=tuple(_tool(tool) for tool in asked.each("tools")),
        tool_choice=choice,
        parallel_tool_calls=parallel,
        response_format=form,
        reasoning=reasoning,
        max_tokens=asked.maybe("max_tokens", int),
        stop=asked.strings("stop_sequences"),
        temperature=asked.number("temperature"),
        top_p=asked.number("top_p"),
        top_k=asked.maybe("top_k", int),
        service_tier=asked.maybe("service_tier", str),
        end_user=end_user,
        stream=asked.maybe("stream", bool) or False,
        provider_options={PROVIDER: private} if (private := asked.rest | options) else {},
    )


def _system(asked: Reader) -> tuple[Message, ...]:
    given = asked.peek("system")
    if given is None:
        return ()
    return (Message("system", texts(given, "system")),)


def _tool(tool: Reader) -> Tool:
    name, kind = tool.need("name", str), tool.raw.get("type")
    if kind not in (None, "custom"):
        return Tool(name, opaque=(Opaque(PROVIDER, "tool", json_text(tool.raw)),))
    return Tool(
        name,
        description=tool.text("description"),
        parameters=tool.maybe("input_schema", dict),
        strict=tool.maybe("strict", bool),
        cache=mark(tool),
        opaque=tool.kept(PROVIDER),
    )


def _tool_choice(choice: Reader | None) -> tuple[ToolChoice | None, bool | None]:
    if choice is None:
        return None, None
    kind = choice.need("type", str)
    if kind not in _MODES:
        raise choice.wrong("type", f"is to be one of {', '.join(_MODES)}")
    names = (choice.need("name", str),) if kind == "tool" else ()
    parallel = False if choice.maybe("disable_parallel_tool_use", bool) else None
    return ToolChoice(_MODES[kind], names), parallel


def _format(output: Reader, options: dict[str, Any]) -> ResponseFormat | None:
    form = output.inner("format")
    if form is None:
        return None
    if form.need("type", str) != "json_schema":
        options["output_config"] = {"format": form.raw}
        return None
    return ResponseFormat("json_schema", schema=form.need("schema", dict))


def _reasoning(thinking: Reader | None, output: Reader | None, options: dict[str, Any]) -> Reasoning | None:
    """Effort and thinking are two wishes here and one elsewhere: what that loses stays in the options."""
    effort = output.one_of("effort", _Effort) if output else None
    if thinking is None:
        if effort:
            options["thinking"] = None
        return Reasoning(effort) if effort else None
    kind = thinking.need("type", str)
    if kind not in ("adaptive", "enabled", "disabled"):
        options["thinking"] = thinking.raw
        return Reasoning(effort) if effort else None
    budget = thinking.need("budget_tokens", int) if kind == "enabled" else None
    shown = thinking.raw.get("display") == "summarized"
    thinking.skip("type", *(["display"] if shown and kind == "adaptive" else []))
    if thinking.rest:
        options["thinking"] = thinking.rest
    if effort and kind != "adaptive":
        options.setdefault("output_config", {})["effort"] = effort
    return Reasoning("none" if kind == "disabled" else effort, budget, shown)
