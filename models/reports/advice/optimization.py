"""One recommendation, and how its figures are written for people."""

from decimal import ROUND_HALF_EVEN, Context, Decimal
from typing import Literal

from msgspec import Struct

from models.money import usd

Kind = Literal["model_downgrade", "prompt_cache", "duplicate_prompts", "service_tier", "unfinished_calls"]
Confidence = Literal["low", "medium", "high"]

LEAST_SAVING_PICO = 10**10
"""A cent: less is not worth reading."""

_CENT = Decimal("0.01")
_TWO_DIGITS = Context(prec=2, rounding=ROUND_HALF_EVEN)


class Line(Struct, frozen=True):
    """A row of the arithmetic, the last of which is what is saved."""

    label: str
    value: str


class CostOptimization(Struct, frozen=True, kw_only=True):
    kind: Kind
    title: str
    summary: str
    arithmetic: tuple[Line, ...]
    savings_pico: int
    """In the period that was looked at."""
    confidence: Confidence
    evidence: str = ""
    """What is known of the quality of the answers that one would get instead."""
    assumptions: tuple[str, ...]
    models: tuple[str, ...] = ()
    """Those that the calls were made with."""
    instead: str = ""
    """The model, service tier or cache that it recommends."""


def dollars(pico: int) -> str:
    """To the cent, or two digits of what is below one: the exact amounts are beside it."""
    amount = usd(abs(pico))
    sign = "-" if pico < 0 else ""
    if 0 < amount < _CENT:
        return f"{sign}${_TWO_DIGITS.plus(amount):f}"
    return f"{sign}${amount.quantize(_CENT, ROUND_HALF_EVEN):,f}"


def percent(part: int, whole: int) -> str:
    """Whole per cents, below one with a digit; never 0 of something, nor 100 of less than all."""
    if not part or not whole:
        return "0 %"
    share = 100 * part / whole
    if share < 1:
        return f"{max(share, 0.1):.1f} %"
    return f"{min(round(share), 99) if part < whole else round(share)} %"


def count(number: int, noun: str) -> str:
    return f"{number:,} {noun}{'' if number == 1 else 's'}"


def saved(pico: int) -> Line:
    return Line("Saved", dollars(pico))
