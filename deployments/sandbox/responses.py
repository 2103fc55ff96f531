"""OpenAI's wire: the Responses API, whole and as typed events."""

from collections.abc import Collection, Iterator
from itertools import chain
from typing import Literal

import orjson

from deployments.sandbox import signatures, tokens
from deployments.sandbox.exchange import Answer, Call, Ids, Json, Prompt, Script
from deployments.sandbox.responses_rules import read_responses
from models.chat import Usage


def read(body: Json, _: str) -> Prompt:
    return read_responses(body)


def whole(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Json:
    cut = answer.finish == "length"
    body = _envelope(prompt, ids, "incomplete" if cut else "completed") | {
        "output": _output(prompt, answer, ids)
    }
    if cut:
        body["incomplete_details"] = {"reason": "max_output_tokens"}
    return body if usage == "missing" else body | {"usage": _usage(answer.usage, usage)}


def script(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Script:
    events = _Events()
    started = _envelope(prompt, ids, "in_progress") | {"output": []}
    head = events("response.created", response=started) + events("response.in_progress", response=started)
    output = _output(prompt, answer, ids)
    shown = tokens.pieces(answer.thinking) if prompt.show_thinking else []
    if answer.thinking and not shown:
        head += events.item("added", 0, output[0] | {"status": "in_progress"}) + events.item(
            "done", 0, output[0]
        )
    count = sum(len(_pieces(call.arguments)) for call in answer.calls) or len(_pieces(answer.text))

    def tail() -> bytes:
        done = whole(prompt, answer, ids, usage)
        return events(f"response.{done['status']}", response=done)

    def error() -> bytes:
        return events(
            "error", code="server_error", message="The server had an error (simulated).", param=None
        )

    return Script(
        head=head,
        frames=_Frames(events, shown).of(output),
        count=count + len(shown),
        tail=tail,
        error=error,
        garbage=b'event: response.output_text.delta\ndata: {"broken": \n\n',
        hidden=answer.usage.output - count - len(shown),
    )


class _Events:
    """Writes events and numbers them."""

    def __init__(self) -> None:
        self._next = 0

    def __call__(self, kind: str, **fields: object) -> bytes:
        data = orjson.dumps({"type": kind, "sequence_number": self._next, **fields})
        self._next += 1
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"

    def item(self, what: Literal["added", "done"], index: int, item: Json) -> bytes:
        return self(f"response.output_item.{what}", output_index=index, item=item)


class _Frames:
    """The output items as events, a frame for each token; what opens or closes an item rides with one."""

    def __init__(self, events: _Events, shown: Collection[str]) -> None:
        self._events = events
        self._shown = shown

    def of(self, output: list[Json]) -> Iterator[bytes]:
        return chain.from_iterable(self._item(i, item) for i, item in enumerate(output))

    def _item(self, index: int, item: Json) -> Iterator[bytes]:
        if item["type"] == "message":
            return self._message(index, item)
        return self._call(index, item) if item["type"] == "function_call" else self._reasoning(index, item)

    def _added(self, index: int, item: Json, **emptied: object) -> bytes:
        return self._events.item("added", index, {**item, **emptied, "status": "in_progress"})

    def _done(self, index: int, item: Json) -> bytes:
        return self._events.item("done", index, item)

    def _message(self, index: int, item: Json) -> Iterator[bytes]:
        at = {"item_id": item["id"], "output_index": index, "content_index": 0}
        part = item["content"][0]
        opening = self._added(index, item, content=[])
        opening += self._events("response.content_part.added", **at, part={**part, "text": ""})
        for piece, last in _marked(_pieces(part["text"])):
            frame = opening + self._events("response.output_text.delta", **at, delta=piece, logprobs=[])
            opening = b""
            if last:
                frame += self._events("response.output_text.done", **at, text=part["text"], logprobs=[])
                frame += self._events("response.content_part.done", **at, part=part) + self._done(index, item)
            yield frame

    def _call(self, index: int, item: Json) -> Iterator[bytes]:
        at = {"item_id": item["id"], "output_index": index}
        kind = "response.function_call_arguments"
        opening = self._added(index, item, arguments="")
        for piece, last in _marked(_pieces(item["arguments"])):
            frame = opening + self._events(f"{kind}.delta", **at, delta=piece)
            opening = b""
            if last:
                frame += self._events(f"{kind}.done", **at, arguments=item["arguments"], name=item["name"])
                frame += self._done(index, item)
            yield frame

    def _reasoning(self, index: int, item: Json) -> Iterator[bytes]:
        if not self._shown:
            return
        at = {"item_id": item["id"], "output_index": index, "summary_index": 0}
        kind = "response.reasoning_summary"
        part = item["summary"][0]
        opening = self._added(index, item, summary=[])
        opening += self._events(f"{kind}_part.added", **at, part={**part, "text": ""})
        for piece, last in _marked(self._shown):
            frame = opening + self._events(f"{kind}_text.delta", **at, delta=piece)
            opening = b""
            if last:
                frame += self._events(f"{kind}_text.done", **at, text=part["text"])
                frame += self._events(f"{kind}_part.done", **at, part=part) + self._done(index, item)
            yield frame


def _pieces(text: str) -> Collection[str]:
    """Never none: an item is opened and closed even when it is empty."""
    return tokens.pieces(text) or [""]


def _marked(pieces: Collection[str]) -> Iterator[tuple[str, bool]]:
    last = len(pieces) - 1
    return ((piece, i == last) for i, piece in enumerate(pieces))


def _output(prompt: Prompt, answer: Answer, ids: Ids) -> list[Json]:
    output: list[Json] = []
    if answer.thinking:
        summary = [{"type": "summary_text", "text": answer.thinking}] if prompt.show_thinking else []
        sealed = signatures.seal("openai", answer.thinking)
        output.append(
            {"id": f"rs_{ids.call}", "type": "reasoning", "summary": summary, "encrypted_content": sealed}
        )
    output += [_call(call) for call in answer.calls]
    if answer.text or not answer.calls:
        content = [{"type": "output_text", "text": answer.text, "annotations": [], "logprobs": []}]
        status = "incomplete" if answer.finish == "length" else "completed"
        output.append(
            {
                "id": f"msg_{ids.call}",
                "type": "message",
                "status": status,
                "role": "assistant",
                "content": content,
            }
        )
    return output


def _call(call: Call) -> Json:
    return {
        "id": f"fc_{call.id}",
        "type": "function_call",
        "status": "completed",
        "call_id": f"call_{call.id}",
        "name": call.name,
        "arguments": call.arguments,
    }


def _envelope(prompt: Prompt, ids: Ids, status: str) -> Json:
    return {
        "id": f"resp_{ids.call}",
        "object": "response",
        "created_at": ids.created,
        "status": status,
        "error": None,
        "incomplete_details": None,
        "instructions": None,
        "max_output_tokens": prompt.max_tokens,
        "model": prompt.model,
        "parallel_tool_calls": prompt.parallel,
        "previous_response_id": None,
        "service_tier": "default",
        "tool_choice": "auto",
        "tools": [],
        "truncation": "disabled",
        "metadata": {"simulated": "true"},
        "usage": None,
    }


def _usage(usage: Usage, said: str | None) -> Json:
    if said == "malformed":
        return {"input_tokens": "many", "output_tokens": -1, "total_tokens": None}
    if said == "zero":
        usage = Usage()
    writes = usage.cache_write_5m + usage.cache_write_1h
    return {
        "input_tokens": usage.total_input,
        "input_tokens_details": {"cached_tokens": usage.cache_read, "cache_write_tokens": writes},
        "output_tokens": usage.output,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning},
        "total_tokens": usage.total_input + usage.output,
    }
