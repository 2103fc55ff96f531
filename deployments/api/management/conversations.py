"""`/v1/conversations`: made, read, written to, forked, changed and deleted."""

import base64
import binascii
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Annotated, Any
from uuid import UUID

from fastapi import APIRouter, Query
from fastapi.responses import Response
from msgspec import UNSET

from deployments.api.management.access import Admin, Caller
from deployments.api.management.conversation_access import (
    IdempotencyKey,
    IfMatch,
    IfNoneMatch,
    etag,
    expected,
    listed,
    own,
    readable,
    unchanged,
)
from deployments.api.management.conversation_forms import (
    ConversationChange,
    ConversationIn,
    ConversationsWanted,
    ForkIn,
    MessagesIn,
    MessagesWanted,
    PolicyIn,
    new_messages,
)
from deployments.api.management.conversation_search import EmbedQuery, add_search
from deployments.api.management.conversation_transfer import add_transfer
from deployments.api.management.conversation_views import (
    ConversationGone,
    ConversationOut,
    ConversationPage,
    ConversationWhole,
    MessagesOut,
    PolicyOut,
    WrittenOut,
    messages_json,
    show_conversation,
    show_policy,
    show_whole,
    show_written,
)
from deployments.api.management.fields import page
from models.conversations import (
    Change,
    Conversation,
    ConversationStore,
    Fork,
    Place,
    Policy,
    Written,
    new_conversation,
)
from models.conversations.store import PAGE_BYTES
from models.conversations.transfer import Format
from models.errors import InvalidRequest
from models.identity import Principal

_UNCHANGED: dict[int | str, dict[str, Any]] = {304: {"description": "It is at the version that you have."}}


LeftBehind = Callable[[Principal, str], None]
"""Takes who did it and the message's id; may neither wait nor raise."""


def _not_told(caller: Principal, message_id: str) -> None:
    del caller, message_id


def router(
    store: ConversationStore,
    *,
    formats: Mapping[str, Format],
    embed_query: EmbedQuery | None = None,
    left_behind: LeftBehind = _not_told,
) -> APIRouter:
    """`formats` are what conversations can be exported to and imported from beside the project's own. Without
    `embed_query` they are searched by words alone. `left_behind` hears of messages that others are tried in
    place of."""
    conversations = _Conversations(store, left_behind)
    routes = APIRouter(prefix="/v1", tags=["conversations"])
    base, one = "/conversations", "/conversations/{conversation_id}"
    routes.add_api_route(base, conversations.create, methods=["POST"], status_code=201)
    routes.add_api_route(base, conversations.page, methods=["GET"])
    routes.add_api_route(f"{base}/retention", conversations.policy, methods=["GET"])
    routes.add_api_route(f"{base}/retention", conversations.set_policy, methods=["PUT"])
    add_search(routes, store, embed_query)
    add_transfer(routes, store, formats)
    routes.add_api_route(
        one, conversations.get, methods=["GET"], response_model=ConversationWhole, responses=_UNCHANGED
    )
    routes.add_api_route(one, conversations.change, methods=["PATCH"])
    routes.add_api_route(one, conversations.delete, methods=["DELETE"])
    routes.add_api_route(
        f"{one}/messages",
        conversations.messages,
        methods=["GET"],
        response_model=MessagesOut,
        responses=_UNCHANGED,
    )
    routes.add_api_route(f"{one}/messages", conversations.append, methods=["POST"], status_code=201)
    routes.add_api_route(f"{one}/fork", conversations.fork, methods=["POST"], status_code=201)
    return routes


