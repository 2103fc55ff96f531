"""`/v1/conversations/search`: by words, by meaning, or by both."""

from collections.abc import Awaitable, Callable
from typing import Annotated, Literal
from uuid import UUID

from fastapi import APIRouter, Query
from pydantic import Field

from deployments.api.management.access import Caller
from deployments.api.management.conversation_access import listed
from deployments.api.management.conversation_forms import Users
from deployments.api.management.fields import In, Out
from models.chat import Role
from models.conversations import ConversationStore, Hit, Sought, Vector
from models.errors import InvalidRequest, PolyvoxError

Mode = Literal["text", "semantic", "hybrid"]
EmbedQuery = Callable[[str], Awaitable[Vector]]
"""What a question means. Raises PolyvoxError where that cannot be said now."""


class SearchWanted(In):
    q: str = Field(
        min_length=1,
        max_length=1_000,
        pattern=r"^[^\x00]*$",
        description='Words as for a search engine: "a phrase", `or`, `-without`; by meaning, a question.',
    )
    mode: Mode = "text"
    conversation_id: UUID | None = Field(None, description="In this one alone.")
    users: Users = Field("mine", description="`all` of the tenant's takes an administrator's key.")
    limit: int = Field(20, ge=1, le=100)


class FragmentOut(Out):
    text: str
    match: bool


class HitOut(Out):
    conversation_id: str
    title: str
    user_id: str
    message_id: str
    branch: int
    seq: int
    role: Role
    score: float
    similarity: float
    snippet: list[FragmentOut]


class HitsOut(Out):
    object: Literal["list"] = "list"
    mode: Mode = Field(
        description="How it was searched: by words alone where nobody could say what they mean."
    )
    data: list[HitOut]


def add_search(routes: APIRouter, store: ConversationStore, embed_query: EmbedQuery | None) -> None:
    async def search(caller: Caller, wanted: Annotated[SearchWanted, Query()]) -> HitsOut:
        """Messages of every branch, best first."""
        owner = listed(caller, wanted.users)
        vector = await _vector(wanted, embed_query)
        sought = Sought(
            words="" if wanted.mode == "semantic" else wanted.q,
            vector=vector,
            conversation_id=None if wanted.conversation_id is None else str(wanted.conversation_id),
            limit=wanted.limit,
        )
        found = await store.search(owner, sought)
        return HitsOut(mode="text" if vector is None else wanted.mode, data=[_shown(hit) for hit in found])

    routes.add_api_route("/conversations/search", search, methods=["GET"])


async def _vector(wanted: SearchWanted, embed_query: EmbedQuery | None) -> Vector | None:
    """None where words must do."""
    if wanted.mode == "text":
        return None
    try:
        if embed_query is None:
            raise InvalidRequest("nothing here can say what words mean: search by text", param="mode")
        return await embed_query(wanted.q)
    except PolyvoxError:
        if wanted.mode == "semantic":
            raise
        return None


def _shown(hit: Hit) -> HitOut:
    return HitOut(
        conversation_id=hit.conversation_id,
        title=hit.title,
        user_id=hit.user_id,
        message_id=hit.message_id,
        branch=hit.branch,
        seq=hit.seq,
        role=hit.role,
        score=hit.score,
        similarity=hit.similarity,
        snippet=[FragmentOut(text=part.text, match=part.match) for part in hit.snippet],
    )
