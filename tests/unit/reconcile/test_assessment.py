"""One bucket's two sides, and what they come to."""

from datetime import UTC, datetime, timedelta

import pytest

from models.catalog import load_catalog
from models.errors import UnknownPrice
from models.reconcile.assessment import Bucket, assess
from models.reconcile.comparison import NOTHING
from models.reconcile.names import Names
from models.reconcile.prices import CataloguePrices
from models.reconcile.record import LedgerSide
from models.reconcile.report import Billed, Tokens

CATALOG = load_catalog()
PRICES = CataloguePrices(CATALOG)
MODEL = "gpt-6.1-sol"
DAY = datetime(2026, 11, 20, tzinfo=UTC)
RATE = CATALOG.models[MODEL].prices[-1].rates[0]
TOKENS = Tokens(1_000, 100, 10, 0, 500)
WORTH = 1_000 * RATE.input + 100 * RATE.cache_read + 10 * RATE.cache_write_5m + 500 * RATE.output


def bucket(model_id: str = MODEL, *, overdue: bool = False) -> Bucket:
    return Bucket(
        provider="openai",
        model_id=model_id,
        start=DAY,
        end=DAY + timedelta(days=1),
        carried=NOTHING,
        edge=NOTHING,
        overdue=overdue,
    )


CASES = {
    "tokens agree": (LedgerSide(WORTH, 0, TOKENS), Billed(TOKENS), ("matched", WORTH, 0)),
    "tokens agree, at twice the price": (
        LedgerSide(2 * WORTH, 0, TOKENS),
        Billed(TOKENS),
        ("matched", 2 * WORTH, 0),
    ),
    "twice the tokens": (LedgerSide(WORTH, 0, TOKENS), Billed(TOKENS + TOKENS), ("drift", 2 * WORTH, WORTH)),
    "twice the tokens, at twice the price": (
        LedgerSide(2 * WORTH, 0, TOKENS),
        Billed(TOKENS + TOKENS),
        ("drift", 4 * WORTH, 2 * WORTH),
    ),
    "one token more": (
        LedgerSide(WORTH, 0, TOKENS),
        Billed(TOKENS + Tokens(cache_read=1)),
        ("adjusted", WORTH + RATE.cache_read, RATE.cache_read),
    ),
    "only the provider": (LedgerSide(), Billed(TOKENS), ("drift", WORTH, WORTH)),
    "no tokens": (LedgerSide(WORTH, 0, TOKENS), Billed(), ("drift", 0, -WORTH)),
    "the cost agrees": (LedgerSide(WORTH, 0, TOKENS), Billed(TOKENS, WORTH), ("matched", WORTH, 0)),
    "another cost for the same tokens": (
        LedgerSide(WORTH, 0, TOKENS),
        Billed(TOKENS, 2 * WORTH),
        ("drift", 2 * WORTH, WORTH),
    ),
    "a cost without tokens": (LedgerSide(), Billed(cost_pico=7), ("drift", 7, 7)),
}


@pytest.mark.parametrize("case", CASES)
def test_m10_sides_are_compared_in_money(case: str) -> None:
    ledger, billed, expected = CASES[case]
    outcome = assess(bucket(), ledger, billed, told=True, prices=PRICES)
    assert (outcome.status, outcome.provider_pico, outcome.drift_pico) == expected


@pytest.mark.parametrize(
    ("model_id", "billed", "told", "overdue", "expected"),
    [
        (MODEL, Billed(TOKENS), False, False, ("waiting", "not_reported")),
        (MODEL, Billed(TOKENS), False, True, ("waiting", "overdue:not_reported")),
        (MODEL, None, True, False, ("waiting", "no_row")),
        (MODEL, None, True, True, ("drift", "")),
        ("unheard-of", Billed(TOKENS), True, False, ("matched", "")),
        ("unheard-of", Billed(TOKENS + TOKENS), True, False, ("waiting", "no_price")),
        ("unheard-of", Billed(TOKENS + TOKENS), True, True, ("waiting", "overdue:no_price")),
        ("unheard-of", Billed(TOKENS + TOKENS, 9), True, False, ("drift", "")),
    ],
)
def test_m10_what_cannot_be_said_yet_waits(
    model_id: str, billed: Billed | None, told: bool, overdue: bool, expected: tuple[str, str]
) -> None:
    ledger = LedgerSide(WORTH, 0, TOKENS)
    outcome = assess(bucket(model_id, overdue=overdue), ledger, billed, told=told, prices=PRICES)
    assert (outcome.status, outcome.reason) == expected


@pytest.mark.parametrize(
    ("name", "model_id"),
    [
        ("gpt-6.1-sol", "gpt-6.1-sol"),
        ("gpt-6.1-sol-2026-09-30", "gpt-6.1-sol"),
        ("gpt-6.1-sol-20260930", "gpt-6.1-sol"),
        ("models/gpt-6.1-sol", "gpt-6.1-sol"),
        ("gpt-6.1-sol-mini", "gpt-6.1-sol-mini"),
        ("claude-sonnet-5-5", "claude-sonnet-5-5"),
        ("", ""),
    ],
)
def test_m10_names_of_snapshots_lead_to_the_model(name: str, model_id: str) -> None:
    assert Names(CATALOG, "openai").id_of(name) == model_id


def test_m10_tokens_have_no_worth_before_the_first_price() -> None:
    early = datetime(2020, 1, 1, tzinfo=UTC)
    with pytest.raises(UnknownPrice):
        CATALOG.price_at(CATALOG.models[MODEL], early)
    assert PRICES.worth(MODEL, TOKENS, early) is None
    assert PRICES.worth(MODEL, Tokens(), early) == 0
    assert PRICES.worth(MODEL, Tokens() - TOKENS, DAY) == -WORTH
