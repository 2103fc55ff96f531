"""`IdempotencyStore` in this process: for tests, and for a gateway that is alone."""

import time
from collections.abc import Callable, Sequence
from typing import Literal

from msgspec import Struct

from models.idempotency.store import KEPT_S, LEASE_S, Claimed, Place, Taken

_MOST_LOST = 7


class _Row(Struct):
    digest: bytes
    state: Literal["in_flight", "done", "failed"]
    request_id: str
    lease_until: float
    expires_at: float
    lost: tuple[str, ...] = ()
    answer: bytes | None = None


class InMemoryIdempotency:
    """`paid` are the requests that the ledger has charged for; `clock` is in seconds."""

    def __init__(
        self, *, lease_s: float = LEASE_S, kept_s: float = KEPT_S, clock: Callable[[], float] = time.monotonic
    ) -> None:
        self.rows: dict[Place, _Row] = {}
        self.paid: set[str] = set()
        self._lease_s = lease_s
        self._kept_s = kept_s
        self._clock = clock

    async def claim(self, place: Place, *, digest: bytes, request_id: str) -> Claimed | Taken:
        now, known = self._clock(), self.rows.get(place)
        lost: tuple[str, ...] = ()
        if known is not None and known.expires_at > now:
            is_own = known.request_id == request_id
            is_over = known.state == "failed" or (
                known.state == "in_flight" and (known.lease_until <= now or is_own)
            )
            if known.digest != digest or not is_over:
                return Taken(known.digest, known.state, known.request_id, known.answer)
            lost = known.lost
            if known.state == "in_flight" and not is_own:
                lost = (*lost[-_MOST_LOST:], known.request_id)
        self.rows[place] = _Row(
            digest, "in_flight", request_id, now + self._lease_s, now + self._kept_s, lost
        )
        return Claimed(lost)

    async def is_under_way(self, place: Place) -> bool:
        row = self.rows.get(place)
        return row is not None and row.state == "in_flight" and row.lease_until > self._clock()

    async def finish(self, place: Place, *, request_id: str, answer: bytes | None) -> bool:
        row = self.rows.get(place)
        if row is None or row.request_id != request_id or row.state == "failed":
            return False
        row.state, row.answer, row.expires_at = "done", answer, self._clock() + self._kept_s
        return True

    async def fail(self, place: Place, *, request_id: str, answered: bool) -> None:
        row = self._of(place, request_id)
        if row is not None:
            row.state, row.lost = "failed", () if answered else row.lost

    async def release(self, place: Place, *, request_id: str) -> bool:
        row = self._of(place, request_id)
        if row is None or row.lost:
            return False
        del self.rows[place]
        return True

    async def renew(self, held: Sequence[tuple[Place, str]]) -> None:
        for place, request_id in held:
            row = self._of(place, request_id)
            if row is not None:
                row.lease_until = self._clock() + self._lease_s

    async def was_paid(self, tenant_id: str, request_ids: Sequence[str]) -> bool:
        del tenant_id
        return not self.paid.isdisjoint(request_ids)

    def _of(self, place: Place, request_id: str) -> _Row | None:
        row = self.rows.get(place)
        return row if row is not None and (row.request_id, row.state) == (request_id, "in_flight") else None
