"""Server-sent events, as the standard has them."""

from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.errors import ProviderGarbled
from models.providers.sse import SseParser

Event = tuple[str, bytes]


@pytest.mark.parametrize(
    ("sent", "events"),
    [
        (b"data: one\n\ndata: two\n\n", [("", b"one"), ("", b"two")]),
        (b"event: ping\ndata: {}\n\n", [("ping", b"{}")]),
        (b"data: {}\nevent: ping\n\n", [("ping", b"{}")]),
        (b"data:no space\n\n", [("", b"no space")]),
        (b"data:  two spaces\n\n", [("", b" two spaces")]),
        (b"data: a\ndata: b\n\n", [("", b"a\nb")]),
        (b": comment\n\n: another\ndata: x\n\n", [("", b"x")]),
        (b"id: 7\nretry: 10\nunknown\ndata: x\n\n", [("", b"x")]),
        (b"data: x\r\n\r\ndata: y\r\n\r\n", [("", b"x"), ("", b"y")]),
        (b"data: x\r\rdata: y\r\r", [("", b"x"), ("", b"y")]),
        (b"event: e\r\ndata: x\n\r\n", [("e", b"x")]),
        (b"\n\n\n\ndata: x\n\n\n\n", [("", b"x")]),
        (b"\xef\xbb\xbfdata: x\n\n", [("", b"x")]),
        (b"data\n\n", []),
        (b"data: \n\n", []),
        (b"event: nothing\n\n", []),
        (b"data: cut off by the end\n", []),
        ("data: café\n\n".encode(), [("", "café".encode())]),
        (b'data: {"data: ": "event: "}\n\n', [("", b'{"data: ": "event: "}')]),
    ],
)
def test_an_event_stream(sent: bytes, events: list[Event]) -> None:
    assert SseParser().feed(sent) == events
    one_by_one = SseParser()
    assert [event for i in range(len(sent)) for event in one_by_one.feed(sent[i : i + 1])] == events


_line_ends = st.sampled_from(["\n", "\r\n", "\r"])
_values = st.text(st.characters(exclude_characters="\r\n", codec="utf-8"), max_size=12)
_lines = st.tuples(
    st.sampled_from(["data: ", "data:", "event: ", ": ", "id: ", "", "x"]), _values, _line_ends
)
_streams = st.lists(_lines, max_size=25).map(lambda lines: "".join(map("".join, lines)).encode())


def _by_lines(stream: bytes) -> list[Event]:
    """The standard's algorithm, line by line, over a stream that is all there."""
    text = stream.removeprefix(b"\xef\xbb\xbf").replace(b"\r\n", b"\n").replace(b"\r", b"\n")
    events, name, data = [], b"", list[bytes]()
    for line in text.split(b"\n")[:-1]:
        field, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if not line:
            if any(data) or len(data) > 1:
                events.append((name.decode(), b"\n".join(data)))
            name, data = b"", []
        elif field == b"data":
            data.append(value)
        elif field == b"event":
            name = value
    return events


@given(_streams)
def test_any_stream_gives_what_the_standard_says(stream: bytes) -> None:
    assert SseParser().feed(stream) == _by_lines(stream)


@given(_streams, st.lists(st.integers(0, 400), max_size=12))
def test_where_a_stream_is_cut_makes_no_difference(stream: bytes, cuts: list[int]) -> None:
    whole = SseParser().feed(stream)
    places = sorted({0, len(stream), *(cut for cut in cuts if cut < len(stream))})
    parser = SseParser()
    pieces = [stream[start:end] for start, end in pairwise(places)]
    assert [event for piece in pieces for event in parser.feed(piece)] == whole


def test_an_event_may_not_grow_without_end() -> None:
    parser = SseParser(max_event_bytes=1_000)
    assert parser.feed(b"data: " + b"x" * 900) == []
    with pytest.raises(ProviderGarbled, match="larger than 1000 bytes"):
        parser.feed(b"x" * 200)


def test_events_that_are_complete_count_alone() -> None:
    parser = SseParser(max_event_bytes=100)
    assert len(parser.feed(b"data: x\n\n" * 1_000)) == 1_000
