"""What a run came to, in figures."""

from datetime import datetime
from typing import Literal

from msgspec import Struct, field

from models.reconcile.record import Outcome, Status

State = Literal["done", "failed", "unfinished", "not_configured"]


class ProviderRun(Struct, kw_only=True):
    """Sums are over the buckets that could be compared."""

    provider: str
    state: State
    error: str = ""
    """The code of what kept it from being done."""
    buckets: dict[Status, int] = field(default_factory=dict)
    """How many have which outcome now."""
    recorded: int = 0
    """New versions."""
    duplicates: int = 0
    """Rows that the provider told more than once."""
    ledger_pico: int = 0
    estimated_pico: int = 0
    provider_pico: int = 0
    drift_pico: int = 0
    """The sizes of all drifts added up, whichever way they are."""
    adjusted_pico: int = 0
    """What was moved now."""

    def count(self, outcome: Outcome) -> None:
        self.buckets[outcome.status] = self.buckets.get(outcome.status, 0) + 1
        if outcome.provider_pico is not None:
            self.ledger_pico += outcome.ledger.pico
            self.estimated_pico += outcome.ledger.estimated_pico
            self.provider_pico += outcome.provider_pico
            self.drift_pico += abs(outcome.drift_pico)


class RunReport(Struct, frozen=True, kw_only=True):
    busy: bool = False
    """Another process was at it; nothing was done."""
    at: datetime | None = None
    providers: tuple[ProviderRun, ...] = ()
