"""How a request says what the sandbox shall do, for tests of what goes wrong.

Grammar, anywhere in the last text of the user (the later one wins):

    [[sandbox: key=value key=value ...]]     keys and bounds: the fields of `Behaviour`
    [[tool:NAME {json}]]                     call the offered tool NAME; several of them: in parallel

The header `x-sandbox: key=value ...` says the same and wins over the text; `PUT /sandbox/state` sets what
holds for every call of a provider and yields to both. An unknown key or a value out of bounds is the
provider's 400. Without any of it a request is answered at once with about 35 tokens.
"""

import functools
import re
from typing import Annotated, Literal, TypeVar

import msgspec
from msgspec import Meta, Struct

from deployments.sandbox.exchange import Rejected

Failure = Literal[
    "400", "401", "403", "404", "413", "422", "429", "500", "502", "503", "504", "529", "timeout", "reset"
]
Seconds = Annotated[float, Meta(ge=0, le=600)]
Tokens = Annotated[int, Meta(ge=0, le=100_000)]
Calls = Annotated[int, Meta(ge=0, le=10_000)]
Flag = Literal["0", "1"]

T = TypeVar("T")

KEYS_MAX = 10_000
"""Keys of `fail_times` that are remembered; the oldest goes first."""


class Behaviour(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    delay: Seconds = 0.0
    """Before the first byte."""
    tokens: Tokens | None = None
    """Length of the visible text, exactly (`max_tokens` still cuts)."""
    rate: Annotated[float, Meta(gt=0, le=1000)] | None = None
    """Chunks per second of a stream, one token each; all at once without it."""
    fail: Failure | None = None
    """The status, with the provider's own error body; `timeout` never answers, `reset` cuts (RST)."""
    fail_times: Calls | None = None
    """Only the first so many calls with the same `key` fail."""
    key: Annotated[str, Meta(max_length=64)] = ""
    retry_after: Seconds | None = None
    """Seconds, told with the failure in the provider's way."""
    billed: Flag = "0"
    """`1`: a failed call is metered all the same, as when only the answer was lost."""
    die_after: Calls | None = None
    """Close the connection after so many chunks; a unary answer is cut in the middle of its body."""
    error_after: Calls | None = None
    """An error event in the stream after so many chunks."""
    usage: Literal["missing", "malformed", "zero"] | None = None
    """What the answer says of its usage; the meter records the truth."""
    garbage: Flag = "0"
    """`1`: the unary body is no JSON; the stream holds a broken event."""
    cached: Tokens = 0
    """Input tokens that the cache served, as far as the input reaches."""
    cache_write: Tokens = 0
    cache_write_1h: Tokens = 0
    reasoning: Tokens | None = None
    """Reasoning tokens of the output."""
    tool: Annotated[str, Meta(max_length=128)] = ""
    """Call this tool if it is offered, with arguments made up from its schema."""

    def succeeding(self) -> "Behaviour":
        """The same without the failure, which is over."""
        return msgspec.structs.replace(self, fail=None)


NORMAL = Behaviour()
_DIRECTIVE = re.compile(r"\[\[\s*sandbox\s*:([^\[\]]{0,500})\]\]")
_TOOL = re.compile(r"\[\[\s*tool\s*:\s*([A-Za-z0-9_.:-]{1,128})\s*(\{.*?\})?\s*\]\]", re.DOTALL)


def requested(text: str, header: str = "", state: str = "") -> Behaviour:
    """The behaviour that the user's text, the header and the provider's state ask for together."""
    directives = " ".join(_DIRECTIVE.findall(text)) if "[[" in text else ""
    if not (directives or header or state):
        return NORMAL
    return parse(f"{state} {directives} {header}")


@functools.lru_cache(maxsize=1024)
def parse(pairs: str) -> Behaviour:
    """`key=value key=value`; a later pair wins."""
    return read_pairs(pairs, Behaviour)


def read_pairs(pairs: str, kind: type[T]) -> T:
    """A directive as a struct; Rejected for an unknown key or a value out of bounds."""
    found: dict[str, str] = {}
    for pair in pairs.split():
        key, sep, value = pair.partition("=")
        if not sep:
            raise Rejected(f"sandbox directive: '{pair}' is not key=value")
        found[key] = value
    try:
        return msgspec.convert(found, kind, strict=False)
    except msgspec.ValidationError as error:
        raise Rejected(f"sandbox directive: {error}") from None


def tools_asked(text: str) -> list[tuple[str, str]]:
    """(name, JSON arguments or "") of each `[[tool:...]]`."""
    return _TOOL.findall(text) if "[[" in text else []


def without_directives(text: str) -> str:
    if "[[" not in text:
        return text
    return _TOOL.sub("", _DIRECTIVE.sub("", text)).strip()


class Failures:
    """Counts the calls of each `key`, so that the first ones fail."""

    def __init__(self) -> None:
        self._seen: dict[str, int] = {}

    def due(self, behaviour: Behaviour) -> Failure | None:
        """The failure that this call gets, if any; counts the call."""
        if behaviour.fail is None or behaviour.fail_times is None:
            return behaviour.fail
        seen = self._seen.pop(behaviour.key, 0) + 1
        self._seen[behaviour.key] = seen
        if len(self._seen) > KEYS_MAX:
            del self._seen[next(iter(self._seen))]
        return behaviour.fail if seen <= behaviour.fail_times else None