class _Conversations:
    def __init__(self, store: ConversationStore, left_behind: LeftBehind) -> None:
        self._store = store
        self._left_behind = left_behind

    async def create(self, caller: Caller, body: ConversationIn, response: Response) -> ConversationOut:
        """Empty, or with messages in it."""
        new = new_conversation(
            new_messages(body.messages),
            id=None if body.id is None else str(body.id),
            title=body.title,
            expires_at=body.expires_at,
        )
        return _tagged(response, await self._store.create(own(caller), new))

    async def page(self, caller: Caller, wanted: Annotated[ConversationsWanted, Query()]) -> ConversationPage:
        """Last changed first."""
        found = await self._store.page(
            listed(caller, wanted.users),
            model=wanted.model,
            after=_place(wanted.after) if wanted.after else None,
            limit=wanted.limit + 1,
        )
        shown = page(found, wanted.limit, show_conversation)
        following = _cursor(found[wanted.limit - 1]) if shown.has_more else None
        return ConversationPage(data=shown.data, has_more=shown.has_more, next=following)

    async def get(
        self, caller: Caller, conversation_id: UUID, response: Response, if_none_match: IfNoneMatch = None
    ) -> ConversationWhole | Response:
        """With the tree of its branches."""
        found = await self._store.get(readable(caller), str(conversation_id))
        same = unchanged(if_none_match, found.version)
        if same is not None:
            return same
        response.headers["etag"] = etag(found.version)
        return show_whole(found, await self._store.branches(found))

    async def change(
        self,
        caller: Caller,
        conversation_id: UUID,
        body: ConversationChange,
        response: Response,
        if_match: IfMatch = None,
    ) -> ConversationOut:
        change = Change(
            title=UNSET if body.title is None else body.title,
            head=UNSET if body.branch is None else body.branch,
            expires_at=body.expires_at if "expires_at" in body.model_fields_set else UNSET,
        )
        if change == Change():
            raise InvalidRequest("there is nothing to change")
        changed = await self._store.change(
            readable(caller), str(conversation_id), change, expected_version=expected(if_match)
        )
        return _tagged(response, changed)

    async def delete(
        self, caller: Caller, conversation_id: UUID, if_match: IfMatch = None
    ) -> ConversationGone:
        """Gone at once; for good when the tenant's days of grace are over."""
        await self._store.delete(readable(caller), str(conversation_id), expected_version=expected(if_match))
        return ConversationGone(id=str(conversation_id))

    async def messages(
        self,
        caller: Caller,
        conversation_id: UUID,
        wanted: Annotated[MessagesWanted, Query()],
        if_none_match: IfNoneMatch = None,
    ) -> Response:
        """A branch's path in the order of `seq`. A page ends early where it would be longer than 8 MiB."""
        found = await self._store.get(readable(caller), str(conversation_id))
        same = unchanged(if_none_match, found.version)
        if same is not None:
            return same
        branch = found.head if wanted.branch is None else wanted.branch
        path = await self._store.path(
            found,
            branch,
            after=wanted.after,
            before=wanted.before,
            newest_first=wanted.order == "desc",
            limit=wanted.limit + 1,
            max_bytes=PAGE_BYTES,
        )
        body = messages_json(found, branch, path, wanted)
        return Response(body, media_type="application/json", headers={"etag": etag(found.version)})

    async def append(
        self,
        caller: Caller,
        conversation_id: UUID,
        body: MessagesIn,
        response: Response,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> WrittenOut:
        """All messages, one after the other, or none; without If-Match after whatever there is by then."""
        written = await self._store.append(
            own(caller),
            str(conversation_id),
            new_messages(body.messages),
            branch=body.branch,
            expected_version=expected(if_match),
            key=idempotency_key,
        )
        return _written(response, written)

    async def fork(
        self,
        caller: Caller,
        conversation_id: UUID,
        body: ForkIn,
        response: Response,
        if_match: IfMatch = None,
        idempotency_key: IdempotencyKey = None,
    ) -> WrittenOut:
        fork = Fork(
            after=None if body.after is None else str(body.after),
            instead_of=None if body.instead_of is None else str(body.instead_of),
            select=body.select,
        )
        written = await self._store.fork(
            own(caller),
            str(conversation_id),
            fork,
            new_messages(body.messages),
            expected_version=expected(if_match),
            key=idempotency_key,
        )
        if fork.instead_of is not None:
            self._left_behind(caller, fork.instead_of)
        return _written(response, written)

    async def policy(self, caller: Caller) -> PolicyOut:
        """How long the tenant's conversations are kept."""
        return show_policy(await self._store.policy(caller.tenant_id))

    async def set_policy(self, caller: Admin, body: PolicyIn) -> PolicyOut:
        """What has not changed for `retention_days` is deleted, and gone for good `grace_days` later."""
        policy = Policy(retention_days=body.retention_days, grace_days=body.grace_days)
        return show_policy(await self._store.set_policy(caller.tenant_id, policy))


def _tagged(response: Response, found: Conversation) -> ConversationOut:
    response.headers["etag"] = etag(found.version)
    return show_conversation(found)


def _written(response: Response, written: Written) -> WrittenOut:
    response.headers["etag"] = etag(written.version)
    if written.replayed:
        response.headers["idempotent-replayed"] = "true"
    return show_written(written)


def _cursor(last: Conversation) -> str:
    return base64.urlsafe_b64encode(f"{last.updated_at.isoformat()}/{last.id}".encode()).decode()


def _place(cursor: str) -> Place:
    try:
        at, _, conversation_id = base64.urlsafe_b64decode(cursor).decode().partition("/")
        place = Place(datetime.fromisoformat(at), str(UUID(conversation_id)))
    except (ValueError, binascii.Error):
        raise InvalidRequest("this is not the `next` of a page", param="after") from None
    if place.updated_at.tzinfo is None:
        raise InvalidRequest("this is not the `next` of a page", param="after")
    return place
