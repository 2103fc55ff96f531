"""What tools answer is reduced by its structure; a value is whole or absent."""

import json

import pytest

from models.context import Prepared
from models.context.structure import cut, shape_of
from tests.unit.context.samples import joined, said, small_talk, tool_exchange

RECORDS = [
    {"id": f"ord-{n:04}", "city": "Leeds", "total": 10.5 * n, "note": "line one. Line two.", "open": True}
    for n in range(200)
]
LOG = "\n".join(
    [f"2026-03-04 10:00:{n % 60:02} INFO worker ping {n}" for n in range(300)]
    + ["2026-03-04 10:05:01 ERROR worker-3 lost its lease on shard 17"]
)
CODE = "\n\n".join(f"def area_{n}(width, height):\n    return width * height * {n}" for n in range(60))

SHAPES = [
    (json.dumps(RECORDS), "json"),
    (LOG, "log"),
    (CODE, "code"),
    ("It rained. The match was off.", "prose"),
    ("[see the notes] and {braces}", "prose"),
    ("[" * 5_000 + "]" * 5_000, "prose"),
]


@pytest.mark.parametrize(("text", "shape"), SHAPES)
def test_shapes_are_told_apart(text: str, shape: str) -> None:
    assert shape_of(text) == shape


def test_records_are_pieces_and_what_all_share_is_said_once() -> None:
    _, pieces = cut(json.dumps(RECORDS))
    assert pieces[0] == "200 results, all with city: Leeds, note: line one. Line two., open: true"
    assert pieces[8] == "id: ord-0007, total: 73.5"
    assert len(pieces) == 201


def test_nested_values_keep_their_path() -> None:
    value = {"user": {"name": "Ada", "tags": ["a" * 150, "b" * 150]}, "rows": [{"x": "y" * 500}]}
    _, pieces = cut(json.dumps(value))
    assert pieces[0] == "user: name: Ada"
    assert pieces[1] == "2 in user.tags"
    assert pieces[-1] == "x: " + "y" * 500


def test_lines_of_a_log_that_differ_in_numbers_come_once() -> None:
    _, pieces = cut(LOG)
    assert len(pieces) == 2
    assert pieces[0].startswith("2026-03-04 10:00:00 INFO worker ping 0 [300 lines like this, to: ")
    assert pieces[1].endswith("lost its lease on shard 17")


def test_a_record_is_found_and_comes_with_the_call_that_it_answers() -> None:
    turns = [
        *small_talk(1),
        *tool_exchange("c1", "list_orders", '{"city": "Leeds"}', json.dumps(RECORDS)),
        said("assistant", "There are 200 open orders in Leeds."),
        *small_talk(2),
    ]
    prepared = Prepared(turns)
    sent = joined(prepared.fit(int(prepared.reading.tokens * 0.1), "What is the total of ord-0123?").texts)
    assert "id: ord-0123, total: 1291.5" in sent
    assert "list_orders(city: Leeds)" in sent
    assert "200 results, all with city: Leeds" in sent


@pytest.mark.parametrize("answer", [json.dumps(RECORDS), LOG, CODE])
def test_what_is_sent_of_an_answer_is_whole_pieces(answer: str) -> None:
    turns = [*small_talk(1), *tool_exchange("c1", "look", "{}", answer), *small_talk(2)]
    prepared = Prepared(turns)
    _, pieces = cut(answer)
    for share in (0.5, 0.2, 0.1):
        made = prepared.fit(int(prepared.reading.tokens * share), "worker lease, area_17 or ord-0042")
        shown = [prepared.reading.units[unit].text for unit in made.shown]
        assert set(shown) & set(pieces)
        assert all(text in joined(made.texts) for text in shown)
