"""What each provider says, whole, from the part of it that a feature is about, and the same as a stream."""

import json
from collections.abc import Iterator
from typing import Any

from tests.contract.scripted import Answer, Script, Stream
from tests.matrix.feature import Json, Provider

MODELS: dict[Provider, str] = {
    "openai": "gpt-5.4-mini",
    "anthropic": "claude-sonnet-5",
    "google": "gemini-3.5-flash",
}
_USAGE: dict[Provider, Json] = {
    "openai": {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11},
    "anthropic": {"input_tokens": 9, "output_tokens": 2},
    "google": {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11},
}
_DELTAS = {"text": "text", "thinking": "thinking"}


def script(provider: Provider, said: Json, *, stream: bool) -> Script:
    whole = _whole(provider, said)
    if not stream:
        return Answer(body=json.dumps(whole).encode())
    match provider:
        case "openai":
            events = [*map(_event, _openai(whole)), b"data: [DONE]\n\n"]
        case "anthropic":
            events = [b"event: %s\n" % event["type"].encode() + _event(event) for event in _anthropic(whole)]
        case "google":
            events = [_event(event).replace(b"\n", b"\r\n") for event in _google(whole)]
    return Stream(events)


def _event(data: Json) -> bytes:
    return b"data: " + json.dumps(data).encode() + b"\n\n"


def _whole(provider: Provider, said: Json) -> Json:
    match provider:
        case "openai":
            [choice] = said["choices"]
            message = {"role": "assistant", "content": None, "refusal": None} | choice["message"]
            named = {"id": "c1", "object": "chat.completion", "created": 1, "model": "m"}
            body = {**named, "usage": _USAGE[provider], **said}
            return body | {"choices": [{"index": 0, **choice, "message": message}]}
        case "anthropic":
            named = {"id": "c1", "type": "message", "role": "assistant", "model": "m", "stop_sequence": None}
            return {**named, "usage": _USAGE[provider], **said}
        case "google":
            body = {"responseId": "c1", "modelVersion": "m", "usageMetadata": _USAGE[provider], **said}
            for candidate in body.get("candidates", ()):
                candidate.setdefault("index", 0)
                if "content" in candidate:
                    candidate["content"].setdefault("role", "model")
            return body


def _pieces(text: str) -> tuple[str, str]:
    half = len(text) // 2
    return text[:half], text[half:]


def _openai(whole: Json) -> Iterator[Json]:
    """Reasoning, text, refusal and arguments in two pieces each."""
    [choice] = whole["choices"]
    message, logprobs = choice["message"], choice.get("logprobs")
    base = {k: v for k, v in whole.items() if k not in ("choices", "usage")}
    base["object"] = "chat.completion.chunk"

    def chunk(delta: Json, **beside: Any) -> Json:
        return {
            **base,
            "choices": [{"index": 0, "delta": delta, "finish_reason": None, **beside}],
            "usage": None,
        }

    yield chunk({"role": "assistant", "content": ""})
    for name in ("reasoning_content", "content", "refusal"):
        if text := message.get(name):
            first, rest = _pieces(text)
            yield chunk({name: first}, **({"logprobs": logprobs} if logprobs and name == "content" else {}))
            yield chunk({name: rest})
    if cited := message.get("annotations"):
        yield chunk({"annotations": cited})
    for index, call in enumerate(message.get("tool_calls") or ()):
        function = call["function"]
        begun = {"index": index, "id": call["id"], "type": "function"}
        yield chunk({"tool_calls": [begun | {"function": {"name": function["name"], "arguments": ""}}]})
        for piece in _pieces(function["arguments"]):
            yield chunk({"tool_calls": [{"index": index, "function": {"arguments": piece}}]})
    yield chunk({}, finish_reason=choice["finish_reason"])
    yield {**base, "choices": [], "usage": whole["usage"]}


def _anthropic(whole: Json) -> Iterator[Json]:
    usage, stop = whole["usage"], ("stop_reason", "stop_sequence", "stop_details")
    begun = {k: v for k, v in whole.items() if k not in stop}
    yield {"type": "message_start", "message": {**begun, "content": [], "stop_reason": None, "usage": usage}}
    for index, block in enumerate(whole["content"]):
        yield from ({"index": index, **event} for event in _block(block))
    delta = {name: whole[name] for name in stop if name in whole}
    yield {"type": "message_delta", "delta": delta, "usage": usage}
    yield {"type": "message_stop"}


def _block(block: Json) -> Iterator[Json]:
    kind, deltas = block["type"], list[Json]()
    begun = dict(block)
    if kind in _DELTAS:
        deltas = [{"type": f"{kind}_delta", kind: piece} for piece in _pieces(block[kind])]
        begun[kind] = ""
        deltas += [{"type": "citations_delta", "citation": cited} for cited in begun.pop("citations", ())]
        if signature := block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": signature})
            begun["signature"] = ""
    elif kind == "tool_use":
        begun["input"] = {}
        written = _pieces(json.dumps(block["input"], separators=(",", ":")))
        deltas = [{"type": "input_json_delta", "partial_json": piece} for piece in written]
    yield {"type": "content_block_start", "content_block": begun}
    yield from ({"type": "content_block_delta", "delta": delta} for delta in deltas)
    yield {"type": "content_block_stop"}


def _google(whole: Json) -> Iterator[Json]:
    """Texts in two pieces, with what rides on them on the second; calls whole; the end with the last part."""
    base = {k: v for k, v in whole.items() if k != "candidates"}
    if not whole.get("candidates"):
        yield whole
        return
    [candidate] = whole["candidates"]
    parts = [piece for part in candidate["content"]["parts"] for piece in _part(part)]
    for at, part in enumerate(parts):
        content = {"role": "model", "parts": [part]}
        end = {k: v for k, v in candidate.items() if k != "content"} if at == len(parts) - 1 else {}
        yield {**base, "candidates": [{"index": 0, **end, "content": content}]}
    if not parts:
        yield {**base, "candidates": [candidate]}


def _part(part: Json) -> Iterator[Json]:
    if "text" not in part:
        yield part
        return
    first, rest = _pieces(part["text"])
    yield {**{k: v for k, v in part.items() if k != "thoughtSignature"}, "text": first}
    yield {**part, "text": rest}
