"""What OpenAI's Chat Completions accepts, and what of it an answer depends on.

Rules as of November 2026, from the openai 3.54 SDK's types and its documented error messages.
"""

import re
from typing import Any

import orjson

from deployments.sandbox import tokens
from deployments.sandbox.exchange import Json, Prompt, Rejected, Tool
from deployments.sandbox.fields import CHAT_FIELDS, CHAT_MESSAGE_FIELDS
from deployments.sandbox.openai_tools import check_call_id, check_name, read_choice, read_format, read_tools

REASONING = re.compile(r"^(o\d|gpt-[5-9](?!.*chat))")
FOREIGN = re.compile(r"^(claude|gemini|gemma|learnlm)")
EFFORTS = frozenset({"none", "minimal", "low", "medium", "high", "xhigh", "max"})

_PARTS = {
    "user": frozenset({"text", "image_url", "input_audio", "file"}),
    "assistant": frozenset({"text", "refusal"}),
    "system": frozenset({"text"}),
    "developer": frozenset({"text"}),
    "tool": frozenset({"text"}),
}


def read_chat(body: Json) -> Prompt:
    if not body.keys() <= CHAT_FIELDS:
        raise Rejected(f"Unrecognized request argument supplied: {min(body.keys() - CHAT_FIELDS)}")
    model = known_model(body)
    transcript = _Transcript()
    messages = body.get("messages")
    if messages is None:
        raise Rejected(
            "Missing required parameter: 'messages'.", code="missing_required_parameter", param="messages"
        )
    if not isinstance(messages, list) or not messages:
        raise Rejected("Invalid 'messages': empty array.", code="empty_array", param="messages")
    for i, message in enumerate(messages):
        transcript.add(message, f"messages[{i}]")
    transcript.end()
    _check_settings(body, model)
    offered = enumerate(body.get("tools") or [])
    tools = read_tools([_function(tool, i) for i, tool in offered if tool.get("type") != "custom"])
    must_call, may_call = _choice(body, tools)
    texts = transcript.texts + [orjson.dumps(tool).decode() for tool in body.get("tools") or []]
    effort = body.get("reasoning_effort")
    return Prompt(
        model=model,
        input_tokens=tokens.count_input(texts, media=transcript.media),
        user_text=transcript.user_text,
        results=transcript.results,
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        parallel=body.get("parallel_tool_calls") is not False,
        schema=_schema(body.get("response_format"), texts),
        max_tokens=_first(body, "max_completion_tokens", "max_tokens"),
        stop=_stop(body.get("stop"), model),
        thinking=effort is not None and effort != "none",
        stream=body.get("stream") is True,
        include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
    )


def known_model(body: Json) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Rejected("you must provide a model parameter")
    if FOREIGN.match(model):
        message = f"The model `{model}` does not exist or you do not have access to it."
        raise Rejected(message, status=404, code="model_not_found", param="model")
    return model


