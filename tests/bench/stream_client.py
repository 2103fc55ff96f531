"""One streamed answer, judged from its raw bytes: when content came, how long it paused, how it ended."""

import re
from typing import Literal

import httptools

Ending = Literal["done", "truncated", "error_event", "http_error", "unreachable", "cut_off"]
"""`done`: it said [DONE]; `truncated`: it stopped without; `cut_off`: still open when the run ended."""

_CONTENT = re.compile(rb'"content": ?"[^"]')
_ERROR = re.compile(rb'data: ?\{"error"')
_MAX_DETAIL = 200


class StreamClient:
    """Counts chunks that carry content. Comments and empty deltas do not count: a keep-alive hides no stall.

    All times are the caller's, in seconds of one clock.
    """

    def __init__(self, *, due: float) -> None:
        self.due = due
        self.first: float | None = None
        self.longest_gap = 0.0
        self.chunks = 0
        self.ended_at: float | None = None
        self.ending: Ending = "cut_off"
        self.detail = ""
        self._parser = httptools.HttpResponseParser(self)
        self._tail = b""
        self._http_failed = False
        self._now = due
        self._last = due

    def feed(self, data: bytes, now: float) -> None:
        self._now = now
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self.end("truncated", now, str(error))

    def end(self, ending: Ending, now: float, detail: str = "") -> None:
        """The first call decides; the pause since the last content counts as a gap too."""
        if self.ended_at is not None:
            return
        self.ended_at, self.ending, self.detail = now, ending, detail[:_MAX_DETAIL]
        if self.first is not None:
            self.longest_gap = max(self.longest_gap, now - self._last)

    def on_headers_complete(self) -> None:
        self._http_failed = self._parser.get_status_code() != 200

    def on_body(self, body: bytes) -> None:
        if self._tail:
            body = self._tail + body
        if self._http_failed:
            self._tail = body[:_MAX_DETAIL]
            return
        if b"\r" in body:
            body = body.replace(b"\r\n", b"\n")
        *events, self._tail = body.split(b"\n\n")
        for event in events:
            self._take(event)

    def on_message_complete(self) -> None:
        if self._http_failed:
            body = self._tail.decode(errors="replace")
            self.end("http_error", self._now, f"{self._parser.get_status_code()} {body}")
        else:
            self.end("truncated", self._now, "the answer was complete without [DONE]")

    def _take(self, event: bytes) -> None:
        now = self._now
        if _CONTENT.search(event) and event.startswith(b"data:"):
            if self.first is None:
                self.first = now
            elif now - self._last > self.longest_gap:
                self.longest_gap = now - self._last
            self._last = now
            self.chunks += 1
        elif event.startswith((b"data: [DONE]", b"data:[DONE]")):
            self.end("done", now)
        elif _ERROR.match(event):
            self.end("error_event", now, event.decode(errors="replace"))
