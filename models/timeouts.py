"""How long a request may take, and each part of it."""

from msgspec import Struct


class Timeouts(Struct, frozen=True, kw_only=True):
    connect_s: float = 5.0
    first_byte_s: float = 120.0
    idle_s: float = 120.0
    total_s: float = 600.0
    held_budget_s: float = 2.0
    """How long a request waits for money that calls under way hold."""
