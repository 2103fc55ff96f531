"""What Anthropic's Messages API accepts, and what of it an answer depends on.

Rules as of November 2026, from the anthropic 2.12 SDK's types and documentation strings; which model follows
which rule is in the patterns below.
"""

import re
from typing import Any

import orjson

from deployments.sandbox import tokens
from deployments.sandbox.anthropic_turns import Turns, check_manual_thinking
from deployments.sandbox.exchange import Json, Prompt, Rejected, Tool
from deployments.sandbox.fields import MESSAGES_FIELDS, MESSAGES_TOOL_FIELDS
from deployments.sandbox.signatures import digest

KNOWN = re.compile(r"^claude-")
NO_SAMPLING = re.compile(r"claude-(opus-(4-[789]|5)|sonnet-5|haiku-5-5|fable|mythos)")
ADAPTIVE_ONLY = NO_SAMPLING
NO_FORCED_TOOL = re.compile(r"claude-(opus-5-5|sonnet-5-5)")
BOUND = re.compile(r"claude-(fable-5-[12]|mythos-5-2|(opus|sonnet|haiku)-5-5)")
"""A thinking block of these is good only after exactly the prefix that it was made for."""
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
CACHE_POINTS_MAX = 4

_EFFORTS = frozenset({"low", "medium", "high", "xhigh", "max"})


def read_messages(body: Json, *, counting: bool = False) -> Prompt:
    if unknown := body.keys() - MESSAGES_FIELDS:
        raise Rejected(f"{min(unknown)}: Extra inputs are not permitted")
    model = _model(body)
    max_tokens = None if counting else _max_tokens(body)
    thinking = _thinking(body, model, max_tokens)
    system = _system(body)
    tools = _tools(body)
    _check_sampling(body, model)
    _check_cache_points(body)
    turns = Turns(model)
    if BOUND.match(model) and not _drops_mismatched(body):
        turns.bind(lambda n: prefix_digest(body, n))
    turns.read(body.get("messages"))
    if turns.results and (body.get("thinking") or {}).get("type") == "enabled":
        check_manual_thinking(body["messages"])
    must_call, may_call = _choice(body, model, tools)
    texts = [*system, *turns.texts, *(orjson.dumps(tool).decode() for tool in body.get("tools") or [])]
    return Prompt(
        model=model,
        input_tokens=tokens.count_input(texts, media=turns.media),
        user_text=turns.user_text,
        results=turns.results,
        tools=tools,
        must_call=must_call,
        may_call=may_call,
        parallel=(body.get("tool_choice") or {}).get("disable_parallel_tool_use") is not True,
        schema=_schema(body),
        max_tokens=max_tokens,
        stop=_stop(body),
        thinking=thinking,
        show_thinking=(body.get("thinking") or {}).get("display") != "omitted",
        stream=body.get("stream") is True,
        binding=prefix_digest(body, len(body["messages"])) if thinking and BOUND.match(model) else "",
    )


def prefix_digest(body: Json, n: int) -> str:
    """Of the system prompt, the tools and the first `n` messages, cache marks left out."""
    return digest(_plain([{"content": body.get("system")}, body.get("tools"), *body["messages"][:n]]))


def _plain(node: Any) -> Any:
    """Without cache marks, and with strings as the one text block that they abbreviate."""
    if isinstance(node, list):
        return [_plain(each) for each in node]
    if isinstance(node, dict):
        plain = {key: _plain(value) for key, value in node.items() if key != "cache_control"}
        if isinstance(plain.get("content"), str):
            plain["content"] = [{"type": "text", "text": plain["content"]}]
        return plain
    return node


def _model(body: Json) -> str:
    model = body.get("model")
    if not isinstance(model, str) or not model:
        raise Rejected("model: Field required")
    if not KNOWN.match(model):
        raise Rejected(f"model: {model}", status=404)
    return model


def _max_tokens(body: Json) -> int:
    limit = body.get("max_tokens")
    if limit is None:
        raise Rejected("max_tokens: Field required")
    if not isinstance(limit, int) or isinstance(limit, bool) or limit < 0:
        raise Rejected("max_tokens: Input should be greater than or equal to 0")
    return limit


def _thinking(body: Json, model: str, max_tokens: int | None) -> bool:
    asked = body.get("thinking") or {"type": "disabled"}
    kind = asked.get("type")
    if kind not in ("enabled", "disabled", "adaptive", "between_tools"):
        raise Rejected(
            f"thinking: Input tag '{kind}' found using 'type' does not match any of the expected tags"
        )
    if kind == "enabled":
        if ADAPTIVE_ONLY.match(model):
            raise Rejected(
                f'"thinking.type.enabled" is not supported for {model}. Use "thinking.type.adaptive".'
            )
        budget = asked.get("budget_tokens")
        if not isinstance(budget, int) or budget < 1024:
            raise Rejected("thinking.enabled.budget_tokens: Input should be greater than or equal to 1024")
        if max_tokens is not None and budget >= max_tokens:
            raise Rejected("`max_tokens` must be greater than `thinking.budget_tokens`.")
    effort = (body.get("output_config") or {}).get("effort")
    if effort is not None and effort not in _EFFORTS:
        raise Rejected("output_config.effort: Input should be 'low', 'medium', 'high', 'xhigh' or 'max'")
    return bool(kind != "disabled")


