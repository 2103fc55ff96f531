"""The lines of a batch's file: what is read of them, what is wrong with them, how results are written."""

import json
from collections.abc import AsyncIterator
from typing import Any

import pytest

from models.batches.batch import Fault
from models.batches.line import Claimed, Line, Result, read_line, write_result
from models.batches.reading import LineReader, lines_of
from models.errors import PayloadTooLarge

GOOD: dict[str, Any] = {
    "custom_id": "a",
    "method": "POST",
    "url": "/v1/chat/completions",
    "body": {"model": "auto", "messages": []},
}


async def _chunks(*chunks: bytes) -> AsyncIterator[bytes]:
    for chunk in chunks:
        yield chunk


def _line(**changes: Any) -> bytes:
    return json.dumps({**GOOD, **changes}).encode()


async def _read(*chunks: bytes, most: int = 10) -> tuple[list[Line], LineReader]:
    reader = LineReader(_chunks(*chunks), most=most)
    return [line async for line in reader.lines()], reader


def test_a_lines_body_is_kept_as_it_is_written() -> None:
    text = b'{"custom_id":"a","method":"POST","url":"/v1/embeddings","body":{ "model" : "m", "new": 1e2 }}'
    assert read_line(3, text) == Line(3, "a", "/v1/embeddings", b'{ "model" : "m", "new": 1e2 }')


@pytest.mark.parametrize(
    ("text", "code", "param"),
    [
        (b"{", "invalid_json_line", None),
        (b"\xff", "invalid_json_line", None),
        (b"[" * 100_000, "invalid_line", None),
        (b"[]", "invalid_line", None),
        (b'{"custom_id": "a", "method": "POST", "url": "/v1/embeddings"}', "invalid_line", None),
        (_line(body=[]), "invalid_line", None),
        (_line(custom_id=1), "invalid_line", None),
        (_line(custom_id=""), "invalid_custom_id", "custom_id"),
        (_line(custom_id="a" * 513), "invalid_custom_id", "custom_id"),
        (_line(custom_id="a\0"), "invalid_custom_id", "custom_id"),
        (_line(method="GET"), "invalid_method", "method"),
        (_line(url="/v1/keys"), "url_mismatch", "url"),
        (_line(body={"stream": True}), "invalid_request", "body.stream"),
    ],
)
def test_a_bad_line_is_told_with_its_number(text: bytes, code: str, param: str | None) -> None:
    fault = read_line(7, text)
    assert isinstance(fault, Fault)
    assert (fault.code, fault.line, fault.param) == (code, 7, param)


async def test_a_file_may_be_cut_anywhere() -> None:
    whole = _line() + b"\r\n\n" + _line(custom_id="é") + b"\n"
    for at in range(len(whole)):
        lines, reader = await _read(whole[:at], whole[at:])
        assert [(line.number, line.custom_id) for line in lines] == [(1, "a"), (3, "é")]
        assert (reader.count, reader.faults) == (2, [])


@pytest.mark.parametrize(
    ("chunks", "faults"),
    [
        ([], [("empty_file", None)]),
        ([b"\n \n"], [("empty_file", None)]),
        ([_line() + b"\n" + _line()], [("duplicate_custom_id", 2)]),
        ([b"x\n" + _line() + b"\ny"], [("invalid_json_line", 1), ("invalid_json_line", 3)]),
        ([b"\n".join(_line(custom_id=str(n)) for n in range(11))], [("too_many_tasks", None)]),
        ([b"\xef\xbb\xbf" + _line()], []),
    ],
    ids=["nothing", "empty lines", "twice", "two bad ones", "too many", "a mark of the byte order"],
)
async def test_faults_of_a_file(chunks: list[bytes], faults: list[tuple[str, int | None]]) -> None:
    _, reader = await _read(*chunks)
    assert [(fault.code, fault.line) for fault in reader.faults] == faults


async def test_a_line_without_an_end_is_not_collected() -> None:
    with pytest.raises(PayloadTooLarge):
        async for _ in lines_of(_chunks(b"x" * 50, b"x" * 51), limit=100):
            pass


def test_every_run_has_an_id_of_its_own() -> None:
    ids = {
        Claimed(
            batch_id=f"batch_{batch}", number=number, run=run, tries=0, key_id="k", url="/u", body=b""
        ).request_id
        for batch in ("ab", "cd")
        for number in (1, 2)
        for run in (1, 2)
    }
    assert len(ids) == 8
    assert "req_bab_2_1" in ids


@pytest.mark.parametrize(
    ("status", "answer", "response", "error"),
    [
        (200, b'{"a":1}', {"status_code": 200, "request_id": "r", "body": {"a": 1}}, None),
        (400, b'{"error":\n{}}', {"status_code": 400, "request_id": "r", "body": {"error": {}}}, None),
        (None, None, None, "batch_expired"),
    ],
)
def test_a_result_is_one_line(
    status: int | None, answer: bytes | None, response: Any, error: str | None
) -> None:
    result = Result(number=2, custom_id="é", status_code=status, request_id="r", answer=answer)
    text = write_result("batch_ab", result, ended_as="expired")
    assert text.count(b"\n") == 1
    said = json.loads(text)
    assert (said["id"], said["custom_id"], said["response"]) == ("batch_req_ab_2", "é", response)
    assert (said["error"] or {}).get("code") == error
