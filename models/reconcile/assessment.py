"""What a bucket's two sides come to: matched, adjusted, drift, or not to be said yet."""

from datetime import datetime
from fractions import Fraction

from msgspec import Struct

from models.reconcile.comparison import Range, compare, is_alarming, settle_hair
from models.reconcile.prices import Prices
from models.reconcile.record import LedgerSide, Outcome, Status
from models.reconcile.report import Billed, Tokens

NOT_REPORTED = "not_reported"
"""The report does not tell of the bucket."""
NO_ROW = "no_row"
"""It tells of the bucket, and has nothing of a model that the ledger has calls of."""
NO_PRICE = "no_price"
"""It tells tokens, no cost, and the catalogue has no price for them."""
OVERDUE = "overdue:"
"""Before the reason, once nothing more is to be expected."""


class Bucket(Struct, frozen=True, kw_only=True):
    """What is compared, and how it lies in time."""

    provider: str
    model_id: str
    start: datetime
    end: datetime
    carried: Range
    """At its beginning."""
    edge: Range
    """The bounds at its end."""
    overdue: bool
    """Rows that have not come by now are not to be expected any more."""


def assess(
    bucket: Bucket, ledger: LedgerSide, billed: Billed | None, *, told: bool, prices: Prices
) -> Outcome:
    """`billed` None: no row. `told`: the report tells of the bucket."""
    if not told:
        return wait(bucket, ledger, NOT_REPORTED)
    provider_pico = _provider_pico(bucket, ledger, billed, prices)
    if provider_pico is None:
        return wait(bucket, ledger, NO_PRICE)
    compared = compare(ledger.pico, provider_pico, carried=bucket.carried, edge=bucket.edge)
    drift = compared.drift_pico
    if drift and billed is None and not bucket.overdue:
        return wait(bucket, ledger, NO_ROW)
    if drift and billed and billed.cost_pico is None:
        drift = _as_dear_as_the_ledger(drift, bucket, ledger, prices)
        provider_pico += drift - compared.drift_pico
    return Outcome(
        provider=bucket.provider,
        model_id=bucket.model_id,
        start=bucket.start,
        end=bucket.end,
        status=_status(drift, ledger.pico, provider_pico),
        ledger=ledger,
        provider_pico=provider_pico,
        provider_tokens=billed.tokens if billed else Tokens(),
        drift_pico=drift,
        carried=compared.carried,
    )


def wait(bucket: Bucket, ledger: LedgerSide, reason: str) -> Outcome:
    return Outcome(
        provider=bucket.provider,
        model_id=bucket.model_id,
        start=bucket.start,
        end=bucket.end,
        status="waiting",
        reason=OVERDUE + reason if bucket.overdue else reason,
        ledger=ledger,
    )


def _provider_pico(bucket: Bucket, ledger: LedgerSide, billed: Billed | None, prices: Prices) -> int | None:
    """What it says it billed. Where it only tells tokens: the ledger's cost, and the worth of the difference.

    So calls of whatever service tier or size cost the same on both sides as long as their tokens agree.
    """
    if billed is None:
        return 0
    difference = prices.worth(bucket.model_id, billed.tokens - ledger.tokens, bucket.start)
    expected = None if difference is None else max(0, ledger.pico + difference)
    if billed.cost_pico is None:
        return expected if billed.tokens else 0
    return billed.cost_pico if expected is None else settle_hair(billed.cost_pico, expected)


def _as_dear_as_the_ledger(drift_pico: int, bucket: Bucket, ledger: LedgerSide, prices: Prices) -> int:
    """Tokens are valued at standard rates; where the ledger's own cost more or less, so did the drift."""
    standard = prices.worth(bucket.model_id, ledger.tokens, bucket.start)
    return round(Fraction(drift_pico * ledger.pico, standard)) if standard and ledger.pico else drift_pico


def _status(drift_pico: int, ledger_pico: int, provider_pico: int) -> Status:
    if drift_pico == 0:
        return "matched"
    return "drift" if is_alarming(drift_pico, ledger_pico, provider_pico) else "adjusted"
