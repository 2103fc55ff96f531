"""Conversations as documents: `/v1/conversations/import` and `/v1/conversations/{id}/export`."""

from collections.abc import Mapping
from typing import Annotated, Any
from uuid import UUID, uuid4

import msgspec
from fastapi import APIRouter, Query
from fastapi.responses import Response
from pydantic import Field

from deployments.api.management.access import Caller
from deployments.api.management.conversation_access import etag, own, readable
from deployments.api.management.conversation_forms import Branch
from deployments.api.management.conversation_views import ConversationOut, show_conversation
from deployments.api.management.fields import In, Text
from models.conversations import ConversationStore, NewConversation, NewMessage, new_conversation
from models.conversations.transfer import OWN, Format, exported, imported
from models.errors import InvalidRequest

_DOCUMENT: dict[int | str, dict[str, Any]] = {
    200: {"content": {"application/json": {"schema": {"type": "object"}}}}
}


class ImportIn(In):
    format: str = Field(OWN, max_length=32, description="`polyvox`, `openai`, `anthropic`.")
    conversation: dict[str, Any] = Field(description="The document; of others' formats one with `messages`.")
    id: UUID | None = Field(None, description="Of your own: importing it again changes nothing.")
    title: Text = ""


class ExportWanted(In):
    format: str = Field(
        OWN, max_length=32, description="`polyvox` has every branch and byte; others one branch."
    )
    branch: Branch | None = None


def add_transfer(routes: APIRouter, store: ConversationStore, formats: Mapping[str, Format]) -> None:
    transfer = _Transfer(store, formats)
    routes.add_api_route("/conversations/import", transfer.take, methods=["POST"], status_code=201)
    routes.add_api_route(
        "/conversations/{conversation_id}/export", transfer.give, methods=["GET"], responses=_DOCUMENT
    )


class _Transfer:
    def __init__(self, store: ConversationStore, formats: Mapping[str, Format]) -> None:
        self._store = store
        self._formats = formats

    async def take(self, caller: Caller, body: ImportIn, response: Response) -> ConversationOut:
        """A conversation from a document. Its answers cost nothing here."""
        made = await self._store.create(own(caller), self._read(body))
        response.headers["etag"] = etag(made.version)
        return show_conversation(made)

    async def give(
        self, caller: Caller, conversation_id: UUID, wanted: Annotated[ExportWanted, Query()]
    ) -> Response:
        """The whole conversation, or one branch of it in somebody else's format."""
        found = await self._store.get(readable(caller), str(conversation_id))
        if wanted.format == OWN:
            tree, messages = await self._store.branches(found), await self._store.messages(found)
            document: object = exported(found, tree, messages)
        else:
            path = await self._store.path(found, wanted.branch)
            document = self._format(wanted.format).write([one.message for one in path])
        name = f'attachment; filename="conversation-{found.id}.json"'
        headers = {"etag": etag(found.version), "content-disposition": name}
        return Response(msgspec.json.encode(document), media_type="application/json", headers=headers)

    def _read(self, body: ImportIn) -> NewConversation:
        id = str(body.id or uuid4())
        try:
            msgspec.json.encode(body.conversation)
        except UnicodeEncodeError:
            raise InvalidRequest("a text holds half a character", param="conversation") from None
        if body.format == OWN:
            new = imported(body.conversation, id=id)
            return msgspec.structs.replace(new, title=body.title or new.title)
        messages = self._format(body.format).read(body.conversation)
        return new_conversation([NewMessage(one) for one in messages], id=id, title=body.title)

    def _format(self, name: str) -> Format:
        if name not in self._formats:
            known = ", ".join((OWN, *self._formats))
            raise InvalidRequest(f"there is no format {name!r}: {known}", param="format")
        return self._formats[name]
