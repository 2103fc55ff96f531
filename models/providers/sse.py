"""Server-sent events out of bytes that come cut anywhere.

The format: https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
"""

from models.errors import ProviderGarbled

MAX_EVENT_BYTES = 32 * 1024 * 1024
"""An image in base64 is one event; what is larger than this is no event."""

_BOM = b"\xef\xbb\xbf"


class SseParser:
    """Give it what arrived, get the events that are complete: `(name, data)`, the name empty where
    none was sent. An event that the stream's end cut off is dropped, as the standard asks; so is one
    with no data, which says nothing here."""

    def __init__(self, *, max_event_bytes: int = MAX_EVENT_BYTES) -> None:
        self._max_event_bytes = max_event_bytes
        self._rest = bytearray()
        self._started = False
        self._skip_newline = False

    def feed(self, data: bytes) -> list[tuple[str, bytes]]:
        if not self._started:
            data = self._start(data)
        if not data:
            return []
        if self._skip_newline or b"\r" in data:
            data = self._with_newlines(data)
        rest = self._rest
        if rest:
            searched = max(len(rest) - 1, 0)
            rest += data
            if rest.find(b"\n\n", searched) < 0:
                self._check_size()
                return []
            data = bytes(rest)
            rest.clear()
        *blocks, last = data.split(b"\n\n")
        if last:
            rest += last
            self._check_size()
        return [event for block in blocks if (event := _event(block)) is not None]

    def _start(self, data: bytes) -> bytes:
        """Drops a byte order mark, which may itself come in pieces."""
        self._rest += data
        if len(self._rest) < len(_BOM) and _BOM.startswith(self._rest):
            return b""
        data = bytes(self._rest).removeprefix(_BOM)
        self._rest.clear()
        self._started = True
        return data

    def _with_newlines(self, data: bytes) -> bytes:
        """CRLF and CR as LF. A CR at the end ends its line at once; the LF that may follow is skipped."""
        if self._skip_newline:
            data = data.removeprefix(b"\n")
            self._skip_newline = False
        self._skip_newline = data.endswith(b"\r")
        return data.replace(b"\r\n", b"\n").replace(b"\r", b"\n")

    def _check_size(self) -> None:
        if len(self._rest) > self._max_event_bytes:
            raise ProviderGarbled(f"a streamed event is larger than {self._max_event_bytes} bytes")


def _event(block: bytes) -> tuple[str, bytes] | None:
    if block.startswith(b"data: ") and b"\n" not in block:
        return ("", block[6:]) if len(block) > 6 else None
    name, data = b"", []
    for line in block.split(b"\n"):
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    joined = b"\n".join(data)
    return (name.decode("utf-8", "replace"), joined) if joined else None
