"""A request's JSON read field by field: what is wrong is named by its path, what nobody read is left over."""

from collections.abc import Iterator, Sequence
from typing import Any, TypeVar, cast, get_args

from models.chat import Opaque
from models.errors import InvalidRequest
from models.parts import REST, json_text

T = TypeVar("T")
L = TypeVar("L", bound=str)

_SAID = {str: "a string", dict: "an object", list: "a list", bool: "true or false", int: "an integer"}


class Reader:
    """One object. A field that is null counts as absent."""

    def __init__(self, raw: object, where: str = "") -> None:
        if not isinstance(raw, dict):
            raise wrong(where, "is to be an object")
        self.raw: dict[str, Any] = raw
        self.where = where
        self._read: set[str] = set()

    def maybe(self, name: str, kind: type[T]) -> T | None:
        self._read.add(name)
        value = self.raw.get(name)
        if value is None or type(value) is kind:  # of JSON: true is no integer
            return value
        raise self.wrong(name, f"is to be {_SAID[kind]}")

    def need(self, name: str, kind: type[T]) -> T:
        value = self.maybe(name, kind)
        if value is None:
            raise self.wrong(name, "is missing")
        return value

    def text(self, name: str) -> str:
        """Empty where absent."""
        return self.maybe(name, str) or ""

    def number(self, name: str) -> float | None:
        value = self.peek(name)
        if value is None or (isinstance(value, int | float) and not isinstance(value, bool)):
            return value
        raise self.wrong(name, "is to be a number")

    def one_of(self, name: str, literal: type[L] | Any) -> L | None:
        """The value, which is to be one of a `Literal`'s."""
        value, known = self.maybe(name, str), get_args(literal)
        if value is not None and value not in known:
            raise self.wrong(name, f"is to be one of {', '.join(known)}")
        return cast("L | None", value)

    def strings(self, name: str) -> tuple[str, ...]:
        value = self.maybe(name, list) or []
        if not all(isinstance(one, str) for one in value):
            raise self.wrong(name, "is to be a list of strings")
        return tuple(value)

    def inner(self, name: str) -> "Reader | None":
        value = self.maybe(name, dict)
        return None if value is None else Reader(value, self.path(name))

    def each(self, name: str) -> "Iterator[Reader]":
        if found := self.maybe(name, list):
            yield from readers(found, self.path(name))

    def peek(self, name: str) -> Any:
        """Of any kind; for fields that have several."""
        self._read.add(name)
        return self.raw.get(name)

    def kind(self, default: str = "") -> str:
        return self.text("type") or default

    def skip(self, *names: str) -> None:
        """Says what other fields or the reader's caller know already."""
        self._read.update(names)

    @property
    def rest(self) -> dict[str, Any]:
        """What was not read, nulls apart."""
        return {k: v for k, v in self.raw.items() if k not in self._read and v is not None}

    def kept(self, provider: str, kind: str = REST) -> tuple[Opaque, ...]:
        """The rest as an artefact, if there is any."""
        rest = self.rest
        return (Opaque(provider, kind, json_text(rest)),) if rest else ()

    def wrong(self, name: str, said: str) -> InvalidRequest:
        return wrong(self.path(name), said)

    def path(self, name: str) -> str:
        return f"{self.where}.{name}" if self.where else name


def wrong(where: str, said: str) -> InvalidRequest:
    return InvalidRequest(f"`{where or 'body'}` {said}", param=where or None)


def readers(value: object, where: str) -> Sequence[Reader]:
    """Of a list of objects."""
    if not isinstance(value, list):
        raise wrong(where, "is to be a list")
    return [Reader(one, f"{where}[{at}]") for at, one in enumerate(value)]
