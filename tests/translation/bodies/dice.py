"""What bodies are thrown with: words that can be found again, media, tools, private artefacts."""

import base64
import random
import re
from collections.abc import Sequence
from typing import Any, TypeVar

Json = dict[str, Any]
T = TypeVar("T")

TOKEN = re.compile(r"⟨t\d+⟩")
"""Stands once in every text that any model is to read."""
PRIVATE = "PRIV"
"""Begins whatever only its provider may read."""
_OPENERS = (
    "",
    "",
    "",
    "Grüße, ",
    "  ",
    "\n",
    "# Title\n\n",
    '{"a": [1, "',
    "שלום ",
    "👩‍👩‍👧 ",
    "<b>",
    "Error: ",
    "$1,000.50 ",
)
_CLOSERS = (
    "",
    "",
    "",
    " again.",
    "\n\n- a\n- b",
    "}\u200b",
    "  \t",
    "\n",
    " 東京",
    " 'quoted' \"twice\" \\n",
)
_NAMES = ("look", "get_weather", "run-query", "a", "Search_2", "x" * 64, "x" * 63 + "y")
_LONG_NAMES = ("mcp__" + "n" * 100, "mcp__" + "n" * 99 + "m", "z" * 128)
_DOTTED = ("fs.read", "ns:tool", "_private", "a.b-c")
_PNG = "iVBORw0KGgoAAAANSUhEUg"
_SCHEMAS: tuple[Json, ...] = (
    {"type": "object", "properties": {}},
    {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    {
        "type": "object",
        "properties": {
            "n": {"type": "integer", "minimum": 0, "exclusiveMaximum": 9},
            "at": {"$ref": "#/$defs/place"},
            "tags": {"type": "array", "items": {"type": ["string", "null"]}},
            "kind": {"enum": ["a", "b", 3]},
            "when": {"type": "string", "format": "date-time"},
            "one": {"anyOf": [{"const": "x"}, {"type": "null"}]},
        },
        "required": ["at"],
        "additionalProperties": False,
        "$defs": {"place": {"type": "object", "properties": {"lat": {"type": "number"}}}},
    },
    {
        "type": "object",
        "properties": {"tree": {"$ref": "#/$defs/node"}},
        "$defs": {"node": {"type": "object", "properties": {"next": {"$ref": "#/$defs/node"}}}},
    },
)
_STRICT: Json = {
    "type": "object",
    "properties": {
        "city": {"type": ["string", "null"]},
        "at": {"type": "object", "properties": {}, "required": [], "additionalProperties": False},
    },
    "required": ["city", "at"],
    "additionalProperties": False,
}
_VALUES: tuple[Any, ...] = (
    1, -7, 0.1, 1e-9, 12345678901234567890, True, None, "naïve ☃", "", [], {}, [1, {"b": True}], "a\n\"b\"",
)  # fmt: skip


class Dice:
    """A source of choices, whichever: a seed's, or one that can be shrunk."""

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0

    def chance(self, of: float) -> bool:
        return self._rng.randrange(1000) < of * 1000

    def pick(self, options: Sequence[T]) -> T:
        return options[self._rng.randrange(len(options))]

    def number(self, low: int, high: int) -> int:
        return self._rng.randint(low, high)

    def shuffled(self, items: Sequence[T]) -> list[T]:
        out = list(items)
        for at in range(len(out) - 1, 0, -1):
            other = self._rng.randrange(at + 1)
            out[at], out[other] = out[other], out[at]
        return out

    def fraction(self, most: float) -> float:
        return self._rng.randrange(101) / 100 * most

    def text(self) -> str:
        return f"{self.pick(_OPENERS)}{self.token()}{self.pick(_CLOSERS)}"

    def token(self) -> str:
        return f"⟨t{self._next()}⟩"

    def private(self) -> str:
        return f"{PRIVATE}{self._next()}{self.pick(('', '==', '_-+/'))}"

    def id(self, prefix: str = "", *, most: int = 40) -> str:
        return f"{prefix}{self._next()}{self.pick(('', '-', '_x', 'A' * 20))}"[:most]

    def names(self, *, most: int, dotted: bool = False) -> list[str]:
        known = _NAMES + (_LONG_NAMES if most >= 128 else ()) + (_DOTTED if dotted else ())
        return self.shuffled(known)[: self.number(1, 4)]

    def schema(self, *, strict: bool = False) -> Json:
        return _STRICT if strict else self.pick(_SCHEMAS)

    def arguments(self) -> Json:
        keys = self.shuffled(("city", "n", "ünï", "a b", "input"))[: self.number(0, 3)]
        return {key: self.pick(_VALUES) for key in keys}

    def data(self) -> str:
        return base64.b64encode(f"{_PNG}{self._next()}".encode()).decode()

    def text_data(self) -> str:
        return base64.b64encode(self.text().encode()).decode()

    def url(self, ending: str) -> str:
        return f"https://example.org/{self._next()}.{ending}"

    def _next(self) -> int:
        self._count += 1
        return self._count
