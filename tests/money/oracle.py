"""What a call costs, reckoned anew in fractions of a dollar from the text of the price rows.

Shares nothing with what it checks: rows are read as text; defaults, sizes and tiers are chosen by code of its
own; and a call is priced from what truly happened, not from what anybody made of the provider's counts.
"""

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import date
from fractions import Fraction
from math import floor
from pathlib import Path
from typing import Any

BUNDLED = Path(__file__).parents[2] / "models/catalog/catalog.toml"
MADE_UP = Path(__file__).with_name("made_up.toml")

_SPECIAL_CASE_OF = {
    "cache_read": "input",
    "cache_write_5m": "input",
    "cache_write_1h": "cache_write_5m",
    "audio_input": "input",
    "image_input": "input",
    "reasoning": "output",
    "audio_output": "output",
    "image_output": "output",
}
_PAID_AS = {
    "text": "input",
    "audio": "audio_input",
    "image": "image_input",
    "cached_text": "cache_read",
    "cached_audio": "cache_read_audio",
    "cached_image": "cache_read",
    "stored_5m": "cache_write_5m",
    "stored_1h": "cache_write_1h",
    "words": "output",
    "thoughts": "reasoning",
    "speech": "audio_output",
    "drawing": "image_output",
}


@dataclass(frozen=True, kw_only=True)
class Call:
    """What happened: tokens by what they were, each counted once."""

    text: int = 0
    audio: int = 0
    image: int = 0
    cached_text: int = 0
    cached_audio: int = 0
    cached_image: int = 0
    stored_5m: int = 0
    stored_1h: int = 0
    words: int = 0
    thoughts: int = 0
    speech: int = 0
    drawing: int = 0
    searches: int = 0
    fetches: int = 0
    maps: int = 0
    tier: str = "standard"
    batch: bool = False

    @property
    def cached(self) -> int:
        return self.cached_text + self.cached_audio + self.cached_image

    @property
    def whole_input(self) -> int:
        return self.text + self.audio + self.image + self.cached + self.stored_5m + self.stored_1h

    @property
    def whole_output(self) -> int:
        return self.words + self.thoughts + self.speech + self.drawing


TOKENS = tuple(field.name for field in fields(Call) if field.name in _PAID_AS)


class Oracle:
    """The models of the given files that hosts answer for. No row may change an earlier one."""

    def __init__(self, *paths: Path) -> None:
        documents = [tomllib.loads(path.read_text("utf-8")) for path in paths]
        hosts = {host["id"]: host for document in documents for host in document.get("hosts", [])}
        self.protocols: dict[str, str] = {}
        """Of each model."""
        self._prices: dict[str, list[tuple[date, _Price]]] = {}
        for model in (model for document in documents for model in document["models"]):
            assert model["id"] not in self._prices
            host = hosts[model["host"]]
            if host.get("enabled", True):
                self.protocols[model["id"]] = host["protocol"]
                self._prices[model["id"]] = [(price["from"], _Price(price)) for price in model["prices"]]

    def days(self, model: str) -> list[date]:
        """When the model's prices change."""
        return [start for start, _ in self._prices[model]]

    def dollars(self, model: str, day: date, call: Call) -> Fraction | None:
        """None where there is no price for it."""
        in_force = [price for start, price in self._prices[model] if start <= day]
        return in_force[-1].dollars(call) if in_force else None


class _Price:
    def __init__(self, row: Mapping[str, Any]) -> None:
        self._by_service: dict[str, dict[int, dict[str, Fraction]]] = {}
        for rates in row["rates"]:
            by_size = self._by_service.setdefault(rates.get("service", "standard"), {})
            by_size[rates.get("above", 0)] = _per_token(rates)
        self._tools = {
            tool["tool"]: (Fraction(tool["usd_per_1000"]) / 1000, tool.get("per") == "call")
            for tool in row.get("tools", [])
        }

    def dollars(self, call: Call) -> Fraction | None:
        sizes = sorted(self._by_service["standard"], reverse=True)
        size = next(size for size in sizes if call.whole_input > size or size == 0)
        rates = self._by_service.get("batch" if call.batch else call.tier, {}).get(size)
        if rates is None:
            return None
        total = Fraction(0)
        for what, kind in _PAID_AS.items():
            if tokens := getattr(call, what):
                total += tokens * rates[kind]
        for tool, uses in (("web_search", call.searches), ("web_fetch", call.fetches), ("maps", call.maps)):
            if uses:
                if tool not in self._tools:
                    return None
                each, once = self._tools[tool]
                total += each if once else uses * each
        return total


def _per_token(row: Mapping[str, Any]) -> dict[str, Fraction]:
    def rate(kind: str) -> Fraction:
        if kind in row:
            return Fraction(row[kind]) / 10**6
        if kind == "cache_read_audio":
            return rate("audio_input" if "audio_input" in row else "cache_read")
        return rate(_SPECIAL_CASE_OF[kind])

    return {kind: rate(kind) for kind in _PAID_AS.values()}


def after_discount(dollars: Fraction, basis_points: int) -> Fraction:
    """A discount is a whole number of pico-USD, rounded down."""
    discount = floor(dollars * 10**12 * Fraction(basis_points, 10_000))
    return dollars - Fraction(discount, 10**12)
