"""What came of comparing a bucket."""

from datetime import datetime
from typing import Literal

from msgspec import Struct

from models.reconcile.comparison import Range
from models.reconcile.report import Tokens

Status = Literal["matched", "adjusted", "drift", "waiting"]
"""Adjusted: a difference below the alarm. Drift: one at or above it, adjusted too."""

PLATFORM = "00000000-0000-0000-0000-000000000000"
"""Adjustments are between the platform and its providers: they are no tenant's."""


class LedgerSide(Struct, frozen=True):
    """What the ledger has of a model and bucket, at list prices."""

    pico: int = 0
    estimated_pico: int = 0
    tokens: Tokens = Tokens()

    def __add__(self, other: "LedgerSide") -> "LedgerSide":
        return LedgerSide(
            self.pico + other.pico,
            self.estimated_pico + other.estimated_pico,
            self.tokens + other.tokens,
        )


class Outcome(Struct, frozen=True, kw_only=True):
    """A version of what is known of a model and bucket."""

    provider: str
    model_id: str
    start: datetime
    end: datetime
    status: Status
    reason: str = ""
    ledger: LedgerSide
    provider_pico: int | None = None
    """None while it waits."""
    provider_tokens: Tokens | None = None
    drift_pico: int = 0
    carried: Range | None = None
    """At the bucket's end; None where it is not known."""

    @property
    def drift_without_estimates_pico(self) -> int | None:
        """What the provider billed beyond the rows that are no estimates: the cost of the estimated calls."""
        if self.provider_pico is None:
            return None
        return self.provider_pico - (self.ledger.pico - self.ledger.estimated_pico)


class Recorded(Struct, frozen=True, kw_only=True):
    """A version as it was kept."""

    id: int
    version: int
    outcome: Outcome
    adjustment_pico: int
    """What this version moved."""
    moved_pico: int
    """What this and the versions before it moved."""
    at: datetime

    @property
    def op_key(self) -> str | None:
        """The adjusting transfer's, if there is one."""
        return op_key(self.outcome, self.version) if self.adjustment_pico else None


def op_key(outcome: Outcome, version: int) -> str:
    """What an adjustment is called: one for each provider, model, bucket and version."""
    bucket = f"{outcome.start.isoformat()}/{outcome.end.isoformat()}"
    return f"reconcile/{outcome.provider}/{outcome.model_id}/{bucket}/{version}"
