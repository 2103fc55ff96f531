"""What a call costs, what is held for it, and the record of it."""

from models.ledger.discounts import discounted
from models.ledger.holds import Ask, Grant
from models.ledger.pricing import Cost, ceiling, cost, reckon, saved_by_caches, settled
from models.ledger.store import LedgerStore, PostgresLedgerStore
from models.ledger.usage import UsageRecord, op_key

__all__ = [
    "Ask",
    "Cost",
    "Grant",
    "LedgerStore",
    "PostgresLedgerStore",
    "UsageRecord",
    "ceiling",
    "cost",
    "discounted",
    "op_key",
    "reckon",
    "saved_by_caches",
    "settled",
]
