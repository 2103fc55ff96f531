"""The event log in PostgreSQL. Logging an event and putting it into the outbox is one transaction."""

import json
from collections.abc import Mapping, Sequence
from datetime import datetime
from uuid import uuid4

from msgspec import Struct

from models.alerts.channels import OpsChannel, ops_json
from models.alerts.rows import Rows
from models.events import Event, Json, Severity, storable
from models.store import Database


class NewEvent(Struct, frozen=True, kw_only=True):
    kind: str
    severity: Severity
    tenant_id: str | None = None
    subject: Mapping[str, Json] | None = None
    payload: Mapping[str, Json] | None = None
    once: str | None = None


class PostgresEventLog:
    """`ops` hear of every tenant's events; administrators of `ops_tenant` see those of no tenant, too."""

    def __init__(
        self, database: Database, *, ops: Sequence[OpsChannel] = (), ops_tenant: str = "default"
    ) -> None:
        self._rows = Rows(database)
        self._ops = ops_json(ops)
        self._ops_tenant = ops_tenant

    async def append(
        self,
        kind: str,
        *,
        severity: Severity,
        tenant_id: str | None = None,
        subject: Mapping[str, Json] | None = None,
        payload: Mapping[str, Json] | None = None,
        once: str | None = None,
    ) -> None:
        await self.append_all(
            [
                NewEvent(
                    kind=kind,
                    severity=severity,
                    tenant_id=tenant_id,
                    subject=subject,
                    payload=payload,
                    once=once,
                )
            ]
        )

    async def append_all(self, events: Sequence[NewEvent]) -> None:
        """All of them or none."""
        rows = json.dumps([_row(event) for event in events])
        await self._rows.execute("log_events", {"events": rows, "ops": self._ops})

    async def page(
        self,
        tenant_id: str,
        *,
        kind: str | None = None,
        severity: Severity | None = None,
        since: datetime | None = None,
        after: str | None = None,
        limit: int = 100,
    ) -> Sequence[Event]:
        values = {
            "tenant_id": tenant_id,
            "ops_tenant": self._ops_tenant,
            "kind": kind,
            "severity": severity,
            "since": since,
            "after": after,
            "limit": limit,
        }
        return [Event(**row) for row in await self._rows.fetch("events", values)]


def _row(event: NewEvent) -> Mapping[str, Json]:
    return {
        "id": str(uuid4()),
        "kind": event.kind,
        "severity": event.severity,
        "tenant_id": event.tenant_id,
        "subject": storable(event.subject),
        "payload": storable(event.payload),
        "once": event.once,
    }
