"""The rules of Anthropic's `messages`: roles, blocks, paired tool calls and results, signed thoughts."""

import re
from collections.abc import Callable
from typing import Any

import orjson

from deployments.sandbox import signatures
from deployments.sandbox.exchange import Json, Rejected

NO_PREFILL = re.compile(r"claude-(opus-(4-[6789]|5)|sonnet-(4-6|5)|haiku-5|fable|mythos)")
SYSTEM_TURNS = re.compile(r"claude-(opus-(4-8|5)|haiku-5-5|sonnet-5|fable|mythos)")
CALL_ID = re.compile(r"^[a-zA-Z0-9_-]+$")
NAME = re.compile(r"^[a-zA-Z0-9_-]{1,128}$")
IMAGE_TYPES = frozenset({"image/jpeg", "image/png", "image/gif", "image/webp"})

_MESSAGE_FIELDS = frozenset({"role", "content", "clear_at", "output_config"})
_BLOCKS: dict[str, frozenset[str]] = {
    "text": frozenset({"text", "citations"}),
    "image": frozenset({"source", "transformations"}),
    "document": frozenset({"source", "title", "context", "citations"}),
    "search_result": frozenset({"source", "title", "content", "citations"}),
    "tool_use": frozenset({"id", "name", "input", "caller"}),
    "tool_result": frozenset({"tool_use_id", "content", "is_error"}),
    "thinking": frozenset({"thinking", "signature"}),
    "redacted_thinking": frozenset({"data"}),
}
_ALLOWED = {
    "user": frozenset({"text", "image", "document", "search_result", "tool_result"}),
    "assistant": frozenset({"text", "thinking", "redacted_thinking", "tool_use"}),
    "system": frozenset({"text"}),
    "tool_result": frozenset({"text", "image", "document", "search_result"}),
}


