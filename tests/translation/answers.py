"""Providers' answers, whole and streamed, made of what assistants say in the bodies of these tests."""

import json
from collections.abc import Iterator
from itertools import pairwise
from typing import Any

from tests.translation.bodies.dice import Dice
from tests.translation.facts import Format

Json = dict[str, Any]

_UNCOUNTED = {"input_tokens": 5, "output_tokens": 7}


def said(format: Format, body: Json) -> list[Any]:
    """The contents of the assistant's turns: blocks, parts, or a whole message."""
    if format == "openai_chat":
        return [m for m in body["messages"] if m["role"] == "assistant" and _is_answer(m)]
    row, name, role = (
        ("contents", "parts", "model") if format == "gemini" else ("messages", "content", "assistant")
    )
    turns = [turn[name] for turn in body[row] if turn["role"] == role]
    lists = [turn for turn in turns if isinstance(turn, list) and not _has_thoughts_in_a_row(turn)]
    return [[_unmarked(block) for block in turn] for turn in lists]


def _has_thoughts_in_a_row(parts: list[Json]) -> bool:
    """Of Gemini's: streamed, they are one."""
    return any(one.get("thought") and other.get("thought") for one, other in pairwise(parts))


def _is_answer(message: Json) -> bool:
    """Answers are texts, not lists of parts; what was said aloud and freeform calls are not streamed so."""
    calls = message.get("tool_calls", ())
    is_text = not isinstance(message.get("content"), list)
    return is_text and "audio" not in message and all(call["type"] == "function" for call in calls)


def _unmarked(block: Json) -> Json:
    return {key: value for key, value in block.items() if key != "cache_control"}


def whole(format: Format, content: Any) -> Json:
    match format:
        case "anthropic":
            stop = "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"
            return {"id": "m1", "model": "m", "content": content, "stop_reason": stop, "usage": _UNCOUNTED}
        case "gemini":
            candidate = {"content": {"role": "model", "parts": content}, "finishReason": "STOP"}
            return {"responseId": "r1", "modelVersion": "m", "candidates": [candidate]}
        case _:
            return {"id": "x1", "model": "m", "choices": [{"message": content, "finish_reason": "stop"}]}


def streamed(dice: Dice, format: Format, content: Any) -> Iterator[bytes]:
    events = {"anthropic": _anthropic, "gemini": _gemini}.get(format, _openai)(dice, content)
    for event in events:
        yield json.dumps(event).encode()


def _cut(dice: Dice, text: str) -> list[str]:
    pieces: list[str] = []
    while text:
        size = dice.number(1, 12)
        pieces.append(text[:size])
        text = text[size:]
    return pieces


def _anthropic(dice: Dice, content: list[Json]) -> Iterator[Json]:
    yield {"type": "message_start", "message": {"id": "m1", "model": "m", "content": [], "usage": _UNCOUNTED}}
    for index, block in enumerate(content):
        start, deltas = _block(dice, block)
        yield {"type": "content_block_start", "index": index, "content_block": start}
        for delta in deltas:
            yield {"type": "content_block_delta", "index": index, "delta": delta}
        yield {"type": "content_block_stop", "index": index}
    stop = "tool_use" if any(block["type"] == "tool_use" for block in content) else "end_turn"
    yield {"type": "message_delta", "delta": {"stop_reason": stop}, "usage": {"output_tokens": 7}}
    yield {"type": "message_stop"}


def _block(dice: Dice, block: Json) -> tuple[Json, list[Json]]:
    match block["type"]:
        case "text":
            deltas = [{"type": "text_delta", "text": piece} for piece in _cut(dice, block["text"])]
            cited = [{"type": "citations_delta", "citation": one} for one in block.get("citations", ())]
            return {"type": "text", "text": ""}, deltas + cited
        case "thinking":
            thoughts = [
                {"type": "thinking_delta", "thinking": piece} for piece in _cut(dice, block["thinking"])
            ]
            signed = {"type": "signature_delta", "signature": block["signature"]}
            return {"type": "thinking", "thinking": "", "signature": ""}, [*thoughts, signed]
        case "tool_use" | "server_tool_use":
            written = json.dumps(block["input"]) if block["input"] else ""
            pieces = [{"type": "input_json_delta", "partial_json": piece} for piece in _cut(dice, written)]
            return block | {"input": {}}, pieces
        case _:
            return block, []


def _gemini(dice: Dice, parts: list[Json]) -> Iterator[Json]:
    for part in parts:
        pieces = _cut(dice, part["text"]) if part.get("text") else []
        beside = {key: value for key, value in part.items() if key not in ("text", "thoughtSignature")}
        for piece in pieces[:-1]:
            yield _event([{"text": piece, **beside}])
        yield _event([part | {"text": pieces[-1]} if pieces else part])
    yield _event([]) | {"usageMetadata": {"promptTokenCount": 5, "candidatesTokenCount": 7}}


def _event(parts: list[Json]) -> Json:
    candidate: Json = {"content": {"role": "model", "parts": parts}} if parts else {"finishReason": "STOP"}
    return {"responseId": "r1", "modelVersion": "m", "candidates": [candidate]}


def _openai(dice: Dice, message: Json) -> Iterator[Json]:
    yield _delta(role="assistant", content="")
    for name in ("content", "refusal"):
        for piece in _cut(dice, message.get(name) or ""):
            yield _delta(**{name: piece})
    for index, call in enumerate(message.get("tool_calls", ())):
        function = call["function"]
        named = {"name": function["name"], "arguments": ""}
        yield _delta(tool_calls=[{"index": index, "id": call["id"], "function": named}])
        for piece in _cut(dice, function["arguments"]):
            yield _delta(tool_calls=[{"index": index, "function": {"arguments": piece}}])
    yield {"id": "x1", "model": "m", "choices": [{"index": 0, "delta": {}, "finish_reason": "stop"}]}


def _delta(**said: Any) -> Json:
    return {"id": "x1", "model": "m", "choices": [{"index": 0, "delta": said}]}
