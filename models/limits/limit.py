"""A limit: how much of something its owner may have per minute, or at once."""

from collections.abc import Iterable, Mapping, Sequence
from typing import Literal, NamedTuple

from msgspec import Struct

Scope = Literal["everyone", "tenant", "team", "user", "key"]
Measure = Literal["requests", "tokens", "input_tokens", "output_tokens", "spend", "concurrent"]

MINUTE_US = 60_000_000


class Limit(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str | None
    """Whose administrators have set it; None: those who run the installation."""
    scope: Scope
    owner: str | None = None
    """The id of what `scope` names. None: each that there is has as much, apart; `everyone` is one."""
    model: str | None = None
    """It counts calls of this model alone."""
    provider: str | None = None
    """It counts calls of this host's models alone."""
    measure: Measure
    amount: int
    """Per minute; of `concurrent`, at once. Spend is in pico-USD."""
    burst: int
    """As much may be had at once after a pause."""

    @property
    def interval_us(self) -> float:
        """What one unit takes to come back."""
        return MINUTE_US / self.amount

    def said(self) -> str:
        whose = "the installation" if self.scope == "everyone" else f"the {self.scope}"
        of = self.model or self.provider
        per = "at once" if self.measure == "concurrent" else "per minute"
        if self.measure == "spend":
            return f"{whose}'s limit of spend{f' on {of}' if of else ''} {per}"
        what = "requests" if self.measure == "concurrent" else self.measure.replace("_", " ")
        return f"{whose}'s limit of {self.amount} {what}{f' to {of}' if of else ''} {per}"


class Who(NamedTuple):
    """Whose limits a request counts against."""

    tenant_id: str
    team_id: str | None = None
    user_id: str | None = None
    key_id: str | None = None

    def owner(self, scope: Scope) -> str | None:
        match scope:
            case "tenant":
                return self.tenant_id
            case "team":
                return self.team_id
            case "user":
                return self.user_id
            case "key":
                return self.key_id
            case "everyone":
                return ""


class Claim(Struct, frozen=True, kw_only=True):
    """What a request is about to use, as far as that is known.

    At the door, before anything is done for it, count `requests` and `concurrent` of limits that name no
    model; with `model` and `provider` named it is a call of theirs, and every other limit counts.
    """

    who: Who
    model: str = ""
    provider: str = ""
    input_tokens: int = 0
    output_tokens: int = 0
    """As long as such answers usually are: what is wrong with it is put right by `Admitted.settle`."""
    spend_pico: int = 0

    def amounts(self) -> Mapping[Measure, int]:
        return {
            "requests": 1,
            "concurrent": 1,
            "tokens": self.input_tokens + self.output_tokens,
            "input_tokens": self.input_tokens,
            "output_tokens": self.output_tokens,
            "spend": self.spend_pico,
        }


class Rate(NamedTuple):
    """How one measure stands, as clients are told."""

    measure: Measure
    limit: int
    remaining: int
    reset_s: float
    """Until all of it is there again."""


def tightest(rates: Iterable[Rate]) -> Sequence[Rate]:
    """Of each measure the one with the least room."""
    found: dict[Measure, Rate] = {}
    for rate in rates:
        known = found.get(rate.measure)
        if known is None or rate.remaining * known.limit < known.remaining * rate.limit:
            found[rate.measure] = rate
    return list(found.values())
