"""Canonical chunks to the typed events of OpenAI's streamed response, numbered.

Source: openai 3.54, types/responses/response_*_event.py: items open and close one after another, and so do
the parts within one.
"""

from typing import Any, assert_never

import msgspec

from models import chat
from models.dialects.ask import opened
from models.dialects.logprobs import told
from models.dialects.openai_responses_answer import (
    NOTHING,
    annotation,
    call_item,
    end_fields,
    envelope,
    freeform_input,
    item_id,
    item_status,
    message_item,
    reasoning_item,
    summary_text,
    text_part,
    usage_fields,
)
from models.dialects.openai_responses_items import PROVIDER
from models.dialects.openai_responses_tools import Offered
from models.dialects.tiers import tier_told

Json = dict[str, Any]

_json = msgspec.json.Encoder().encode


class StreamEncoder:
    """One stream's encoder."""

    def __init__(self, *, id: str, model: str, created: int, echo: Json, offered: Offered = NOTHING) -> None:
        self._id = id
        self._offered = offered
        self._envelope = envelope(id=id, model=model, created=created, echo=echo)
        self._sequence = 0
        self._output: list[Json] = []
        """Items that are done."""
        self._item: _Item | None = None
        """The one that is open."""
        self._calls: dict[int, _Item] = {}
        self._refused = False
        self._probable: list[Json] = []
        """Log probabilities of the next text's tokens."""

    def encode(self, chunks: list[chat.Chunk], *, cost_pico: int | None = None) -> bytes:
        """The events of a batch. `cost_pico` is of use with the last one only."""
        if len(chunks) == 1:
            return self._chunk(chunks[0], cost_pico)
        return b"".join([self._chunk(chunk, cost_pico) for chunk in chunks])

    def error(self, fields: Json, *, code: str) -> bytes:
        """The typed end of a stream that failed after its first byte. `fields`: message, code, param;
        `code` is the response's, of which there are few."""
        failed = self._envelope | {
            "status": "failed",
            "output": self._output,
            "error": {"code": code, "message": fields["message"]},
        }
        named = {name: fields[name] for name in ("code", "message", "param")}
        return self._event("error", **named) + self._event("response.failed", response=failed)

    def _chunk(self, chunk: chat.Chunk, cost_pico: int | None) -> bytes:
        match chunk:
            case chat.TextDelta(text):
                return self._say("output_text", text)
            case chat.RefusalDelta(text):
                self._refused = True
                return self._say("refusal", text)
            case chat.ThinkingDelta(text):
                return self._say("summary_text", text)
            case chat.ToolCallStarted():
                return self._call(chunk)
            case chat.ToolCallDelta(index, written):
                return self._argue(self._calls.get(index), written)
            case chat.CitationDelta(citation):
                return self._cite(citation)
            case chat.OpaqueDelta(opaque):
                return self._keep(opaque)
            case chat.Started():
                started = {"response": self._envelope}
                return self._event("response.created", **started) + self._event(
                    "response.in_progress", **started
                )
            case chat.Finished():
                return self._finished(chunk, cost_pico)
            case chat.Completed():
                raise TypeError("a whole answer is not a part of a stream")
            case _:
                assert_never(chunk)

    def _say(self, kind: str, text: str) -> bytes:
        item = self._item
        if not text:
            if item is not None and item.kind == kind:
                item.is_whole = True  # what follows is a part of its own
            return b""
        opening = b""
        if item is None or item.kind != kind or item.is_whole:
            item, opening = self._open(kind)
        item.pieces.append(text)
        if kind == "output_text" and (tokens := self._probable):
            self._probable = []
            item.logprobs += tokens
            event = f"response.{kind}.delta"
            return opening + self._event(event, **item.place, logprobs=tokens, delta=text)
        sequence, self._sequence = self._sequence, self._sequence + 1
        return opening + item.head + b"%d" % sequence + item.middle + _json(text) + b"}\n\n"

    def _open(self, kind: str) -> "tuple[_Item, bytes]":
        """A part of a message, or a reasoning item with its summary: text and refusal share a message."""
        item, closing = self._item, b""
        goes_on = item is not None and item.is_message and kind != "summary_text"
        if item is not None and goes_on:
            closing = self._close_part(item)
        else:
            closing = self._close()
            item = None
        at = len(self._output)
        prefix = "rs" if kind == "summary_text" else "msg"
        opened_item = _Item(kind, item_id(prefix, self._id, at), at, content=item.content if item else None)
        self._item = opened_item
        opening = b""
        if item is None:
            opening = self._event("response.output_item.added", output_index=at, item=opened_item.empty())
        part = opened_item.part("")
        added = "reasoning_summary_part" if prefix == "rs" else "content_part"
        return opened_item, closing + opening + self._event(
            f"response.{added}.added", **opened_item.place, part=part
        )

    def _call(self, begun: chat.ToolCallStarted) -> bytes:
        closing = self._close()
        at, is_freeform = len(self._output), begun.name in self._offered.freeform
        call = chat.ToolCall(begun.id, begun.name, "", freeform=is_freeform)
        id = item_id("ctc" if is_freeform else "fc", self._id, at)
        item = _Item("call", id, at, call=call, offered=self._offered)
        self._item = self._calls[begun.index] = item
        added = self._event("response.output_item.added", output_index=at, item=item.empty())
        return closing + added + self._argue(item, begun.arguments)

    def _argue(self, item: "_Item | None", written: str) -> bytes:
        """A tool that takes a text is told of when its call is whole."""
        if item is None or not written:
            return b""
        item.pieces.append(written)
        if item is not self._item:  # closed already: its item as it stands in the end has all of it
            self._output[item.at] = item.whole("completed")
        if item.call is None or item.call.freeform:
            return b""
        return self._event("response.function_call_arguments.delta", **item.place, delta=written)

    def _cite(self, citation: chat.Citation) -> bytes:
        item = self._item
        if item is None or item.kind != "output_text":
            return b""
        said = annotation(citation, sum(map(len, item.pieces)))
        if not said:
            return b""
        at = len(item.annotations)
        item.annotations.append(said)
        kind = "response.output_text.annotation.added"
        return self._event(kind, **item.place, annotation_index=at, annotation=said)

    def _keep(self, opaque: chat.Opaque) -> bytes:
        """Blocks of OpenAI's own, as they are."""
        self._probable += told((opaque,))
        if opaque.provider != PROVIDER or opaque.kind not in ("block", "reasoning"):
            return b""
        item, closing = opened(opaque.value), self._close()
        at = len(self._output)
        self._output.append(item)
        return closing + self._added_and_done(at, item)

    def _added_and_done(self, at: int, item: Json) -> bytes:
        added = self._event("response.output_item.added", output_index=at, item=item)
        return added + self._event("response.output_item.done", output_index=at, item=item)

    def _close_part(self, item: "_Item") -> bytes:
        """What was said in it, whole."""
        text = "".join(item.pieces)
        part = item.part(text)
        if item.kind == "summary_text":
            done = self._event("response.reasoning_summary_text.done", **item.place, text=text)
            return done + self._event("response.reasoning_summary_part.done", **item.place, part=part)
        item.content.append(part)
        said: Json = (
            {"text": text, "logprobs": item.logprobs} if item.kind == "output_text" else {"refusal": text}
        )
        done = self._event(f"response.{item.kind}.done", **item.place, **said)
        return done + self._event("response.content_part.done", **item.place, part=part)

    def _close(self, status: str = "completed") -> bytes:
        item, self._item = self._item, None
        if item is None:
            return b""
        closing = self._close_call(item) if item.call is not None else self._close_part(item)
        whole = item.whole(status)
        self._output.append(whole)
        return closing + self._event("response.output_item.done", output_index=item.at, item=whole)

    def _close_call(self, item: "_Item") -> bytes:
        written = "".join(item.pieces)
        assert item.call is not None
        if not item.call.freeform:
            named = {"arguments": written, "name": self._offered.named(item.call)["name"]}
            return self._event("response.function_call_arguments.done", **item.place, **named)
        said, kind = freeform_input(written), "response.custom_tool_call_input"
        delta = self._event(f"{kind}.delta", **item.place, delta=said) if said else b""
        return delta + self._event(f"{kind}.done", **item.place, input=said)

    def _finished(self, chunk: chat.Finished, cost_pico: int | None) -> bytes:
        closing = self._close(item_status(chunk.finish))
        fields = end_fields(chunk.finish, refused=self._refused)
        whole = self._envelope | fields | {"output": self._output}
        whole["usage"] = usage_fields(chunk.usage, cost_pico)
        if tier := tier_told(chunk.service_tier, plain="default"):
            whole["service_tier"] = tier
        return closing + self._event(f"response.{fields['status']}", response=whole)

    def _event(self, kind: str, **fields: Any) -> bytes:
        sequence, self._sequence = self._sequence, self._sequence + 1
        data = _json({"type": kind, "sequence_number": sequence, **fields})
        return b"event: " + kind.encode() + b"\ndata: " + data + b"\n\n"


