"""Money is an integer of pico-USD (10⁻¹² USD): USD per million tokens × tokens is then exact."""

from decimal import Context, Decimal
from typing import NewType

Pico = NewType("Pico", int)

PICO_PER_USD = 10**12

_EXACT = Context(prec=100)
"""The default one rounds to 28 digits."""


def pico(usd: Decimal | str) -> Pico:
    """USD to pico-USD. Raises ValueError for anything finer than a pico-USD."""
    amount = _EXACT.multiply(Decimal(usd), Decimal(PICO_PER_USD))
    if amount != amount.to_integral_value():
        raise ValueError(f"{usd} USD is not a whole number of pico-USD")
    return Pico(int(amount))


def usd(amount: int) -> Decimal:
    """Pico-USD to USD, exactly."""
    return Decimal(amount).scaleb(-12, context=_EXACT)


def usd_text(amount: int) -> str:
    """Pico-USD as plain decimal digits, such as `0.000123`, without trailing zeros."""
    text = f"{usd(amount):f}"
    return text.rstrip("0").rstrip(".") if "." in text else text