class _Transcript:
    """The messages one after another: their rules, their texts, how they end."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.media = 0
        self.user_text = ""
        self.results: list[tuple[str, str]] = []
        self._unanswered: dict[str, str] = {}
        self._ids: set[str] = set()

    def add(self, message: Any, at: str) -> None:
        role = message.get("role") if isinstance(message, dict) else None
        if role not in _PARTS:
            raise Rejected(f"Invalid value: {role!r} at {at}.role.", code="invalid_value", param=f"{at}.role")
        if not message.keys() <= CHAT_MESSAGE_FIELDS:
            unknown = min(message.keys() - CHAT_MESSAGE_FIELDS)
            raise Rejected(f"Unknown parameter: '{at}.{unknown}'.", code="unknown_parameter", param=at)
        if role != "tool":
            self.end()
            self.results = []
        text = self._content(message, role, at)
        if role == "user":
            self.user_text = text or self.user_text
        elif role == "tool":
            self._answer(message, text, at)
        for call in message.get("tool_calls") or []:
            self._call(call, at)

    def end(self) -> None:
        if self._unanswered:
            raise Rejected(
                "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
                "'tool_call_id'. The following tool_call_ids did not have response messages: "
                f"{', '.join(self._unanswered)}",
                param="messages",
            )

    def _content(self, message: Json, role: str, at: str) -> str:
        content = message.get("content")
        if isinstance(content, str):
            self.texts.append(content)
            return content
        if content is None:
            if role == "assistant" and (message.get("tool_calls") or message.get("refusal")):
                return ""
            raise Rejected(
                f"Invalid value for 'content': expected a string, got null. ({at})", param=f"{at}.content"
            )
        if not isinstance(content, list) or not content:
            raise Rejected(f"Invalid type for '{at}.content'.", code="invalid_type", param=f"{at}.content")
        found = [self._part(part, role, f"{at}.content[{i}]") for i, part in enumerate(content)]
        self.texts += found
        return " ".join(filter(None, found))

    def _part(self, part: Any, role: str, at: str) -> str:
        kind = part.get("type") if isinstance(part, dict) else None
        if kind not in _PARTS[role]:
            allowed = ", ".join(f"'{each}'" for each in sorted(_PARTS[role]))
            message = f"Invalid value: '{kind}'. Supported values are: {allowed}."
            raise Rejected(message, code="invalid_value", param=f"{at}.type")
        if unknown := part.keys() - {"type", kind, "prompt_cache_breakpoint"}:
            raise Rejected(f"Unknown parameter: '{at}.{min(unknown)}'.", code="unknown_parameter", param=at)
        value = part.get(kind)
        if kind in ("text", "refusal"):
            if not isinstance(value, str):
                raise Rejected(f"Invalid type for '{at}.{kind}'.", code="invalid_type", param=f"{at}.{kind}")
            return value
        self.media += 1
        if kind == "image_url" and not str((value or {}).get("url", "")).startswith(("http", "data:image/")):
            raise Rejected(
                f"Invalid '{at}.image_url.url'.", code="invalid_value", param=f"{at}.image_url.url"
            )
        return ""

    def _call(self, call: Any, at: str) -> None:
        identifier, function = call.get("id"), call.get("function") or {}
        if call.get("type") == "custom":
            custom = call.get("custom") or {}
            function = {"name": custom.get("name"), "arguments": custom.get("input")}
        check_call_id(identifier, f"{at}.tool_calls.id")
        if identifier in self._ids:
            raise Rejected(f"Duplicate value for 'tool_call_id': {identifier}", param=f"{at}.tool_calls")
        check_name(function.get("name"), f"{at}.tool_calls.function.name")
        if not isinstance(function.get("arguments"), str):
            param = f"{at}.tool_calls.function.arguments"
            raise Rejected(
                f"Invalid type for '{param}': expected a string.", code="invalid_type", param=param
            )
        self._ids.add(identifier)
        self._unanswered[identifier] = function["name"]
        self.texts += [function["name"], function["arguments"]]

    def _answer(self, message: Json, text: str, at: str) -> None:
        name = self._unanswered.pop(message.get("tool_call_id") or "", None)
        if name is None:
            raise Rejected(
                "Invalid parameter: messages with role 'tool' must be a response to a preceding message with "
                "'tool_calls'.",
                param=f"{at}.role",
            )
        self.results.append((name, text))


def _function(tool: Any, i: int) -> Json:
    if (
        not isinstance(tool, dict)
        or tool.get("type") != "function"
        or not isinstance(tool.get("function"), dict)
    ):
        raise Rejected(f"Invalid value at 'tools[{i}]'.", code="invalid_value", param=f"tools[{i}].type")
    function: Json = tool["function"]
    return function


def _choice(body: Json, tools: list[Tool]) -> tuple[tuple[str, ...] | None, bool]:
    choice = body.get("tool_choice")
    if not tools:
        for param in ("tool_choice", "parallel_tool_calls"):
            if body.get(param) is not None:
                raise Rejected(
                    f"Invalid value for '{param}': only allowed when 'tools' are specified.", param=param
                )
        return None, False
    return read_choice(choice, tools, named=lambda each: each.get("function", {}).get("name"))


def _check_settings(body: Json, model: str) -> None:
    effort = body.get("reasoning_effort")
    if REASONING.match(model):
        check_effort(effort, "reasoning_effort")
        if body.get("max_tokens") is not None:
            message = (
                "Unsupported parameter: 'max_tokens' is not supported with this model. "
                "Use 'max_completion_tokens' instead."
            )
            raise Rejected(message, code="unsupported_parameter", param="max_tokens")
        check_no_sampling(body, effort)
    elif effort is not None:
        raise Rejected("Unrecognized request argument supplied: reasoning_effort", param="reasoning_effort")
    check_sampling(body)
    for param in ("max_tokens", "max_completion_tokens"):
        limit = body.get(param)
        if limit is not None and (not isinstance(limit, int) or limit < 1):
            raise Rejected(
                f"Invalid '{param}': integer below minimum value.",
                code="integer_below_min_value",
                param=param,
            )
    if body.get("stream_options") is not None and body.get("stream") is not True:
        raise Rejected(
            "The 'stream_options' parameter is only allowed when 'stream' is enabled.", param="stream_options"
        )
    if body.get("n") not in (None, 1):
        raise Rejected("Invalid 'n': the sandbox gives one choice.", param="n")


def check_effort(effort: Any, param: str) -> None:
    if effort is not None and effort not in EFFORTS:
        raise Rejected(f"Invalid value: '{effort}'.", code="invalid_value", param=param)


def check_no_sampling(body: Json, effort: Any) -> None:
    for param in ("temperature", "top_p"):
        if body.get(param) not in (None, 1) and effort != "none":
            message = (
                f"Unsupported value: '{param}' does not support {body[param]} with this model. "
                "Only the default (1) value is supported."
            )
            raise Rejected(message, code="unsupported_value", param=param)


def check_sampling(body: Json) -> None:
    for param, low, high in (
        ("temperature", 0, 2),
        ("top_p", 0, 1),
        ("presence_penalty", -2, 2),
        ("frequency_penalty", -2, 2),
    ):
        value = body.get(param)
        if value is not None and not (isinstance(value, int | float) and low <= value <= high):
            raise Rejected(
                f"Invalid '{param}': expected a value in [{low}, {high}].", code="invalid_value", param=param
            )


def _stop(stop: Any, model: str) -> tuple[str, ...]:
    if not stop:
        return ()
    if REASONING.match(model):
        message = "Unsupported parameter: 'stop' is not supported with this model."
        raise Rejected(message, code="unsupported_parameter", param="stop")
    found = (stop,) if isinstance(stop, str) else tuple(stop)
    if len(found) > 4:
        message = "Invalid 'stop': array too long. Expected an array with maximum length 4."
        raise Rejected(message, code="array_above_max_length", param="stop")
    return found


def _schema(response_format: Any, texts: list[str]) -> Json | None:
    if not response_format:
        return None
    described = (
        response_format.get("json_schema")
        if response_format.get("type") == "json_schema"
        else response_format
    )
    if response_format.get("type") == "json_schema" and not isinstance(described, dict):
        param = "response_format.json_schema"
        raise Rejected(
            f"Missing required parameter: '{param}'.", code="missing_required_parameter", param=param
        )
    return read_format({**described, "type": response_format.get("type")}, texts, "response_format")


def _first(body: Json, *names: str) -> int | None:
    return next((body[name] for name in names if body.get(name) is not None), None)
