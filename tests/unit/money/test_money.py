"""Money is a whole number of pico-USD, both ways and without loss."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from models.money import pico, usd, usd_text


@pytest.mark.parametrize(
    ("text", "amount"),
    [
        ("0", 0),
        ("1", 10**12),
        ("0.000000000001", 1),
        ("-2.5", -25 * 10**11),
        ("1e-12", 1),
        ("123456789.01", 12345678901 * 10**10),
    ],
)
def test_usd_to_pico(text: str, amount: int) -> None:
    assert pico(text) == pico(Decimal(text)) == amount


@pytest.mark.parametrize("text", ["0.0000000000001", "1e-13", "0.3333333333333"])
def test_anything_finer_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="whole number"):
        pico(text)


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0"),
        (1, "0.000000000001"),
        (10**12, "1"),
        (15 * 10**11, "1.5"),
        (10**15, "1000"),
        (-1, "-0.000000000001"),
    ],
)
def test_amounts_are_written_as_plain_digits(amount: int, text: str) -> None:
    assert usd_text(amount) == text


@given(st.integers(min_value=-(10**27), max_value=10**27))
def test_there_and_back(amount: int) -> None:
    assert pico(usd(amount)) == pico(usd_text(amount)) == amount


def test_large_sums_keep_every_digit() -> None:
    assert usd_text(10**30 + 1) == "1000000000000000000.000000000001"
    assert pico(usd_text(10**30 + 1)) == 10**30 + 1
