"""Forms as they come, in pieces of any size."""

from typing import Any

import pytest

from deployments.api.exchange import ClientGone, Receive
from deployments.api.multipart import MAX_PARTS, Form
from models.errors import InvalidRequest

TYPE = b"multipart/form-data; boundary=xx"
FORM = b"\r\n".join(
    (
        b"before",
        b"--xx",
        b'Content-Disposition: form-data; name="purpose"',
        b"",
        b"batch",
        b"--xx",
        b"content-type: text/plain",
        b'content-disposition: form-data; name=file; filename="\xc3\xa9.jsonl"',
        b"",
        b"",
        b"--x",
        b"",
        b"--xx",
        b'content-disposition: form-data; name="empty"',
        b"",
        b"",
        b"--xx--",
        b"after",
    )
)


def _sends(*parts: bytes, leaves: bool = False) -> Receive:
    said: list[dict[str, Any]] = [
        {"type": "http.request", "body": part, "more_body": leaves or at < len(parts) - 1}
        for at, part in enumerate(parts)
    ]
    said.append({"type": "http.disconnect"})
    left = iter(said)

    async def receive() -> dict[str, Any]:
        return next(left)

    return receive


async def _all(form: Form) -> list[tuple[str, str | None, bytes]]:
    found = []
    while (part := await form.next_part()) is not None:
        found.append((part.name, part.filename, b"".join([piece async for piece in form.pieces()])))
    return found


async def test_a_form_may_be_cut_anywhere() -> None:
    for at in range(len(FORM)):
        assert await _all(Form(TYPE, _sends(FORM[:at], FORM[at:]))) == [
            ("purpose", None, b"batch"),
            ("file", "é.jsonl", b"\r\n--x\r\n"),
            ("empty", None, b""),
        ]


async def test_it_may_come_byte_by_byte_and_parts_may_be_left_unread() -> None:
    form = Form(TYPE, _sends(*(bytes([byte]) for byte in FORM)))
    names = []
    while (part := await form.next_part()) is not None:
        names.append(part.name)
    assert names == ["purpose", "file", "empty"]


@pytest.mark.parametrize(
    "kind",
    [b"", b"application/json", b"multipart/form-data", b"multipart/mixed; boundary=x", TYPE + b"x" * 80],
)
def test_what_is_no_form_is_refused(kind: bytes) -> None:
    with pytest.raises(InvalidRequest):
        Form(kind, _sends(FORM))


@pytest.mark.parametrize(
    "body",
    [
        b"",
        FORM[:60],
        b"--xxyz\r\n\r\n",
        b"--xx\r\n\r\n\r\n--xx--",
        b"--xx\r\ncontent-disposition: form-data\r\n\r\n\r\n--xx--",
        b"--xx\r\n" + b"a" * 20_000 + b"\r\n\r\n\r\n--xx--",
        b"--xx\r\ncontent-disposition: form-data; name=a\r\n\r\n\r\n" * (MAX_PARTS + 1) + b"--xx--",
        b"--xx--" + b"z" * 20_000,
    ],
    ids=["nothing", "cut", "boundary", "no head", "no name", "long head", "many parts", "long end"],
)
async def test_what_is_broken_is_refused(body: bytes) -> None:
    with pytest.raises(InvalidRequest):
        await _all(Form(TYPE, _sends(body, b"")))


async def test_a_field_is_short() -> None:
    form = Form(TYPE, _sends(b"--xx\r\ncontent-disposition: form-data; name=a\r\n\r\n" + b"a" * 2_000, b""))
    await form.next_part()
    with pytest.raises(InvalidRequest):
        await form.text()


async def test_a_client_that_leaves_is_noticed() -> None:
    with pytest.raises(ClientGone):
        await _all(Form(TYPE, _sends(FORM[:100], leaves=True)))
