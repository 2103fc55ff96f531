"""The outbox: which deliveries are due, and what became of them."""

from collections.abc import Collection, Sequence
from uuid import uuid4

from msgspec import Struct
from psycopg.rows import DictRow

from models.alerts.channels import ChannelKind, OpsChannel, ops_json
from models.alerts.rows import Rows
from models.events import Event
from models.store import Database


class Delivery(Struct, frozen=True, kw_only=True):
    """One event for one channel, claimed for one attempt."""

    id: int
    attempts: int
    """This one included."""
    channel_id: str
    kind: ChannelKind
    target: str
    event: Event


class Outbox:
    """Whoever claims a delivery has `lease_s` to say what became of it; then somebody else may claim it."""

    def __init__(self, database: Database, *, ops: Sequence[OpsChannel] = (), lease_s: float = 60.0) -> None:
        self._rows = Rows(database)
        self._ops = ops_json(ops)
        self._lease_s = lease_s

    async def claim(self, *, limit: int, per_channel: int, busy: Collection[str] = ()) -> Sequence[Delivery]:
        """Up to `limit` that are due, none of the channels in `busy`."""
        values = {
            "limit": limit,
            "per_channel": per_channel,
            "busy": list(busy),
            "lease_s": self._lease_s,
        }
        return [_delivery(row) for row in await self._rows.fetch("claim", values)]

    async def delivered(self, delivery: Delivery) -> None:
        await self._rows.execute("delivered", {"id": delivery.id})

    async def retry(self, delivery: Delivery, *, error: str, delay_s: float) -> None:
        values = {"id": delivery.id, "attempts": delivery.attempts, "error": error, "delay_s": delay_s}
        await self._rows.execute("retry", values)

    async def give_up(self, delivery: Delivery, *, error: str) -> None:
        """It ends, and an event says so to whoever else wants to hear of it."""
        values = {
            "id": delivery.id,
            "attempts": delivery.attempts,
            "error": error,
            "event_id": str(uuid4()),
            "ops": self._ops,
        }
        await self._rows.execute("give_up", values)

    async def forget(self, *, keep_days: float, limit: int) -> None:
        """Deletes deliveries that ended so long ago; the events stay."""
        await self._rows.execute("forget_deliveries", {"keep_days": keep_days, "limit": limit})


def _delivery(row: DictRow) -> Delivery:
    return Delivery(
        id=row["delivery_id"],
        attempts=row["attempts"],
        channel_id=row["channel_id"],
        kind=row["channel_kind"],
        target=row["target"],
        event=Event(
            id=row["id"],
            tenant_id=row["tenant_id"],
            kind=row["kind"],
            severity=row["severity"],
            subject=row["subject"],
            payload=row["payload"],
            at=row["at"],
        ),
    )
