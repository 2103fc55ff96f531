"""A bounded pool of connections that opens itself on first use.

Connections are in autocommit: one statement is one transaction and one round trip.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg import AsyncConnection, InterfaceError, OperationalError
from psycopg_pool import AsyncConnectionPool

from models.errors import Overloaded

T = TypeVar("T")

AWAY = "The database is not available."
GRACE_S = 1.0
"""The server ends a slow statement itself; one that no longer does is given up after this much more."""
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

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """`operation` on a connection of the pool. A cancellation is never lost on the way: below Python 3.12
        the pool's waits swallow one that comes as they end.

        It runs a second time if the server had closed the connection (which is noticed on use), so it must be
        idempotent.
        """
        task = asyncio.current_task()
        before = task.cancelling() if task is not None else 0
        result = await self._run(operation)
        if task is not None and task.cancelling() > before:
            raise asyncio.CancelledError
        return result

    async def _run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        try:
            await self._pool.open()
            for retry in (True, False):
                async with self._pool.connection() as connection:
                    try:
                        async with asyncio.timeout(self._deadline_s):
                            return await operation(connection)
                    except (OperationalError, InterfaceError):
                        if not (retry and connection.closed):
                            raise
                    except TimeoutError:
                        await connection.close()
                        raise
                await self._pool.check()
        except (OperationalError, InterfaceError, TimeoutError) as error:
            raise Overloaded(AWAY) from error
        raise AssertionError("the second attempt returns or raises")

    async def close(self) -> None:
        """Lets go of every connection; the object cannot be used again."""
        await self._pool.close()


async def _try_again(pool: AsyncConnectionPool) -> None:
    """The pool's own pauses grow beyond what a request waits: while somebody waits, they start anew."""
    if pool.get_stats().get("requests_waiting"):
        await pool.check()
