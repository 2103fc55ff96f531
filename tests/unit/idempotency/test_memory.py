"""The store in memory does what every store of idempotency keys does."""

import pytest

from models.idempotency import InMemoryIdempotency
from tests.unit.idempotency.specification import Kept, Specification


class InMemory(Kept):
    def __init__(self) -> None:
        self.now = 0.0
        self.store = self.memory = InMemoryIdempotency(lease_s=10, kept_s=1_000, clock=lambda: self.now)

    async def end_leases(self) -> None:
        self.now += 11

    async def end_the_day(self) -> None:
        self.now += 1_001

    async def pay(self, request_id: str) -> None:
        self.memory.paid.add(request_id)


class TestInMemory(Specification):
    @pytest.fixture
    def kept(self) -> Kept:
        return InMemory()
