"""What OpenAI's Responses API accepts, and what of it an answer depends on.

Rules as of November 2026, from the openai 3.54 SDK's types and reported error messages.
"""

from typing import Any

import orjson

from deployments.sandbox import signatures, tokens
from deployments.sandbox.exchange import Json, Prompt, Rejected
from deployments.sandbox.fields import RESPONSES_FIELDS
from deployments.sandbox.openai_rules import (
    REASONING,
    check_effort,
    check_no_sampling,
    check_sampling,
    known_model,
)
from deployments.sandbox.openai_tools import check_call_id, check_name, read_choice, read_format, read_tools

_PARTS = {
    "user": frozenset({"input_text", "input_image", "input_file", "input_audio"}),
    "system": frozenset({"input_text"}),
    "developer": frozenset({"input_text"}),
    "assistant": frozenset({"output_text", "refusal"}),
}
_OF_BUILT_IN_TOOLS = frozenset(
    {
        "web_search_call",
        "file_search_call",
        "code_interpreter_call",
        "image_generation_call",
        "custom_tool_call",
        "custom_tool_call_output",
        "mcp_call",
        "compaction",
        "item_reference",
    }
)
"""Items that come back as they were; their inside is not checked."""
_FOLLOWS_REASONING = frozenset({"message", "function_call", "reasoning"}) | _OF_BUILT_IN_TOOLS


def read_responses(body: Json) -> Prompt:
    if unknown := body.keys() - RESPONSES_FIELDS:
        raise Rejected(f"Unknown parameter: '{min(unknown)}'.", code="unknown_parameter", param=min(unknown))
    model = known_model(body)
    items = _items(body)
    transcript = _Transcript()
    for i, item in enumerate(items):
        transcript.add(item, items[i + 1] if i + 1 < len(items) else None, f"input[{i}]")
    transcript.end()
    _check_settings(body, model)
    offered = body.get("tools") or []
    tools = read_tools([_checked(tool, i) for i, tool in enumerate(offered) if tool["type"] == "function"])
    must_call, may_call = read_choice(body.get("tool_choice"), tools, named=lambda each: each.get("name", ""))
    texts = [
        body.get("instructions") or "",
        *transcript.texts,
        *(orjson.dumps(each).decode() for each in offered),
    ]
    reasoning = body.get("reasoning") or {}
    form = (body.get("text") or {}).get("format")
    return Prompt(
        model=model,
        input_tokens=tokens.count_input(texts, media=transcript.media),
        user_text=transcript.user_text,
        results=transcript.results,
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=read_format(form, texts, "text.format") if form else None,
        max_tokens=body.get("max_output_tokens"),
        thinking=reasoning.get("effort") not in (None, "none") or bool(reasoning.get("summary")),
        show_thinking=bool(reasoning.get("summary")),
        stream=body.get("stream") is True,
    )


