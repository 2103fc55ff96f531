"""Anthropic's messages as a way in: a request decoded, with what is safe to hand on.

Source: anthropic 2.12, types/message_create_params.py and types/beta/message_create_params.py.
"""

import re
from collections.abc import Iterator
from typing import Any

from msgspec.structs import replace

from models.chat import CacheTtl, ChatRequest, File, Image, Text, Tool, ToolResult
from models.dialects import anthropic_request
from models.dialects.ask import (
    Ask,
    checked,
    depth_checked,
    held_to_schema,
    is_own,
    named_conversation,
    opened,
    read_object,
    refuse,
    without,
    without_own_tools,
)
from models.dialects.reading import wrong
from models.errors import InvalidRequest, UnsupportedParameter

PROTOCOL = "anthropic"
_REFUSED = ("container", "mcp_servers", "thread", "inference_geo", "user_profile_id", "workspace_id")
_DROPPED = frozenset(
    (
        "betas",
        "billing_policy",
        "cache_control",
        "compaction",
        "fallback_credit_token",
        "fallbacks",
        "output_format",
        "speed",
    )
)
"""Wishes that would cost what nobody holds money for, or that are read here."""
_OF_BETAS = frozenset(("context_management", "diagnostics"))
"""Wishes that are refused without their `anthropic-beta` header."""
_MAX_BETAS = 32
_BETA = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}", re.ASCII)
_VERSION = re.compile(r"\d{4}-\d{2}-\d{2}", re.ASCII)
_CALLERS_OWN = ("bash_", "text_editor_", "computer_", "memory_")
"""Types of tools that Anthropic defines and the caller runs."""
_MARKED = ("text", "image", "document", "tool_result")
"""Blocks whose cache mark is known to whoever holds the money for it."""


def decode(body: bytes, *, version: bytes = b"", betas: bytes = b"") -> Ask:
    """`version` and `betas` are the headers. Raises InvalidRequest naming the field at fault,
    UnsupportedParameter for what cannot be carried."""
    headers = _headers(version, betas)
    with depth_checked():
        return _ask(read_object(body), headers)


def _headers(version: bytes, betas: bytes) -> dict[str, str]:
    """What of them is handed on to Anthropic."""
    headers: dict[str, str] = {}
    if version and _VERSION.fullmatch(said := version.decode("latin-1")):
        headers["anthropic-version"] = said
    if betas:
        named = [beta.strip() for beta in betas.decode("latin-1").split(",") if beta.strip()]
        if len(named) > _MAX_BETAS or not all(map(_BETA.fullmatch, named)):
            raise InvalidRequest("`anthropic-beta` is a list of names of betas", param="anthropic-beta")
        headers["anthropic-beta"] = ",".join(dict.fromkeys(named))
    return headers


def _ask(asked: dict[str, Any], headers: dict[str, str]) -> Ask:
    conversation_id = named_conversation(asked)
    refuse(asked, _REFUSED)
    if asked.get("speed") != "standard":
        refuse(asked, ("speed",))
    _check_marks(asked)
    form = _older_format(asked)
    _check_edits(asked.get("context_management"))
    dropped = _DROPPED if "anthropic-beta" in headers else _DROPPED | _OF_BETAS
    request = held_to_schema(anthropic_request.decode(without(asked, dropped) | form))
    if not request.model:
        raise InvalidRequest("`model` is missing", param="model")
    request, left_out = without_own_tools(request, allowed=_is_run_by_caller)
    tools_of = PROTOCOL if any(map(is_own, request.tools)) else ""
    request = _marked(checked(request, messages="messages"), asked.get("cache_control"))
    request = replace(request, provider_headers={PROTOCOL: headers}, dialect=PROTOCOL, auto_cache=True)
    return Ask(request=request, conversation_id=conversation_id, tools_of=tools_of, left_out=left_out)


def _check_edits(management: Any) -> None:
    """What is cleared costs nothing; what is summarised is a call of its own."""
    if isinstance(management, dict):
        for edit in _objects(management.get("edits")):
            if not str(edit.get("type")).startswith("clear_"):
                name = "context_management.edits"
                raise UnsupportedParameter(f"`{name}`: what is cleared alone is supported", param=name)


def _is_run_by_caller(tool: Tool) -> bool:
    return str(opened(tool.opaque[0].value).get("type")).startswith(_CALLERS_OWN)


def _older_format(asked: dict[str, Any]) -> dict[str, Any]:
    """`output_format` is what `output_config.format` was called before."""
    form, config = asked.get("output_format"), asked.get("output_config") or {}
    if not isinstance(form, dict) or not isinstance(config, dict) or "format" in config:
        return {}
    return {"output_config": {**config, "format": form}}


def _marked(request: ChatRequest, control: Any) -> ChatRequest:
    """A mark of the whole request is one of the last thing in it that can have one."""
    if not isinstance(control, dict):
        return request
    ttl: CacheTtl = "1h" if control.get("ttl") == "1h" else "5m"
    last = request.messages[-1]
    for at in reversed(range(len(last.parts))):
        part = last.parts[at]
        if isinstance(part, Text | Image | File | ToolResult):
            if part.cache is not None:
                return request
            parts = (*last.parts[:at], replace(part, cache=ttl), *last.parts[at + 1 :])
            return replace(request, messages=(*request.messages[:-1], replace(last, parts=parts)))
    return request


def _check_marks(asked: dict[str, Any]) -> None:
    """An hour's mark on what is passed on as it stands costs more than is held for it: it gets shorter."""
    for at, message in enumerate(_objects(asked.get("messages"))):
        _check(message.get("content"), f"messages[{at}].content", known=_MARKED)
    for tool in _objects(asked.get("tools")):
        if tool.get("type") not in (None, "custom"):
            _check([tool], "tools", known=())


def _check(content: Any, where: str, *, known: tuple[str, ...]) -> None:
    for block in _objects(content):
        kind, control = block.get("type"), block.get("cache_control")
        if control is not None and not isinstance(control, dict):
            raise wrong(f"{where}.cache_control", "is to be an object")
        if control and kind not in known:
            control.pop("ttl", None)
        _check(block.get("content"), where, known=_MARKED if kind == "tool_result" else ())
        if isinstance(source := block.get("source"), dict):
            _check(source.get("content"), where, known=())


def _objects(value: Any) -> Iterator[dict[str, Any]]:
    return (one for one in value if isinstance(one, dict)) if isinstance(value, list) else iter(())
