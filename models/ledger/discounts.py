"""Volume discounts: who has spent enough pays less.

A discount is rounded down to a whole pico-USD: the only rounding of money there is.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from models.money import Pico

BASIS_POINTS = 10_000
"""A whole, in basis points."""


@dataclass(frozen=True, slots=True, order=True)
class VolumeTier:
    """From this spending on, so many basis points (1/10,000) off."""

    from_pico: int
    basis_points: int

    def __post_init__(self) -> None:
        if self.from_pico < 0 or not 0 <= self.basis_points <= BASIS_POINTS:
            raise ValueError(f"not a volume tier: {self}")


def tier_for(volume_pico: int, tiers: Iterable[VolumeTier]) -> VolumeTier | None:
    """The tier that spending of `volume_pico` has reached; None below all of them.

    A call is discounted by what was spent before it, as a whole: none is split between tiers.
    """
    return max((tier for tier in tiers if tier.from_pico <= volume_pico), default=None)


def discounted(base_pico: int, basis_points: int) -> tuple[Pico, Pico]:
    """What is left to pay, and the discount: together they are the base."""
    discount = base_pico * basis_points // BASIS_POINTS
    return Pico(base_pico - discount), Pico(discount)
