"""One line of a batch: as a client writes it, as it is run, and as its result is written."""

import msgspec
from msgspec import Raw, Struct

from models.batches.batch import Fault
from models.errors import PolyvoxError

ENDPOINTS = ("/v1/chat/completions", "/v1/responses", "/v1/messages", "/v1/embeddings")
"""What a line may ask of."""

MAX_CUSTOM_ID_CHARS = 512
_REQUEST = "req_b"


class Line(Struct, frozen=True):
    number: int
    """From 1, empty lines counted too."""
    custom_id: str
    url: str
    body: bytes


class Claimed(Struct, frozen=True, kw_only=True):
    """A line that somebody has set out to answer."""

    batch_id: str
    number: int
    run: int
    """Counts the attempts at the line from 1. Results of earlier ones are taken no more."""
    tries: int
    """How many runs before it came to nothing although they may have cost something."""
    key_id: str
    url: str
    body: bytes

    @property
    def request_id(self) -> str:
        """What this run is called in the ledger, whoever runs it."""
        return f"{_REQUEST}{self.batch_id.removeprefix('batch_')}_{self.number}_{self.run}"


class Answer(Struct, frozen=True, kw_only=True):
    """As a client over HTTP would have got it."""

    status_code: int
    body: bytes
    """JSON."""
    error: PolyvoxError | None = None
    """Why it is not what was asked for."""


class Result(Struct, frozen=True, kw_only=True):
    """What came of a line; `answer` is None of one that was not answered in time."""

    number: int
    custom_id: str
    status_code: int | None
    request_id: str | None
    answer: bytes | None

    @property
    def is_good(self) -> bool:
        return self.answer is not None and self.status_code is not None and self.status_code < 400


class _Written(Struct):
    custom_id: str
    method: str
    url: str
    body: Raw


class _Body(Struct):
    stream: bool | None = None


_written = msgspec.json.Decoder(_Written)
_body = msgspec.json.Decoder(_Body)
_encode = msgspec.json.Encoder().encode


def read_line(number: int, text: bytes) -> Line | Fault:
    """What a line asks for, or what is wrong with it."""
    try:
        said = _written.decode(text)
        stream = _body.decode(said.body).stream
    except msgspec.ValidationError as error:
        return Fault("invalid_line", f"{error}"[:300], line=number)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
        return Fault("invalid_json_line", "this line is not JSON", line=number)
    if not said.custom_id or len(said.custom_id) > MAX_CUSTOM_ID_CHARS or "\0" in said.custom_id:
        message = f"`custom_id` has 1 to {MAX_CUSTOM_ID_CHARS} characters, none of them NUL"
        return Fault("invalid_custom_id", message, line=number, param="custom_id")
    if said.method != "POST":
        return Fault("invalid_method", "`method` is POST", line=number, param="method")
    if said.url not in ENDPOINTS:
        message = f"`url` is one of {', '.join(ENDPOINTS)}"
        return Fault("url_mismatch", message, line=number, param="url")
    if stream:
        return Fault("invalid_request", "a batch has no streams", line=number, param="body.stream")
    return Line(number, said.custom_id, said.url, bytes(said.body))


def write_result(batch_id: str, result: Result, *, ended_as: str) -> bytes:
    """A line of the output file or, of what is not good, of the error file."""
    response = None
    error = None
    if result.answer is None:
        error = {"code": f"batch_{ended_as}", "message": _UNANSWERED.get(ended_as, "this line was not run")}
    else:
        response = {
            "status_code": result.status_code,
            "request_id": result.request_id,
            "body": Raw(_on_one_line(result.answer)),
        }
    written = {
        "id": f"batch_req_{batch_id.removeprefix('batch_')}_{result.number}",
        "custom_id": result.custom_id,
        "response": response,
        "error": error,
    }
    return _encode(written) + b"\n"


_UNANSWERED = {
    "expired": "the batch's time was up before this line was answered",
    "cancelled": "the batch was cancelled before this line was answered",
}


def _on_one_line(answer: bytes) -> bytes:
    return msgspec.json.format(answer, indent=-1) if b"\n" in answer else answer