def _items(body: Json) -> list[Any]:
    given = body.get("input")
    if isinstance(given, str) and given:
        return [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        raise Rejected(
            "Missing required parameter: 'input'.", code="missing_required_parameter", param="input"
        )
    return given


class _Transcript:
    """The items one after another: their rules, their texts, how they end."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.media = 0
        self.user_text = ""
        self.results: list[tuple[str, str]] = []
        self._unanswered: dict[str, str] = {}

    def add(self, item: Any, following: Any, at: str) -> None:
        kind = item.get("type", "message") if isinstance(item, dict) else None
        if kind == "message":
            self.results = []
            self._message(item, at)
        elif kind == "function_call":
            self.results = []
            self._call(item, at)
        elif kind == "function_call_output":
            self._output(item, at)
        elif kind == "reasoning":
            self._reasoning(item, following, at)
        elif kind in _OF_BUILT_IN_TOOLS:
            self.texts.append(orjson.dumps(item).decode())
        else:
            raise Rejected(f"Invalid value: '{kind}'.", code="invalid_value", param=f"{at}.type")

    def end(self) -> None:
        for identifier in self._unanswered:
            raise Rejected(f"No tool output found for function call {identifier}.", param="input")

    def _message(self, item: Json, at: str) -> None:
        role = item.get("role")
        if role not in _PARTS:
            raise Rejected(f"Invalid value: '{role}'.", code="invalid_value", param=f"{at}.role")
        content = item.get("content")
        if isinstance(content, str):
            found = [content]
        elif isinstance(content, list) and content:
            found = [self._part(part, role, f"{at}.content[{i}]") for i, part in enumerate(content)]
        else:
            raise Rejected(f"Invalid type for '{at}.content'.", code="invalid_type", param=f"{at}.content")
        self.texts += found
        if role == "user":
            self.user_text = " ".join(filter(None, found)) or self.user_text

    def _part(self, part: Any, role: str, at: str) -> str:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _PARTS[role]:
            allowed = ", ".join(f"'{each}'" for each in sorted(_PARTS[role]))
            message = f"Invalid value: '{kind}'. Supported values are: {allowed}."
            raise Rejected(message, code="invalid_value", param=f"{at}.type")
        if kind in ("input_text", "output_text", "refusal"):
            text = part.get("refusal" if kind == "refusal" else "text")
            if not isinstance(text, str):
                raise Rejected(f"Invalid type for '{at}.text'.", code="invalid_type", param=f"{at}.text")
            return text
        self.media += 1
        return ""

    def _call(self, item: Json, at: str) -> None:
        check_call_id(item.get("call_id"), f"{at}.call_id")
        check_name(item.get("name"), f"{at}.name")
        if not isinstance(item.get("arguments"), str):
            raise Rejected(
                f"Invalid type for '{at}.arguments'.", code="invalid_type", param=f"{at}.arguments"
            )
        self._unanswered[item["call_id"]] = item["name"]
        self.texts += [item["name"], item["arguments"]]

    def _output(self, item: Json, at: str) -> None:
        name = self._unanswered.pop(item.get("call_id") or "", None)
        if name is None:
            message = f"No tool call found for function call output with call_id {item.get('call_id')}."
            raise Rejected(message, param=at)
        output = item.get("output")
        if isinstance(output, list):
            output = " ".join(self._part(part, "user", f"{at}.output[{i}]") for i, part in enumerate(output))
        if not isinstance(output, str):
            raise Rejected(f"Invalid type for '{at}.output'.", code="invalid_type", param=f"{at}.output")
        self.texts.append(output)
        self.results.append((name, output))

    def _reasoning(self, item: Json, following: Any, at: str) -> None:
        kind = following.get("type", "message") if isinstance(following, dict) else None
        if kind not in _FOLLOWS_REASONING or (kind == "message" and following.get("role") != "assistant"):
            message = (
                f"Item '{item.get('id')}' of type 'reasoning' was provided without its required following "
                "item."
            )
            raise Rejected(message, param="input")
        thought = signatures.unsealed(item.get("encrypted_content") or "", "openai")
        if thought is None:
            message = f"The encrypted content for item {item.get('id')} could not be verified."
            raise Rejected(message, code="invalid_encrypted_content", param=f"{at}.encrypted_content")
        self.texts.append(thought)


def _checked(tool: Json, i: int) -> Json:
    if "function" in tool:
        raise Rejected(
            f"Unknown parameter: 'tools[{i}].function'.", code="unknown_parameter", param=f"tools[{i}]"
        )
    return tool


def _check_settings(body: Json, model: str) -> None:
    reasoning = body.get("reasoning") or {}
    if REASONING.match(model):
        check_effort(reasoning.get("effort"), "reasoning.effort")
        check_no_sampling(body, reasoning.get("effort"))
    elif reasoning.get("effort") is not None:
        message = "Unsupported parameter: 'reasoning.effort' is not supported with this model."
        raise Rejected(message, code="unsupported_parameter", param="reasoning.effort")
    check_sampling(body)
    limit = body.get("max_output_tokens")
    if limit is not None and (not isinstance(limit, int) or limit < 16):
        message = "Invalid 'max_output_tokens': integer below minimum value. Expected a value >= 16."
        raise Rejected(message, code="integer_below_min_value", param="max_output_tokens")
    if previous := body.get("previous_response_id"):
        message = f"Previous response with id '{previous}' not found."
        raise Rejected(message, code="previous_response_not_found", param="previous_response_id")