class Turns:
    """Reads the messages one after another and keeps what an answer depends on."""

    def __init__(self, model: str) -> None:
        self.texts: list[str] = []
        self.media = 0
        self.user_text = ""
        self.results: list[tuple[str, str]] = []
        self._model = model
        self._binding: Callable[[int], str] | None = None
        self._calls: dict[str, str] = {}
        """The calls of the turn before, by id."""
        self._ids: set[str] = set()

    def bind(self, prefix: Callable[[int], str]) -> None:
        """Thoughts are good only after the prefix they were made for; `prefix(n)` is that of message n."""
        self._binding = prefix

    def read(self, messages: Any) -> None:
        if not isinstance(messages, list):
            raise Rejected("messages: Field required")
        if not messages:
            raise Rejected("messages: at least one message is required")
        for i, message in enumerate(messages):
            role = message.get("role") if isinstance(message, dict) else None
            if role not in ("user", "assistant", "system"):
                raise Rejected(f"messages.{i}.role: Input should be 'user' or 'assistant'")
            if unknown := message.keys() - _MESSAGE_FIELDS:
                raise Rejected(f"messages.{i}.{min(unknown)}: Extra inputs are not permitted")
            if role == "system":
                self._check_system(messages, i)
            self._turn(role, self._blocks(message, i), i)
        self._check_end(messages[-1], len(messages) - 1)

    def _check_system(self, messages: list[Any], i: int) -> None:
        if not SYSTEM_TURNS.match(self._model):
            raise Rejected(f"messages.{i}.role: 'system' is not supported inside messages for {self._model}")
        follows_user = i > 0 and messages[i - 1].get("role") == "user"
        if not follows_user or (i + 1 < len(messages) and messages[i + 1].get("role") != "assistant"):
            raise Rejected(
                f"messages.{i}: a system message must follow a user turn and precede an assistant turn"
            )

    def _blocks(self, message: Json, i: int) -> list[Json]:
        content = message.get("content")
        blocks = [{"type": "text", "text": content}] if isinstance(content, str) else content
        if not isinstance(blocks, list) or not blocks:
            raise Rejected(f"messages.{i}: all messages must have non-empty content")
        for j, block in enumerate(blocks):
            _check_block(block, message["role"], f"messages.{i}.content.{j}")
        return blocks

    def _turn(self, role: str, blocks: list[Json], i: int) -> None:
        before, self._calls = self._calls, {}
        if role == "user":
            self._pair(before, blocks, i)
        elif before:
            self._unanswered(before, i)
        if role == "assistant":
            self.results = []
        said = [self._take(block, i, j, len(blocks)) for j, block in enumerate(blocks)]
        if role == "user" and any(said):
            self.user_text = " ".join(filter(None, said))

    def _pair(self, calls: dict[str, str], blocks: list[Json], i: int) -> None:
        kinds = [block["type"] for block in blocks]
        answered = [block["tool_use_id"] for block in blocks if block["type"] == "tool_result"]
        for identifier in answered:
            if identifier not in calls:
                raise Rejected(
                    f"messages.{i}.content: unexpected `tool_use_id` found in `tool_result` blocks: "
                    f"{identifier}. Each `tool_result` block must have a corresponding `tool_use` block "
                    "in the previous message."
                )
        if missing := {each: name for each, name in calls.items() if each not in answered}:
            self._unanswered(missing, i)
        if len(answered) != len(set(answered)):
            raise Rejected(f"messages.{i}.content: each tool_use must have a single result.")
        if answered and "tool_result" in kinds[len(answered) :]:
            raise Rejected(f"messages.{i}.content: `tool_result` blocks must come before other content.")
        self.results = [
            (calls[block["tool_use_id"]], _result_text(block)) for block in blocks[: len(answered)]
        ]

    def _unanswered(self, calls: dict[str, str], i: int) -> None:
        raise Rejected(
            f"messages.{i}: `tool_use` ids were found without `tool_result` blocks immediately after: "
            f"{', '.join(calls)}. Each `tool_use` block must have a corresponding `tool_result` block "
            "in the next message."
        )

    def _take(self, block: Json, i: int, j: int, n: int) -> str:
        """Keeps what the block holds; returns its text if it is one."""
        kind = block["type"]
        if kind == "text":
            self.texts.append(block["text"])
            return str(block["text"])
        if kind == "tool_use":
            self._call(block, i)
        elif kind == "tool_result":
            self.texts.append(_result_text(block))
        elif kind == "thinking":
            self._thought(block, i, j, n)
        elif kind == "redacted_thinking" or _of_server_tool(kind):
            self.texts.append(orjson.dumps(block).decode())
        else:
            self.media += 1
        return ""

    def _call(self, block: Json, i: int) -> None:
        if block["id"] in self._ids:
            raise Rejected(f"messages.{i}.content: `tool_use` ids must be unique")
        self._ids.add(block["id"])
        self._calls[block["id"]] = block["name"]
        self.texts += [block["name"], orjson.dumps(block["input"]).decode()]

    def _thought(self, block: Json, i: int, j: int, n: int) -> None:
        if j == n - 1:
            raise Rejected(f"messages.{i}: The final block in an assistant message cannot be `thinking`.")
        if not signatures.genuine(block["signature"], "anthropic", block["thinking"]):
            raise Rejected(f"messages.{i}.content.{j}: Invalid `signature` in `thinking` block")
        bound = signatures.bound_to(block["signature"])
        if self._binding is not None and bound and bound != self._binding(i):
            raise Rejected(f"messages.{i}.content.{j}: `thinking` block is bound to a different conversation")
        self.texts.append(block["thinking"])

    def _check_end(self, message: Json, i: int) -> None:
        content = message["content"]
        last = content[-1] if isinstance(content, list) else {"type": "text", "text": content}
        if message["role"] == "assistant":
            if self._calls:
                self._unanswered(self._calls, i)
            if NO_PREFILL.match(self._model):
                raise Rejected("This model does not support assistant message prefill.")
            if last["type"] == "text" and last["text"] != last["text"].rstrip():
                raise Rejected("messages: final assistant content cannot end with trailing whitespace")


