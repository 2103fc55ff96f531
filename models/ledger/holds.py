"""What is asked of the ledger before a provider is called, and what it answers."""

from datetime import datetime

from msgspec import Struct

from models.errors import BudgetExceeded, BudgetHeld, PaymentRequired
from models.ledger.usage import UsageRecord
from models.money import usd_text

RETRY_HELD_S = 2.0


class Ask(Struct, frozen=True, kw_only=True):
    """A reservation for one call. It is granted from `least_pico` to `most_pico`.

    `usual_pico` is what such calls rarely cost more than: while little money is left, no more is held.
    """

    op_key: str
    tenant_id: str
    team_id: str | None = None
    user_id: str | None = None
    key_id: str | None = None
    conversation_id: str | None = None
    least_pico: int
    usual_pico: int
    most_pico: int
    wait_s: float = 0.0
    """How long it may wait where only calls under way stand against it."""
    record: UsageRecord
    """What is charged if nobody ever tells how the call ended."""


class Blocked(Struct, frozen=True, kw_only=True):
    """The budget that stands against a reservation."""

    budget_id: str
    scope: str
    period: str
    limit_pico: int
    left_pico: int
    """Neither spent nor held; negative once a limit was lowered below what is spent."""
    window_start: datetime


class Grant(Struct, frozen=True, kw_only=True):
    """`granted_pico` is None where nothing could be held; then `blocked` says why."""

    op_key: str
    granted_pico: int | None = None
    in_flight: bool = False
    """Only calls under way stand against it: when they end there may be room."""
    blocked: Blocked | None = None

    def refusal(self) -> PaymentRequired:
        if self.blocked is None:
            return BudgetExceeded("this call has been paid for already", sent=False)
        of = self.blocked
        left = max(0, of.left_pico)
        said = f"the {of.scope}'s budget ({_PERIODS[of.period]}) of {usd_text(of.limit_pico)} USD"
        if self.in_flight:
            return BudgetHeld(
                f"{said} is held by calls under way: {usd_text(left)} USD are free",
                retry_after_s=RETRY_HELD_S,
                sent=False,
            )
        return BudgetExceeded(
            f"{said} has {usd_text(left)} USD left, less than this call may cost", sent=False
        )


_PERIODS = {
    "day": "per day",
    "week": "per week",
    "month": "per month",
    "rolling": "rolling",
    "total": "in all",
}
