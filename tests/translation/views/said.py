"""What a conversation holds, whatever its format: texts, calls, results, media, in order."""

import base64
import json
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.translation.bodies.dice import TOKEN

Json = dict[str, Any]


class Said(NamedTuple):
    """A text that models read."""

    role: str
    text: str


class Shown(NamedTuple):
    role: str
    media_type: str
    payload: str


class Call(NamedTuple):
    key: object
    name: str
    arguments: object


class Result(NamedTuple):
    key: object
    """The id, or the place in the row of calls of that name where there is none."""
    inner: tuple["Said | Shown", ...]
    is_error: bool


Event = Said | Shown | Call | Result


def data_url(url: str, role: str) -> Shown:
    if not url.startswith("data:"):
        return Shown(role, "", url)
    media_type, _, data = url.removeprefix("data:").partition(";base64,")
    return Shown(role, media_type, data)


def shown_or_said(media_type: str, data: str, role: str) -> Said | Shown:
    """Plain text is text, however it was carried."""
    if media_type.startswith("text/"):
        return Said(role, base64.b64decode(data).decode())
    return Shown(role, media_type, data)


def arguments(text: str) -> object:
    if not text.strip():
        return {}
    try:
        value = json.loads(text)
    except ValueError:
        return ("invalid", text)
    return {} if value is None else value


class View:
    """Events by kind, results beside their calls."""

    def __init__(self, events: Iterator[Event]) -> None:
        self.events = list(events)
        results = [event for event in self.events if isinstance(event, Result)]
        self.calls: list[tuple[Call, Result | None]] = []
        for call in (event for event in self.events if isinstance(event, Call)):
            found = next((result for result in results if result.key == call.key), None)
            self.calls.append((call, found))
        self.loose = len(results) - sum(result is not None for _, result in self.calls)

    @property
    def said(self) -> list[Said]:
        return [event for event in self.events if isinstance(event, Said)]

    @property
    def shown(self) -> list[Shown]:
        return [event for event in self.events if isinstance(event, Shown)]

    def tokens(self) -> list[tuple[str, str, str]]:
        """Of each text that can be found again: its token, who said it, and all of it."""
        return [(token, said.role, said.text) for said in self.said for token in TOKEN.findall(said.text)]
