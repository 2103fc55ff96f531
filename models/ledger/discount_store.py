"""Volume discounts in PostgreSQL: the tiers, and what each owner's month has earned."""

from collections.abc import Sequence
from dataclasses import dataclass

from psycopg import AsyncConnection

from models.errors import NotFound
from models.ledger.discounts import VolumeTier
from models.store import Database, load_queries


@dataclass(frozen=True, kw_only=True)
class Discount:
    """The tiers of a tenant (no user) or of a user, and where the running month stands."""

    user_id: str | None
    user_name: str | None
    tiers: Sequence[VolumeTier]
    volume_pico: int
    """Spent this month, at list prices, as of the last look."""
    basis_points: int
    """In force now."""


class PostgresDiscounts:
    """`run_once` is the job that keeps them up to date; any number of processes may run it."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("discounts")

    async def run_once(self) -> None:
        async def refresh(connection: AsyncConnection) -> None:
            async with connection.transaction():
                await connection.execute(self._queries["drop_stale"])
                await connection.execute(self._queries["refresh"])

        await self._database.run(refresh)

    async def set_tiers(self, tenant_id: str, user: str | None, tiers: Sequence[VolumeTier]) -> None:
        """Instead of those there were, for the tenant or one of its users (name or id). Raises NotFound."""
        user_id = None if user is None else await self._user_id(tenant_id, user)
        owner = {"tenant_id": tenant_id, "user_id": user_id}
        values = {
            "from_pico": [tier.from_pico for tier in tiers],
            "basis_points": [tier.basis_points for tier in tiers],
        }

        async def replace(connection: AsyncConnection) -> None:
            async with connection.transaction():
                await connection.execute(self._queries["clear_tiers"], owner)
                await connection.execute(self._queries["add_tiers"], {**owner, **values})

        await self._database.run(replace)
        await self.run_once()

    async def of_tenant(self, tenant_id: str) -> list[Discount]:
        async def select(connection: AsyncConnection) -> list[Discount]:
            rows = await connection.execute(self._queries["tiers"], {"tenant_id": tenant_id})
            found: dict[str | None, Discount] = {}
            for user_id, name, from_pico, basis_points, volume_pico, in_force in await rows.fetchall():
                tiers = found[user_id].tiers if user_id in found else ()
                found[user_id] = Discount(
                    user_id=user_id,
                    user_name=name,
                    tiers=(*tiers, VolumeTier(int(from_pico), basis_points)),
                    volume_pico=int(volume_pico),
                    basis_points=in_force,
                )
            return list(found.values())

        return await self._database.run(select)

    async def _user_id(self, tenant_id: str, user: str) -> str:
        async def select(connection: AsyncConnection) -> str | None:
            values = {"tenant_id": tenant_id, "user": user}
            row = await (await connection.execute(self._queries["find_user"], values)).fetchone()
            return None if row is None else str(row[0])

        found = await self._database.run(select)
        if found is None:
            raise NotFound(f"there is no user {user[:100]!r}")
        return found
