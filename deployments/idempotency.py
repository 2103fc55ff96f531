"""Idempotency keys of one replica: kept in PostgreSQL, renewed while their requests are under way."""

from collections.abc import Sequence

from deployments.api.idempotency import AnsweredOnce
from deployments.housekeeping import Job
from models.idempotency import Idempotency, PostgresIdempotency
from models.store import Database

RENEW_EVERY_S = 4.0
SWEEP_EVERY_S = 300.0
CONNECTIONS = 4
ACQUIRE_TIMEOUT_S = 1.0
"""Without the database no request with a key begins: it is refused at once, and not waited for."""


class RunningIdempotency:
    def __init__(self, database_url: str, *, secret: bytes) -> None:
        self._database = Database(
            database_url,
            max_size=CONNECTIONS,
            acquire_timeout_s=ACQUIRE_TIMEOUT_S,
            application_name="polyvox-idempotency",
        )
        self._store = PostgresIdempotency(self._database)
        self._idempotency = Idempotency(self._store, secret=secret)
        self.once = AnsweredOnce(self._idempotency)

    @property
    def jobs(self) -> Sequence[Job]:
        return (
            Job("the renewal of idempotency keys", RENEW_EVERY_S, self._idempotency.run_once),
            Job("the sweep of idempotency keys", SWEEP_EVERY_S, self._store.sweep),
        )

    async def close(self) -> None:
        """Requests whose clients have left are seen out."""
        await self.once.settle()
        await self._database.close()
