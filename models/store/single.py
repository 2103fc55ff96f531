"""One connection that is kept: half of what a pool's costs each time, for who asks all day."""

import asyncio
from collections.abc import Awaitable, Callable
from typing import TypeVar

from psycopg import AsyncConnection, InterfaceError, OperationalError

from models.errors import Overloaded
from models.store.pool import AWAY, GRACE_S, server_options

T = TypeVar("T")

CONNECT_S = 2


class SingleConnection:
    """As `Database`, with one connection: who comes while it is in use waits.

    `planner` are options of the server's planner for what runs on it.
    """

    def __init__(
        self,
        url: str,
        *,
        planner: str = "",
        statement_timeout_s: float = 5.0,
        application_name: str = "polyvox",
    ) -> None:
        self._url = url
        self._options = f"{server_options(statement_timeout_s)} {planner}".strip()
        self._application_name = application_name
        self._deadline_s = statement_timeout_s + GRACE_S
        self._connection: AsyncConnection | None = None
        self._one_at_a_time = asyncio.Lock()

    async def run(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        """It runs a second time if the server had closed the connection, so it must be idempotent. Raises
        Overloaded for whatever keeps the server from answering in time."""
        async with self._one_at_a_time:
            try:
                known = self._connection is not None
                try:
                    return await self._once(operation)
                except (OperationalError, InterfaceError):
                    if not (known and self._connection is None):
                        raise
                return await self._once(operation)
            except (OperationalError, InterfaceError, TimeoutError) as error:
                raise Overloaded(AWAY) from error

    async def close(self) -> None:
        if self._connection is not None:
            await self._connection.close()
            self._connection = None

    async def _once(self, operation: Callable[[AsyncConnection], Awaitable[T]]) -> T:
        connection = self._connection
        done = False
        try:
            async with asyncio.timeout(self._deadline_s):
                if connection is None:
                    connection = self._connection = await self._connect()
                result = await operation(connection)
                done = True
                return result
        finally:
            # Whoever is cut off in the middle of a statement leaves a connection that nobody can use.
            if not done and connection is not None and not connection.closed and not _is_idle(connection):
                await connection.close()
            if connection is not None and connection.closed:
                self._connection = None

    async def _connect(self) -> AsyncConnection:
        return await AsyncConnection.connect(
            self._url,
            autocommit=True,
            application_name=self._application_name,
            connect_timeout=CONNECT_S,
            options=self._options,
        )


def _is_idle(connection: AsyncConnection) -> bool:
    return connection.info.transaction_status.name == "IDLE"
