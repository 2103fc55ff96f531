"""What a call costs, and the record of it."""

from models.ledger.pricing import Cost, ceiling, cost, settled
from models.ledger.usage import InMemoryUsageStore, PostgresUsageStore, UsageRecord, UsageStore

__all__ = [
    "Cost",
    "InMemoryUsageStore",
    "PostgresUsageStore",
    "UsageRecord",
    "UsageStore",
    "ceiling",
    "cost",
    "settled",
]
