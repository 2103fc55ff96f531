"""`/v1/events` and `/v1/alerts/channels`: what happened, and who is told of it."""

from datetime import datetime
from typing import Annotated, Any, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import AwareDatetime, Field

from deployments.api.management.access import Admin
from deployments.api.management.fields import In, Limit, Name, Out, Page, page
from models.alerts import AlertChannels, Channel, ChannelKind
from models.alerts.channels import MAX_CHANNELS
from models.events import Event, EventPages, Severity
from models.net import MAX_URL_CHARS


class EventsWanted(In):
    kind: Name | None = Field(None, description="Such as `budget.threshold_80` or `ledger.overrun`.")
    severity: Severity | None = None
    since: AwareDatetime | None = None
    after: UUID | None = Field(None, description="The id of the last one of the page before.")
    limit: Limit = 100


class EventOut(Out):
    object: Literal["event"] = "event"
    id: str
    kind: str
    severity: Severity
    at: datetime
    subject: dict[str, Any] = Field(description="Ids of what it is about, by what they name.")
    payload: dict[str, Any]


class ChannelIn(In):
    kind: ChannelKind
    target: str = Field(max_length=MAX_URL_CHARS, description="An https URL, or an e-mail address.")
    min_severity: Severity = "info"
    budget_id: UUID | None = Field(None, description="Tells of this budget only.")


class ChannelOut(Out):
    object: Literal["alert_channel"] = "alert_channel"
    id: str
    kind: ChannelKind
    target: str
    min_severity: Severity
    budget_id: str | None
    created_at: datetime


class ChannelMade(ChannelOut):
    secret: str | None
    """What signatures are checked with; e-mail has none."""


class SecretOut(Out):
    id: str
    secret: str | None


class TestOut(Out):
    event_id: str


class Deleted(Out):
    id: str
    deleted: Literal[True] = True


def router(channels: AlertChannels, events: EventPages) -> APIRouter:
    told, log = _Channels(channels), _Events(events)
    routes = APIRouter(prefix="/v1", tags=["alerts"])
    routes.add_api_route("/events", log.page, methods=["GET"])
    routes.add_api_route("/alerts/channels", told.create, methods=["POST"], status_code=201)
    routes.add_api_route("/alerts/channels", told.page, methods=["GET"])
    routes.add_api_route("/alerts/channels/{channel_id}", told.delete, methods=["DELETE"])
    routes.add_api_route("/alerts/channels/{channel_id}/secret", told.secret, methods=["GET"])
    routes.add_api_route("/alerts/channels/{channel_id}/test", told.test, methods=["POST"], status_code=202)
    return routes


class _Events:
    def __init__(self, events: EventPages) -> None:
        self._events = events

    async def page(self, caller: Admin, wanted: Annotated[EventsWanted, Query()]) -> Page[EventOut]:
        """Newest first."""
        found = await self._events.page(
            caller.tenant_id,
            kind=wanted.kind,
            severity=wanted.severity,
            since=wanted.since,
            after=None if wanted.after is None else str(wanted.after),
            limit=wanted.limit + 1,
        )
        return page(found, wanted.limit, _event)


class _Channels:
    def __init__(self, channels: AlertChannels) -> None:
        self._channels = channels

    async def create(self, caller: Admin, body: ChannelIn) -> ChannelMade:
        """From now on the channel is told of the tenant's events."""
        channel = await self._channels.create(
            caller.tenant_id,
            kind=body.kind,
            target=body.target,
            min_severity=body.min_severity,
            budget_id=None if body.budget_id is None else str(body.budget_id),
        )
        return ChannelMade(**_channel(channel).model_dump(), secret=self._channels.secret_of(channel))

    async def page(self, caller: Admin) -> Page[ChannelOut]:
        """All of them."""
        return page(await self._channels.list(caller.tenant_id), MAX_CHANNELS, _channel)

    async def delete(self, caller: Admin, channel_id: UUID) -> Deleted:
        """It is told of nothing more, not even of what it still had to be told."""
        await self._channels.delete(caller.tenant_id, str(channel_id))
        return Deleted(id=str(channel_id))

    async def secret(self, caller: Admin, channel_id: UUID) -> SecretOut:
        """What the receiver of a webhook checks signatures with."""
        secret = await self._channels.secret(caller.tenant_id, str(channel_id))
        return SecretOut(id=str(channel_id), secret=secret)

    async def test(self, caller: Admin, channel_id: UUID) -> TestOut:
        """Tell this channel of an event without a meaning, now."""
        return TestOut(event_id=await self._channels.send_test(caller.tenant_id, str(channel_id)))


def _event(event: Event) -> EventOut:
    return EventOut(
        id=event.id,
        kind=event.kind,
        severity=event.severity,
        at=event.at,
        subject=dict(event.subject),
        payload=dict(event.payload),
    )


def _channel(channel: Channel) -> ChannelOut:
    return ChannelOut(
        id=channel.id,
        kind=channel.kind,
        target=channel.target,
        min_severity=channel.min_severity,
        budget_id=channel.budget_id,
        created_at=channel.created_at,
    )