def _system(body: Json) -> list[str]:
    system = body.get("system")
    if system is None:
        return []
    blocks = [{"type": "text", "text": system}] if isinstance(system, str) else system
    if not isinstance(blocks, list) or any(block.get("type") != "text" for block in blocks):
        raise Rejected("system: Input should be a valid string or a list of text blocks")
    for block in blocks:
        if not str(block.get("text") or "").strip():
            raise Rejected("system: text content blocks must be non-empty")
    return [block["text"] for block in blocks]


def _tools(body: Json) -> list[Tool]:
    tools: list[Tool] = []
    for i, tool in enumerate(body.get("tools") or []):
        if tool.get("type") not in (None, "custom"):
            continue
        if unknown := tool.keys() - MESSAGES_TOOL_FIELDS:
            raise Rejected(f"tools.{i}.custom.{min(unknown)}: Extra inputs are not permitted")
        if not NAME.match(str(tool.get("name") or "")):
            raise Rejected(f"tools.{i}.custom.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
        schema = tool.get("input_schema")
        if not isinstance(schema, dict) or schema.get("type") != "object":
            raise Rejected(f"tools.{i}.custom.input_schema.type: Field required")
        if any(tool["name"] == other.name for other in tools):
            raise Rejected("tools: Tool names must be unique.")
        tools.append(Tool(tool["name"], schema))
    return tools


def _check_sampling(body: Json, model: str) -> None:
    for name in ("temperature", "top_p", "top_k"):
        if body.get(name) is not None and NO_SAMPLING.match(model):
            raise Rejected(f"{name}: this parameter is not supported for {model}.")
    for name in ("temperature", "top_p"):
        value = body.get(name)
        if value is not None and not (isinstance(value, int | float) and 0 <= value <= 1):
            raise Rejected(f"{name}: Input should be between 0 and 1")
    if body.get("temperature") is not None and body.get("top_p") is not None:
        raise Rejected(
            "`temperature` and `top_p` cannot both be specified for this model. Please use only one."
        )


def _check_cache_points(body: Json) -> None:
    groups = [body.get("tools") or [], body["system"] if isinstance(body.get("system"), list) else []]
    for message in body.get("messages") or []:
        content = message.get("content") if isinstance(message, dict) else None
        groups.append(content if isinstance(content, list) else [])
    points = sum(
        1 for group in groups for each in group if isinstance(each, dict) and each.get("cache_control")
    )
    if points > CACHE_POINTS_MAX:
        raise Rejected(f"A maximum of 4 blocks with cache_control may be provided. Found {points}.")


def _drops_mismatched(body: Json) -> bool:
    binding = (body.get("thinking") or {}).get("block_binding") or {}
    return bool(binding.get("prefix_mismatch_behavior") == "drop_block")


def _choice(body: Json, model: str, tools: list[Tool]) -> tuple[tuple[str, ...] | None, bool]:
    choice = body.get("tool_choice")
    if not choice:
        return None, True
    if not tools:
        raise Rejected("tool_choice: may only be specified while providing `tools`.")
    kind = choice.get("type")
    if kind in ("any", "tool"):
        if NO_FORCED_TOOL.match(model):
            raise Rejected(f'tool_choice: type "{kind}" is not supported for {model}.')
        if (body.get("thinking") or {}).get("type") == "enabled":
            raise Rejected("Thinking may not be enabled when tool_choice forces tool use.")
    names = tuple(tool.name for tool in tools)
    if kind == "any":
        return names, True
    if kind == "tool":
        if choice.get("name") not in names:
            raise Rejected(f"tool_choice: Tool '{choice.get('name')}' not found in provided tools")
        return (choice["name"],), True
    if kind not in ("auto", "none"):
        raise Rejected(f"tool_choice: Input tag '{kind}' does not match any of the expected tags")
    return None, kind == "auto"


def _schema(body: Json) -> Json | None:
    form = (body.get("output_config") or {}).get("format")
    if not form:
        return None
    if form.get("type") != "json_schema" or not isinstance(form.get("schema"), dict):
        raise Rejected("output_config.format.schema: Field required")
    schema: Json = form["schema"]
    if schema.get("type") == "object" and schema.get("additionalProperties") is not False:
        raise Rejected(
            "output_config.format.schema: For 'object' type, 'additionalProperties' must be set to false"
        )
    return schema


def _stop(body: Json) -> tuple[str, ...]:
    found = tuple(body.get("stop_sequences") or ())
    if any(not each.strip() for each in found):
        raise Rejected("stop_sequences: each stop sequence must contain non-whitespace")
    return found
