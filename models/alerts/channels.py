"""Where somebody wants to hear of events: a tenant's own channels, and those of the settings."""

import json
from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol
from uuid import NAMESPACE_URL, uuid4, uuid5

from msgspec import Struct

from models.alerts.mail import check_email
from models.alerts.rows import Rows
from models.alerts.webhook import webhook_secret
from models.errors import InvalidRequest, NotFound
from models.events import Severity
from models.net import Egress, check_url
from models.store import Database

ChannelKind = Literal["webhook", "email"]

MAX_CHANNELS = 50
"""Of one tenant."""


class Channel(Struct, frozen=True, kw_only=True):
    id: str
    tenant_id: str
    kind: ChannelKind
    target: str
    """A URL or an address."""
    min_severity: Severity = "info"
    budget_id: str | None = None
    """Tells of this budget only."""
    created_at: datetime


class OpsChannel(Struct, frozen=True, kw_only=True):
    """A channel of the settings: hears of every tenant, and of the installation itself."""

    kind: ChannelKind
    target: str
    min_severity: Severity = "warning"

    @property
    def id(self) -> str:
        """The same as long as the target is."""
        return str(uuid5(NAMESPACE_URL, f"polyvox-ops:{self.kind}:{self.target}"))


def ops_json(channels: Sequence[OpsChannel]) -> str:
    """As the function `log_event` of the database takes them."""
    return json.dumps(
        [{"id": c.id, "kind": c.kind, "target": c.target, "min_severity": c.min_severity} for c in channels]
    )


class ChannelStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def add(self, channel: Channel) -> None:
        """Raises InvalidRequest if there are `MAX_CHANNELS`, NotFound for a budget of another tenant."""

    async def list(self, tenant_id: str, *, channel_id: str | None = None) -> Sequence[Channel]:
        """All of the tenant's, or the one of that id."""
        ...

    async def delete(self, tenant_id: str, channel_id: str) -> bool:
        """Whether there was one; what it had still to be told is forgotten."""
        ...

    async def put_test(self, tenant_id: str, channel_id: str, *, event_id: str) -> None:
        """An event for this channel alone, into the outbox."""


class AlertChannels:
    """A channel's secret is derived from its id and the pepper: nothing secret is stored."""

    def __init__(self, store: ChannelStore, *, pepper: bytes, egress: Egress, mail: bool = False) -> None:
        self._store = store
        self._pepper = pepper
        self._egress = egress
        self._mail = mail
        """Whether there is a server to send mail through."""

    async def create(
        self,
        tenant_id: str,
        *,
        kind: ChannelKind,
        target: str,
        min_severity: Severity = "info",
        budget_id: str | None = None,
    ) -> Channel:
        """Raises InvalidRequest for a target that would never be told, NotFound for a foreign budget."""
        if kind == "email" and not self._mail:
            raise InvalidRequest("no mail server is configured", param="kind")
        channel = Channel(
            id=str(uuid4()),
            tenant_id=tenant_id,
            kind=kind,
            target=check_target(kind, target, self._egress),
            min_severity=min_severity,
            budget_id=budget_id,
            created_at=datetime.now(UTC),
        )
        await self._store.add(channel)
        return channel

    async def list(self, tenant_id: str) -> Sequence[Channel]:
        return await self._store.list(tenant_id)

    async def secret(self, tenant_id: str, channel_id: str) -> str | None:
        """What a webhook's receiver checks signatures with; e-mail has none. Raises NotFound."""
        channel = await self._find(tenant_id, channel_id)
        return self.secret_of(channel)

    def secret_of(self, channel: Channel) -> str | None:
        return webhook_secret(channel.id, pepper=self._pepper) if channel.kind == "webhook" else None

    async def delete(self, tenant_id: str, channel_id: str) -> None:
        """Raises NotFound."""
        if not await self._store.delete(tenant_id, channel_id):
            raise _no_channel()

    async def send_test(self, tenant_id: str, channel_id: str) -> str:
        """The id of an event that the channel will be told of at once. Raises NotFound."""
        channel = await self._find(tenant_id, channel_id)
        event_id = str(uuid4())
        await self._store.put_test(tenant_id, channel.id, event_id=event_id)
        return event_id

    async def _find(self, tenant_id: str, channel_id: str) -> Channel:
        found = await self._store.list(tenant_id, channel_id=channel_id)
        if not found:
            raise _no_channel()
        return found[0]


class PostgresChannelStore:
    def __init__(self, database: Database) -> None:
        self._rows = Rows(database)

    async def add(self, channel: Channel) -> None:
        values = {
            "id": channel.id,
            "tenant_id": channel.tenant_id,
            "kind": channel.kind,
            "target": channel.target,
            "min_severity": channel.min_severity,
            "budget_id": channel.budget_id,
            "created_at": channel.created_at,
            "most": MAX_CHANNELS,
        }
        [state] = await self._rows.fetch("add_channel", values)
        if state["foreign_budget"]:
            raise _no_budget()
        if state["is_full"]:
            raise _full()

    async def list(self, tenant_id: str, *, channel_id: str | None = None) -> Sequence[Channel]:
        rows = await self._rows.fetch("channels", {"tenant_id": tenant_id, "id": channel_id})
        return [Channel(**row) for row in rows]

    async def delete(self, tenant_id: str, channel_id: str) -> bool:
        return bool(await self._rows.fetch("delete_channel", {"tenant_id": tenant_id, "id": channel_id}))

    async def put_test(self, tenant_id: str, channel_id: str, *, event_id: str) -> None:
        values = {"tenant_id": tenant_id, "id": channel_id, "event_id": event_id}
        await self._rows.execute("test_channel", values)


class InMemoryChannelStore:
    """`tests` are the events put for each channel; `budgets` are the tenants' by id."""

    def __init__(self, *, budgets: dict[str, str] | None = None) -> None:
        self.tests: list[tuple[str, str]] = []
        self._channels: dict[str, Channel] = {}
        self._budgets = budgets or {}

    async def add(self, channel: Channel) -> None:
        if channel.budget_id is not None and self._budgets.get(channel.budget_id) != channel.tenant_id:
            raise _no_budget()
        if len(await self.list(channel.tenant_id)) >= MAX_CHANNELS:
            raise _full()
        self._channels[channel.id] = channel

    async def list(self, tenant_id: str, *, channel_id: str | None = None) -> Sequence[Channel]:
        found = (c for c in self._channels.values() if c.tenant_id == tenant_id)
        return sorted((c for c in found if channel_id in (None, c.id)), key=lambda c: c.id)

    async def delete(self, tenant_id: str, channel_id: str) -> bool:
        found = await self.list(tenant_id, channel_id=channel_id)
        return bool(found) and self._channels.pop(channel_id, None) is not None

    async def put_test(self, tenant_id: str, channel_id: str, *, event_id: str) -> None:
        if await self.list(tenant_id, channel_id=channel_id):
            self.tests.append((channel_id, event_id))


def check_target(kind: ChannelKind, target: str, egress: Egress) -> str:
    """Raises InvalidRequest for one that is never called or written to."""
    try:
        return check_email(target) if kind == "email" else str(check_url(target, egress))
    except InvalidRequest as error:
        raise InvalidRequest(error.message, param="target") from None


def _no_channel() -> NotFound:
    return NotFound("there is no such channel")


def _no_budget() -> NotFound:
    return NotFound("there is no such budget", param="budget_id")


def _full() -> InvalidRequest:
    return InvalidRequest(f"there are {MAX_CHANNELS} channels already")
