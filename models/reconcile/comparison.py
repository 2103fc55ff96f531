"""The arithmetic of a comparison: what of a difference is only a matter of when, and what is drift.

A call that is under way at the edge of a bucket may be dated into either bucket. So along the buckets of a
model one figure is carried: what the ledger has dated before the edge and the provider after it. It is known
to lie between bounds, the cost of the calls at that edge; only what does not fit between them is drift.
Differences of one bucket that the next one evens out are none, and however many calls cross edges the
allowance never adds up.
"""

from typing import NamedTuple

ALARM_PER_MILLE = 1
HAIR = 10**9
"""Amounts that differ by less than one part in so many are the same: some are told in floating point."""


class Range(NamedTuple):
    """From `low` to `high`, both included."""

    low: int
    high: int

    def moved(self, by: int) -> "Range":
        return Range(self.low + by, self.high + by)

    def common(self, other: "Range") -> "Range | None":
        low, high = max(self.low, other.low), min(self.high, other.high)
        return Range(low, high) if low <= high else None


NOTHING = Range(0, 0)


class Comparison(NamedTuple):
    drift_pico: int
    """What the provider billed beyond the ledger; negative where it billed less."""
    carried: Range


def compare(ledger_pico: int, provider_pico: int, *, carried: Range, edge: Range) -> Comparison:
    """One bucket: `carried` at its beginning, `edge` the bounds of what may be carried at its end."""
    left = carried.moved(ledger_pico - provider_pico)
    fitting = left.common(edge)
    if fitting is not None:
        return Comparison(0, fitting)
    if left.low > edge.high:
        return Comparison(edge.high - left.low, Range(edge.high, edge.high))
    return Comparison(edge.low - left.high, Range(edge.low, edge.low))


def is_alarming(drift_pico: int, ledger_pico: int, provider_pico: int) -> bool:
    """At a thousandth of what was billed or more."""
    return drift_pico != 0 and abs(drift_pico) * 1_000 >= max(ledger_pico, provider_pico) * ALARM_PER_MILLE


def is_explained_by_estimates(ledger_pico: int, estimated_pico: int, provider_pico: int) -> bool:
    """Whether estimates may have cost from nothing to twice what they were charged as, and that is all."""
    exact = ledger_pico - estimated_pico
    return estimated_pico > 0 and exact <= provider_pico <= exact + 2 * estimated_pico


def settle_hair(reported_pico: int, expected_pico: int) -> int:
    """The reported amount, or the expected one where the two differ by a rounding."""
    same = abs(reported_pico - expected_pico) <= max(1, abs(expected_pico) // HAIR)
    return expected_pico if same else reported_pico
