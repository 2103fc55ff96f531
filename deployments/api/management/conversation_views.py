"""Conversations as clients send and see them."""

from datetime import datetime
from typing import Any, Literal
from uuid import UUID

import msgspec
from pydantic import AwareDatetime, Field, StrictBool, model_validator

from deployments.api.management.fields import In, Limit, Name, Out, Page, Text
from models.chat import Message, Role
from models.conversations import (
    Branch,
    Conversation,
    CostTracking,
    NewMessage,
    Policy,
    Producer,
    Spent,
    StoredMessage,
    Written,
)
from models.errors import InvalidRequest, PayloadTooLarge
from models.money import usd_text

MAX_MESSAGE_BYTES = 1024 * 1024
MAX_APPENDED = 500

Users = Literal["mine", "all"]
Days = Field(None, ge=1, le=36_500)


class MessageIn(In):
    role: Role
    content: str | None = Field(None, description="A text, in place of `parts`.")
    parts: list[dict[str, Any]] | None = Field(None, description="Canonical parts, as `messages` shows them.")
    name: Text = ""
    model: Name | None = Field(None, description="Which model gave this answer.")
    provider: Text = ""
    api: Text = ""

    @model_validator(mode="after")
    def _has_one_content(self) -> "MessageIn":
        if (self.content is None) == (self.parts is None):
            raise ValueError("a message has either content or parts")
        if self.model is not None and self.role != "assistant":
            raise ValueError("a model gives answers of the role assistant")
        return self


class ConversationIn(In):
    id: UUID | None = Field(None, description="Of your own: making it again returns the one that there is.")
    title: Text = ""
    messages: list[MessageIn] = Field([], max_length=MAX_APPENDED)
    expires_at: AwareDatetime | None = None


class ConversationChange(In):
    """What is not named stays as it is."""

    title: Text | None = None
    branch: int | None = Field(None, ge=1, description="The branch that is shown and written to.")
    expires_at: AwareDatetime | None = Field(None, description="Null: it does not expire by itself.")


class ConversationsWanted(In):
    users: Users = Field("mine", description="`all` of the tenant's takes an administrator's key.")
    model: Name | None = Field(None, description="Only those in which it has answered.")
    after: str = Field("", max_length=256, description="The page's `next`.")
    limit: Limit = 100


class MessagesWanted(In):
    branch: int | None = Field(None, ge=1)
    after: int = Field(0, ge=0, le=2**31 - 1, description="Only messages with a higher `seq`.")
    before: int | None = Field(None, ge=1, le=2**31 - 1)
    order: Literal["asc", "desc"] = Field("asc", description="Which end the page is taken from.")
    limit: Limit = 100


class MessagesIn(In):
    messages: list[MessageIn] = Field(min_length=1, max_length=MAX_APPENDED)
    branch: int | None = Field(None, ge=1, description="By default the one that is shown.")


class ForkIn(In):
    """A branch that goes on after a message, or instead of one: an edit, or another try at an answer."""

    after: UUID | None = None
    instead_of: UUID | None = None
    messages: list[MessageIn] = Field([], max_length=MAX_APPENDED)
    select: StrictBool = Field(True, description="It becomes the branch that is shown and written to.")


class PolicyIn(In):
    retention_days: int | None = Days
    grace_days: int = Field(30, ge=0, le=3_650)


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


def new_messages(sent: list[MessageIn]) -> list[NewMessage]:
    """Raises InvalidRequest, PayloadTooLarge, naming the message at fault."""
    return [_new_message(one, f"messages.{number}") for number, one in enumerate(sent)]


def show_conversation(found: Conversation) -> ConversationOut:
    return ConversationOut(**_fields(found))


def show_whole(found: Conversation, branches: list[Branch]) -> ConversationWhole:
    tree = [BranchOut(**msgspec.structs.asdict(one)) for one in branches]
    return ConversationWhole(**_fields(found), tree=tree)


def show_written(written: Written) -> WrittenOut:
    return WrittenOut(
        version=written.version, branch=written.branch, message_ids=list(written.message_ids)
    )


def show_policy(policy: Policy) -> PolicyOut:
    return PolicyOut(retention_days=policy.retention_days, grace_days=policy.grace_days)


def messages_json(
    found: Conversation, branch: int, messages: list[StoredMessage], *, has_more: bool
) -> bytes:
    """A `MessagesOut`, without a model for each part: pages are long."""
    return msgspec.json.encode(
        {
            "object": "list",
            "conversation_id": found.id,
            "version": found.version,
            "branch": branch,
            "data": [_message(one) for one in messages],
            "has_more": has_more,
        }
    )


def _new_message(sent: MessageIn, where: str) -> NewMessage:
    parts = [{"type": "text", "text": sent.content}] if sent.parts is None else sent.parts
    try:
        message = msgspec.convert({"role": sent.role, "parts": parts, "name": sent.name}, Message)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"{where}: {error}", param=where) from None
    stray = _stray(parts, message.parts)
    if stray is not None:
        raise InvalidRequest(f"{where}: a part has no field {stray[:100]!r}", param=where)
    try:
        size = len(msgspec.json.encode(message))
    except UnicodeEncodeError:
        raise InvalidRequest(f"{where}: a text holds half a character", param=where) from None
    if size > MAX_MESSAGE_BYTES:
        raise PayloadTooLarge(f"{where} is longer than {MAX_MESSAGE_BYTES} bytes", param=where)
    if sent.model is None:
        return NewMessage(message)
    return NewMessage(message, Producer(model=sent.model, provider=sent.provider, api=sent.api))


def _stray(sent: Any, kept: Any) -> str | None:
    """A field that was sent and would not be kept, at any depth."""
    if isinstance(sent, list) and isinstance(kept, tuple):
        pairs = zip(sent, kept, strict=True)
        return next((found for pair in pairs if (found := _stray(*pair)) is not None), None)
    if not (isinstance(sent, dict) and isinstance(kept, msgspec.Struct)):
        return None
    known = {"type", *kept.__struct_fields__}
    strays = (
        name if name not in known else _stray(value, getattr(kept, name, None))
        for name, value in sent.items()
    )
    return next((found for found in strays if found is not None), None)


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
