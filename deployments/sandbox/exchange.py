"""What passes between the server, the three wire formats and the maker of answers."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from msgspec import Struct

from models.chat import Usage

Provider = Literal["openai", "anthropic", "google"]
Finish = Literal["stop", "length", "tool_calls", "stop_sequence"]
Json = dict[str, Any]


class Rejected(Exception):
    """The request breaks one of the provider's rules; `error_body` of its wire tells the client so."""

    def __init__(
        self, message: str, *, status: int = 400, code: str | None = None, param: str | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.status = status
        self.code = code
        self.param = param


@dataclass(slots=True)
class Request:
    method: str
    path: str
    query: str
    headers: dict[bytes, bytes]
    """Names in lower case."""
    body: bytes

    def header(self, name: bytes) -> str:
        return self.headers.get(name, b"").decode("latin-1")


class Tool(Struct, frozen=True):
    name: str
    schema: Json


@dataclass(slots=True, kw_only=True)
class Prompt:
    """A request that kept its provider's rules, reduced to what an answer depends on."""

    model: str
    input_tokens: int
    user_text: str
    """The last text that the user wrote."""
    results: list[tuple[str, str]] = field(default_factory=list)
    """(tool, text) of the results that end the conversation."""
    tools: list[Tool] = field(default_factory=list)
    must_call: tuple[str, ...] | None = None
    """Tools of which one has to be called; None: none has to be."""
    may_call: bool = True
    parallel: bool = True
    schema: Json | None = None
    """JSON Schema that the answer must be an instance of."""
    max_tokens: int | None = None
    stop: tuple[str, ...] = ()
    thinking: bool = False
    show_thinking: bool = False
    """The answer carries the thoughts, not only their count."""
    stream: bool = False
    include_usage: bool = True
    binding: str = ""
    """Digest of all that precedes the answer, where signatures are bound to it."""


class Call(Struct, frozen=True):
    id: str
    name: str
    arguments: str
    """JSON text."""


class Answer(Struct, frozen=True, kw_only=True):
    text: str
    thinking: str
    calls: tuple[Call, ...]
    finish: Finish
    stop_sequence: str
    usage: Usage


@dataclass(slots=True, kw_only=True)
class Script:
    """A stream: what to send and when it may be cut. Each frame carries one token of the answer."""

    head: bytes
    frames: Iterator[bytes]
    count: int
    """Of the frames."""
    tail: Callable[[], bytes]
    error: Callable[[], bytes]
    """The provider's in-stream error event."""
    garbage: bytes
    """An event that cannot be read."""
    hidden: int = 0
    """Output tokens that no frame shows."""
    content_type: bytes = b"text/event-stream"


@dataclass(slots=True)
class Ids:
    """Names of one answer: `call` differs for each call, `seed` depends on what is asked alone."""

    call: str
    seed: int
    created: int


class Dialect(Protocol):
    """One endpoint that generates (a module): how its requests are read and its answers written."""

    def read(self, body: Json, model: str, /) -> Prompt:
        """`model` is the one that the path names, if it names one."""
        ...

    def whole(self, prompt: Prompt, answer: Answer, ids: Ids, usage: str | None, /) -> Json:
        """`usage` is what `Behaviour.usage` says."""
        ...

    def script(self, prompt: Prompt, answer: Answer, ids: Ids, usage: str | None, /) -> Script: ...


class Wire(Protocol):
    """What all endpoints of a provider share (a module)."""

    REQUEST_ID_HEADER: bytes

    def authenticated(self, request: Request, /) -> str:
        """The key that the request carries, "" for none."""
        ...

    def error_body(self, error: Rejected, request_id: str, retry_after: float | None, /) -> bytes: ...
