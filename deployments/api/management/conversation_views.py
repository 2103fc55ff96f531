"""Conversations as clients see them."""

from datetime import datetime
from typing import Any, Literal

import msgspec
from pydantic import Field

from deployments.api.management.conversation_forms import MessagesWanted
from deployments.api.management.fields import Out, Page
from models.chat import Role
from models.conversations import (
    Branch,
    Conversation,
    CostTracking,
    Policy,
    Producer,
    Spent,
    StoredMessage,
    Written,
)
from models.conversations.store import PAGE_BYTES
from models.money import usd_text


class RunOut(Out):
    model: str
    provider: str
    branch: int
    first_seq: int
    last_seq: int
    answers: int


class SpentOut(Out):
    answers: int
    input_tokens: int
    output_tokens: int
    cost_usd: str


class CostsOut(Out):
    total: SpentOut
    models: dict[str, SpentOut]


class ConversationOut(Out):
    object: Literal["conversation"] = "conversation"
    id: str
    user_id: str
    title: str
    version: int
    branch: int
    branches: int
    messages: int
    model_history: list[RunOut]
    cost_tracking: CostsOut
    created_at: datetime
    updated_at: datetime
    expires_at: datetime | None


class ConversationPage(Page[ConversationOut]):
    next: str | None = Field(description="`after` with this leads to the next page.")


class BranchOut(Out):
    branch: int
    parent: int | None
    fork_seq: int
    version: int
    created_at: datetime


class ConversationWhole(ConversationOut):
    tree: list[BranchOut]


class ConversationGone(Out):
    object: Literal["conversation.deleted"] = "conversation.deleted"
    id: str
    deleted: Literal[True] = True


class ProducerOut(Out):
    model: str
    provider: str
    api: str
    input_tokens: int
    output_tokens: int
    cost_usd: str


class MessageOut(Out):
    id: str
    parent_id: str | None
    branch: int
    seq: int
    version: int
    role: Role
    name: str
    parts: list[dict[str, Any]]
    producer: ProducerOut | None
    tokens: int
    created_at: datetime


class MessagesOut(Out):
    object: Literal["list"] = "list"
    conversation_id: str
    version: int
    branch: int
    data: list[MessageOut]
    has_more: bool


class WrittenOut(Out):
    object: Literal["conversation.written"] = "conversation.written"
    version: int
    branch: int
    message_ids: list[str]


class PolicyOut(Out):
    object: Literal["conversation_policy"] = "conversation_policy"
    retention_days: int | None
    grace_days: int


def show_conversation(found: Conversation) -> ConversationOut:
    return ConversationOut(**_fields(found))


def show_whole(found: Conversation, branches: list[Branch]) -> ConversationWhole:
    tree = [BranchOut(**msgspec.structs.asdict(one)) for one in branches]
    return ConversationWhole(**_fields(found), tree=tree)


def show_written(written: Written) -> WrittenOut:
    return WrittenOut(version=written.version, branch=written.branch, message_ids=list(written.message_ids))


def show_policy(policy: Policy) -> PolicyOut:
    return PolicyOut(retention_days=policy.retention_days, grace_days=policy.grace_days)


def messages_json(
    found: Conversation, branch: int, path: list[StoredMessage], wanted: MessagesWanted
) -> bytes:
    """A `MessagesOut` of a page and one message more, without a model for each part: pages are long.

    Where it is the page's bytes that ended it, there may be more.
    """
    is_longer = len(path) > wanted.limit
    shown = path[-wanted.limit :] if wanted.order == "desc" else path[: wanted.limit]
    return msgspec.json.encode(
        {
            "object": "list",
            "conversation_id": found.id,
            "version": found.version,
            "branch": branch,
            "data": [_message(one) for one in shown],
            "has_more": is_longer or sum(one.bytes for one in path) >= PAGE_BYTES,
        }
    )


def _message(one: StoredMessage) -> dict[str, Any]:
    return {
        "id": one.id,
        "parent_id": one.parent_id,
        "branch": one.branch,
        "seq": one.seq,
        "version": one.version,
        "role": one.message.role,
        "name": one.message.name,
        "parts": one.message.parts,
        "producer": None if one.producer is None else _producer(one.producer),
        "tokens": one.tokens,
        "created_at": one.created_at,
    }


def _producer(producer: Producer) -> dict[str, Any]:
    return {
        "model": producer.model,
        "provider": producer.provider,
        "api": producer.api,
        "input_tokens": producer.input_tokens,
        "output_tokens": producer.output_tokens,
        "cost_usd": usd_text(producer.cost_pico),
    }


def _fields(found: Conversation) -> dict[str, Any]:
    return {
        "id": found.id,
        "user_id": found.user_id,
        "title": found.title,
        "version": found.version,
        "branch": found.head,
        "branches": found.branches,
        "messages": found.messages,
        "model_history": [
            RunOut(
                model=run.model,
                provider=run.provider,
                branch=run.branch,
                first_seq=run.first_seq,
                last_seq=run.last_seq,
                answers=run.answers,
            )
            for run in found.model_history
        ],
        "cost_tracking": _costs(found.cost_tracking),
        "created_at": found.created_at,
        "updated_at": found.updated_at,
        "expires_at": found.expires_at,
    }


def _costs(tracked: CostTracking) -> CostsOut:
    return CostsOut(
        total=_spent(tracked.total), models={name: _spent(one) for name, one in tracked.models.items()}
    )


def _spent(spent: Spent) -> SpentOut:
    return SpentOut(
        answers=spent.answers,
        input_tokens=spent.input_tokens,
        output_tokens=spent.output_tokens,
        cost_usd=usd_text(int(spent.cost_pico)),
    )