class _Item:
    """An output item while it comes; of a message, the part of it that is open."""

    def __init__(
        self,
        kind: str,
        id: str,
        at: int,
        *,
        content: list[Json] | None = None,
        call: chat.ToolCall | None = None,
        offered: Offered = NOTHING,
    ) -> None:
        self.kind = kind
        self.id = id
        self.at = at
        self.content = content if content is not None else []
        """Parts of the message that are done."""
        self.call = call
        self.offered = offered
        self.pieces: list[str] = []
        self.annotations: list[Json] = []
        self.logprobs: list[Json] = []
        self.is_message = kind in ("output_text", "refusal")
        self.is_whole = False
        self.place: Json = {"item_id": id, "output_index": at}
        if self.is_message:
            self.place["content_index"] = len(self.content)
        elif call is None:
            self.place["summary_index"] = 0
        event = (
            "response.reasoning_summary_text.delta" if kind == "summary_text" else f"response.{kind}.delta"
        )
        self.head = f'event: {event}\ndata: {{"type":"{event}","sequence_number":'.encode()
        logprobs: Json = {"logprobs": []} if kind == "output_text" else {}
        self.middle = b"," + _json(self.place | logprobs)[1:-1] + b',"delta":'

    def part(self, text: str) -> Json:
        if self.kind == "summary_text":
            return summary_text(text)
        return (
            text_part(text, self.annotations, self.logprobs) if self.kind == "output_text" else _refusal(text)
        )

    def empty(self) -> Json:
        if self.call is not None:
            return call_item(self.id, self.call, offered=self.offered, status="in_progress")
        return message_item(self.id, [], "in_progress") if self.is_message else reasoning_item(self.id, [])

    def whole(self, status: str) -> Json:
        said = "".join(self.pieces)
        if self.call is not None:
            call = chat.ToolCall(self.call.id, self.call.name, said, freeform=self.call.freeform)
            return call_item(self.id, call, offered=self.offered, status=status)
        if self.is_message:
            return message_item(self.id, self.content, status)
        return reasoning_item(self.id, [summary_text(said)])


def _refusal(text: str) -> Json:
    return {"type": "refusal", "refusal": text}
