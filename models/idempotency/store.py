"""Who is at which key, or what was answered: in PostgreSQL, by its clock, whoever asks."""

from collections.abc import Sequence
from typing import Any, Literal, Protocol

from msgspec import Struct
from psycopg import AsyncConnection

from models.store import Database, load_queries

LEASE_S = 15.0
"""Whoever is not heard of for so long is taken to be gone."""
KEPT_S = 24 * 3_600.0
_SWEPT_AT_ONCE = 1_000
_TRIES = 3


class Place(Struct, frozen=True):
    """Which key: `name` is a digest of it, of 32 bytes."""

    tenant_id: str
    user_id: str
    name: bytes


class Claimed(Struct, frozen=True):
    """The key is the claimant's, to answer the request."""

    lost: tuple[str, ...] = ()
    """Requests that were at it before and whose end nobody has told."""


class Taken(Struct, frozen=True):
    """It is somebody else's, or was answered."""

    digest: bytes
    """Of what was asked with it."""
    state: Literal["in_flight", "done", "failed"]
    request_id: str
    answer: bytes | None = None
    """Sealed; of one that is done None says that it was too large."""


class IdempotencyStore(Protocol):
    """Each method raises Overloaded if the store is away. `request_id` is whose the key has to be: what
    others say of it changes nothing."""

    async def claim(self, place: Place, *, digest: bytes, request_id: str) -> Claimed | Taken:
        """Free are keys that are new or whose day is over, and, for the same digest, those whose last request
        failed or was lost. Told again it is claimed still."""
        ...

    async def is_under_way(self, place: Place) -> bool:
        """Whether a request that is alive is at it."""
        ...

    async def finish(self, place: Place, *, request_id: str, answer: bytes | None) -> bool:
        """Whether it was the request's still."""
        ...

    async def fail(self, place: Place, *, request_id: str, answered: bool) -> None:
        """The next one is answered anew. `answered`: the client had something of the answer, so that nothing
        that came before counts as lost any more."""
        ...

    async def release(self, place: Place, *, request_id: str) -> bool:
        """As if it had never been asked for; False, and nothing done, where requests were lost at it."""
        ...

    async def renew(self, held: Sequence[tuple[Place, str]]) -> None:
        """These requests are alive."""
        ...

    async def was_paid(self, tenant_id: str, request_ids: Sequence[str]) -> bool:
        """Whether the ledger has charged one of them for a whole answer."""
        ...


class PostgresIdempotency:
    def __init__(self, database: Database, *, lease_s: float = LEASE_S, kept_s: float = KEPT_S) -> None:
        self._database = database
        self._queries = load_queries("idempotency")
        self._lease_s = lease_s
        self._kept_s = kept_s

    async def claim(self, place: Place, *, digest: bytes, request_id: str) -> Claimed | Taken:
        values = {
            **_named(place, request_id),
            "digest": digest,
            "lease_s": self._lease_s,
            "kept_s": self._kept_s,
        }
        for _ in range(_TRIES):
            for is_mine, lost, *standing in await self._rows("claim", values):
                return Claimed(tuple(lost)) if is_mine else Taken(*standing)
        return Taken(digest, "in_flight", "")  # claimed and given back by others, time and again

    async def is_under_way(self, place: Place) -> bool:
        ((found,),) = await self._rows("is_under_way", _named(place))
        return bool(found)

    async def finish(self, place: Place, *, request_id: str, answer: bytes | None) -> bool:
        values = {**_named(place, request_id), "answer": answer, "kept_s": self._kept_s}
        return bool(await self._change("finish", values))

    async def fail(self, place: Place, *, request_id: str, answered: bool) -> None:
        await self._change("fail", {**_named(place, request_id), "answered": answered})

    async def release(self, place: Place, *, request_id: str) -> bool:
        return bool(await self._change("release", _named(place, request_id)))

    async def renew(self, held: Sequence[tuple[Place, str]]) -> None:
        values = {
            "tenant_ids": [place.tenant_id for place, _ in held],
            "user_ids": [place.user_id for place, _ in held],
            "names": [place.name for place, _ in held],
            "request_ids": [request_id for _, request_id in held],
            "lease_s": self._lease_s,
        }
        await self._change("renew", values)

    async def was_paid(self, tenant_id: str, request_ids: Sequence[str]) -> bool:
        values = {"tenant_id": tenant_id, "request_ids": list(request_ids)}
        ((found,),) = await self._rows("was_paid", values)
        return bool(found)

    async def sweep(self) -> None:
        """A job: deletes what was kept long enough."""
        while await self._change("sweep", {"limit": _SWEPT_AT_ONCE}) == _SWEPT_AT_ONCE:
            pass

    async def forget(self, tenant_id: str, user_id: str) -> int:
        """Everything that is kept of a user's; how much it was."""
        return await self._change("forget", {"tenant_id": tenant_id, "user_id": user_id})

    async def _rows(self, query: str, values: dict[str, Any]) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return await (await connection.execute(self._queries[query], values, binary=True)).fetchall()

        return await self._database.run(fetch)

    async def _change(self, query: str, values: dict[str, Any]) -> int:
        async def change(connection: AsyncConnection) -> int:
            return (await connection.execute(self._queries[query], values)).rowcount

        return await self._database.run(change)


def _named(place: Place, request_id: str = "") -> dict[str, Any]:
    named = {"tenant_id": place.tenant_id, "user_id": place.user_id, "name": place.name}
    return {**named, "request_id": request_id}