def check_manual_thinking(messages: list[Json]) -> None:
    """With manual thinking the last tool turn has to start with its thoughts."""
    for message in reversed(messages):
        content = message.get("content")
        if message.get("role") != "assistant" or not isinstance(content, list):
            continue
        if any(block.get("type") == "tool_use" for block in content) and content[0].get("type") not in (
            "thinking",
            "redacted_thinking",
        ):
            raise Rejected(
                "Expected `thinking` or `redacted_thinking`, but found `tool_use`, as `thinking` is enabled."
            )
        return


def _check_block(block: Any, where: str, at: str) -> None:
    kind = block.get("type") if isinstance(block, dict) else None
    if where == "assistant" and _of_server_tool(kind):
        return
    if kind not in _ALLOWED[where]:
        if kind in _BLOCKS:
            raise Rejected(f"{at}: `{kind}` blocks are not permitted in `{where}` messages")
        raise Rejected(f"{at}: Input tag '{kind}' found using 'type' does not match any of the expected tags")
    if unknown := block.keys() - _BLOCKS[kind] - {"type", "cache_control"}:
        raise Rejected(f"{at}.{kind}.{min(unknown)}: Extra inputs are not permitted")
    check = _CHECKS.get(kind)
    if check is not None:
        check(block, at)


def _of_server_tool(kind: str | None) -> bool:
    """Blocks of the provider's own tools come back as they were; their inside is not checked."""
    return kind == "server_tool_use" or (kind or "").endswith("_tool_result")


def _check_text(block: Json, at: str) -> None:
    if not isinstance(block.get("text"), str):
        raise Rejected(f"{at}.text.text: Field required")
    if not block["text"].strip():
        raise Rejected("messages: text content blocks must be non-empty and contain non-whitespace text")


def _check_image(block: Json, at: str) -> None:
    source = block.get("source") or {}
    if source.get("type") not in ("base64", "url", "file"):
        raise Rejected(f"{at}.image.source: Field required")
    if source["type"] == "base64" and source.get("media_type") not in IMAGE_TYPES:
        raise Rejected(
            f"{at}.image.source.base64.media_type: Input should be an image type that is supported"
        )


def _check_call(block: Json, at: str) -> None:
    if not CALL_ID.match(str(block.get("id") or "")):
        raise Rejected(f"{at}.tool_use.id: String should match pattern '^[a-zA-Z0-9_-]+$'")
    if not NAME.match(str(block.get("name") or "")):
        raise Rejected(f"{at}.tool_use.name: String should match pattern '^[a-zA-Z0-9_-]{{1,128}}$'")
    if not isinstance(block.get("input"), dict):
        raise Rejected(f"{at}.tool_use.input: Input should be a valid dictionary")


def _check_result(block: Json, at: str) -> None:
    if not isinstance(block.get("tool_use_id"), str):
        raise Rejected(f"{at}.tool_result.tool_use_id: Field required")
    content = block.get("content")
    if isinstance(content, list):
        for k, part in enumerate(content):
            _check_block(part, "tool_result", f"{at}.tool_result.content.{k}")


def _check_thinking(block: Json, at: str) -> None:
    for name in ("signature", "thinking"):
        if not isinstance(block.get(name), str) or (name == "signature" and not block[name]):
            raise Rejected(f"{at}.thinking.{name}: Field required")


_CHECKS: dict[str, Callable[[Json, str], None]] = {
    "text": _check_text,
    "image": _check_image,
    "tool_use": _check_call,
    "tool_result": _check_result,
    "thinking": _check_thinking,
}


def _result_text(block: Json) -> str:
    content = block.get("content") or ""
    if isinstance(content, str):
        return content
    return " ".join(part["text"] for part in content if part["type"] == "text")
