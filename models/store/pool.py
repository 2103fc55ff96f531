"""A bounded pool of connections that opens itself on first use.

Connections are in autocommit: one statement is one transaction and one round trip.
"""

import asyncio
import contextvars
import time
from collections.abc import Awaitable, Callable
from contextlib import suppress
from typing import TypeVar

from psycopg import AsyncConnection, InterfaceError, OperationalError
from psycopg.errors import QueryCanceled
from psycopg_pool import AsyncConnectionPool

from models.errors import Overloaded

T = TypeVar("T")

AWAY = "The database is not available."
GRACE_S = 1.0
"""The server ends a slow statement itself; one that no longer does is given up after this much more."""
PATIENCE_S = 5.0
"""A restart takes less: who comes meanwhile waits. When it is away for longer, whoever comes is refused at
once, and it is asked beside that whether it is back."""
RETRY_AFTER_S = 1.0
_RECONNECT_EVERY_S = 0.25


def server_options(statement_timeout_s: float) -> str:
    """What every connection of ours asks of the server."""
    timeout_ms = round(statement_timeout_s * 1000)
    return f"-c statement_timeout={timeout_ms} -c synchronous_commit=on -c timezone=UTC"


class Database:
    """PostgreSQL at `url`. Whatever keeps it from answering in time is raised as Overloaded."""

    def __init__(
        self,
        url: str,
        *,
        max_size: int = 8,
        max_waiting: int = 1_000,
        acquire_timeout_s: float = 1.0,
        statement_timeout_s: float = 5.0,
        patience_s: float = PATIENCE_S,
        application_name: str = "polyvox",
    ) -> None:
        self._pool = AsyncConnectionPool(
            url,
            min_size=0,
            max_size=max_size,
            max_waiting=max_waiting,
            timeout=acquire_timeout_s,
            reconnect_timeout=_RECONNECT_EVERY_S,
            reconnect_failed=_try_again,
            open=False,
            name=application_name,
            kwargs={
                "autocommit": True,
                "application_name": application_name,
                "connect_timeout": 2,
                "options": server_options(statement_timeout_s),
            },
        )
        self._deadline_s = statement_timeout_s + GRACE_S
        self._patience_s = patience_s
        self._away_since: float | None = None
        self._last_missed = 0.0
        self._probe: asyncio.Task[None] | None = None

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """`operation` on a connection of the pool. A cancellation is never lost on the way: below Python 3.12
        the pool's waits swallow one that comes as they end.

        It runs a second time if the server had closed the connection (which is noticed on use), so it must be
        idempotent.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        result = await self._if_it_is_there(operation)
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
        return result

    async def _if_it_is_there(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        if not self._is_away_for_long():
            return await self._run(operation)
        if self._probe is None or self._probe.done():
            if time.monotonic() - self._last_missed > RETRY_AFTER_S:
                return await self._run(operation)  # nobody else has asked lately
            self._probe = asyncio.get_running_loop().create_task(
                self._find_out(), context=contextvars.Context()
            )
        raise Overloaded(AWAY, retry_after_s=RETRY_AFTER_S, sent=False)

    async def _find_out(self) -> None:
        with suppress(Overloaded):
            await self._run(_ping)

    def _is_away_for_long(self) -> bool:
        if self._away_since is None:
            return False
        now = time.monotonic()
        if now - self._last_missed > self._patience_s + self._deadline_s:
            self._away_since = None  # nobody has asked since: who knows
            return False
        return now - self._away_since >= self._patience_s

    async def _run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        began = time.monotonic()
        try:
            await self._pool.open()
            for retry in (True, False):
                async with self._pool.connection() as connection:
                    try:
                        async with asyncio.timeout(self._deadline_s):
                            result = await operation(connection)
                            self._away_since = None
                            return result
                    except (OperationalError, InterfaceError):
                        if not (retry and connection.closed):
                            raise
                    except TimeoutError:
                        await connection.close()
                        raise
                await self._pool.check()
        except QueryCanceled as error:  # it is there, and slow
            raise Overloaded(AWAY) from error
        except (OperationalError, InterfaceError, TimeoutError) as error:
            self._last_missed = time.monotonic()
            self._away_since = self._away_since or began
            raise Overloaded(AWAY, retry_after_s=RETRY_AFTER_S) from error
        raise AssertionError("the second attempt returns or raises")

    async def close(self) -> None:
        """Lets go of every connection; the object cannot be used again."""
        if self._probe is not None:
            self._probe.cancel()
        await self._pool.close()


async def _ping(connection: AsyncConnection) -> None:
    await connection.execute("SELECT 1")


async def _try_again(pool: AsyncConnectionPool) -> None:
    """The pool's own pauses grow beyond what a request waits: while somebody waits, they start anew."""
    if pool.get_stats().get("requests_waiting"):
        await pool.check()
