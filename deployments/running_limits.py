"""The limits of one replica: read from the database, counted in Redis, and how busy the replica is."""

import os
import socket
from collections.abc import Sequence
from secrets import token_hex

from deployments.housekeeping import Job
from deployments.limits import RedisCounters
from deployments.settings import Environment
from models.limits import Admission, InMemoryCounters, LimitBook, LoopLag, PostgresLimits, SteadyCounters
from models.store import Database

READ_EVERY_S = 2.0
GIVE_BACK_EVERY_S = 0.5
SAY_EVERY_S = 1.0


class RunningLimits:
    """Without Redis the replica takes itself to be the only one."""

    def __init__(self, environment: Environment, database: Database) -> None:
        self.book = LimitBook(PostgresLimits(database))
        self.loop_lag = LoopLag()
        self._counters: RedisCounters | None = None
        self._steady: SteadyCounters | None = None
        replica = f"{socket.gethostname()} {os.getpid()} {token_hex(4)}"
        if environment.redis_url is None:
            self.admission = Admission(self.book, InMemoryCounters().of(replica))
        else:
            shared = RedisCounters(environment.redis_url.get_secret_value(), replica=replica)
            self._counters = shared
            self._steady = SteadyCounters(shared, replicas=lambda: shared.replicas, reach=shared.reach)
            self.admission = Admission(self.book, self._steady)

    @property
    def jobs(self) -> Sequence[Job]:
        own = [
            Job("the limits", READ_EVERY_S, self.book.run_once),
            Job("what limits have left", GIVE_BACK_EVERY_S, self.admission.run_once),
        ]
        if self._counters is not None:
            own.append(Job("that this replica counts", SAY_EVERY_S, self._counters.run_once))
        return own

    async def close(self) -> None:
        self.loop_lag.stop()
        await self.admission.run_once()
        if self._steady is not None:
            await self._steady.close()
        if self._counters is not None:
            await self._counters.close()
