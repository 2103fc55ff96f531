"""What happened that somebody may want to know of: budgets at their limits, overruns, drift, a bad file."""

import json
import math
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal, Protocol, TypeAlias
from uuid import uuid4

from msgspec import Struct

Severity = Literal["info", "warning", "critical"]
SEVERITIES: Sequence[Severity] = ("info", "warning", "critical")

Json: TypeAlias = "str | int | float | bool | Sequence[Json] | Mapping[str, Json] | None"

MAX_PART_BYTES = 8_192


class Event(Struct, frozen=True, kw_only=True):
    id: str
    """A UUID; the same wherever the event is told of, however often."""
    kind: str
    """Words with a dot between what it is about and what happened, such as `budget.threshold_80`."""
    severity: Severity
    tenant_id: str | None = None
    """None if it is about the whole installation."""
    subject: Mapping[str, Json] = {}
    """Ids of what it is about, by what they name, such as `budget_id`."""
    payload: Mapping[str, Json] = {}
    """Amounts are texts of decimal USD in fields that end in `_usd`."""
    at: datetime


class EventLog(Protocol):
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
        """Returns once it is durable; channels that want it are told afterwards.

        `once` names the occurrence among those of its kind: told of again, it is not logged again. What can
        not be stored as it is (NUL, half a surrogate pair, infinity, too long) is changed, never refused.
        Raises Overloaded if the log is away.
        """
        ...


class EventPages(Protocol):
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
        """Newest first, of this tenant; those older than the event `after`, if it is given."""
        ...


class InMemoryEventLog:
    """Keeps the newest `max_events`."""

    def __init__(self, *, max_events: int = 10_000) -> None:
        self.events: list[Event] = []
        self._max_events = max_events
        self._told: set[tuple[str, str]] = set()

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
        if once is not None:
            if (kind, once) in self._told:
                return
            self._told.add((kind, once))
        event = Event(
            id=str(uuid4()),
            kind=kind,
            severity=severity,
            tenant_id=tenant_id,
            subject=storable(subject),
            payload=storable(payload),
            at=datetime.now(UTC),
        )
        self.events = [*self.events, event][-self._max_events :]

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
        newest = [e for e in reversed(self.events) if e.tenant_id == tenant_id]
        if after is not None:
            ids = [e.id for e in newest]
            newest = newest[ids.index(after) + 1 :] if after in ids else []
        return [
            e
            for e in newest
            if kind in (None, e.kind) and severity in (None, e.severity) and (since is None or e.at >= since)
        ][:limit]


def storable(part: Mapping[str, Json] | None) -> Mapping[str, Json]:
    """As PostgreSQL takes it, and no longer than `MAX_PART_BYTES`: of a longer one its size is left."""
    cleaned = {_text(name): _plain(value) for name, value in (part or {}).items()}
    size = len(json.dumps(cleaned, ensure_ascii=False).encode())
    return cleaned if size <= MAX_PART_BYTES else {"left_out_bytes": size}


def _plain(value: Json) -> Json:
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, Mapping):
        return {_text(name): _plain(inner) for name, inner in value.items()}
    if isinstance(value, Sequence):
        return [_plain(inner) for inner in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _text(value: str) -> str:
    return value.replace("\0", "\ufffd").encode("utf-8", "replace").decode()
