"""Conversations as documents: this project's own form holds a whole tree, others' one list of messages."""

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from itertools import groupby
from typing import Annotated, Any, Literal, NamedTuple

import msgspec
from msgspec import Meta, Struct

from models.chat import Message
from models.conversations.conversation import FIRST_BRANCH, Branch, Conversation
from models.conversations.message import NewMessage, Producer, StoredMessage
from models.conversations.planting import Given, NewBranch, NewConversation
from models.conversations.writing import MAX_BRANCHES, MAX_MESSAGES
from models.errors import InvalidRequest

OWN = "polyvox"

_Moment = Annotated[datetime, Meta(tz=True)]
_Label = Annotated[str, Meta(max_length=128, pattern=r"^[^\x00-\x1f\x7f\ud800-\udfff]*\Z")]


class Format(NamedTuple):
    """How somebody else writes conversations."""

    read: Callable[[Mapping[str, Any]], Sequence[Message]]
    """Raises InvalidRequest."""
    write: Callable[[Sequence[Message]], Mapping[str, Any]]


class _Maker(Struct, frozen=True, kw_only=True, omit_defaults=True):
    model: _Label
    provider: _Label = ""
    api: _Label = ""
    account: _Label = ""
    input_tokens: int = 0
    output_tokens: int = 0
    cost_pico: str = "0"


class _Spoken(Struct, frozen=True, kw_only=True, omit_defaults=True):
    message: Message
    producer: _Maker | None = None
    tokens: Annotated[int, Meta(ge=0, le=2**31 - 1)] = 0
    created_at: _Moment | None = None


class _Grown(Struct, frozen=True, kw_only=True, omit_defaults=True):
    parent: int | None = None
    fork_seq: int = 0
    messages: Annotated[tuple[_Spoken, ...], Meta(max_length=MAX_MESSAGES)] = ()


class Document(Struct, frozen=True, kw_only=True):
    """A conversation with all its branches, which count from 1."""

    format: Literal["polyvox"] = "polyvox"
    version: Literal[1] = 1
    title: _Label = ""
    head: int = FIRST_BRANCH
    branches: Annotated[tuple[_Grown, ...], Meta(min_length=1, max_length=MAX_BRANCHES)]


def exported(
    conversation: Conversation, branches: Sequence[Branch], messages: Sequence[StoredMessage]
) -> Document:
    """`messages` in the order of branch and `seq`."""
    of = {branch: tuple(map(_spoken, own)) for branch, own in groupby(messages, lambda one: one.branch)}
    grown = (
        _Grown(parent=one.parent, fork_seq=one.fork_seq, messages=of.get(one.branch, ())) for one in branches
    )
    return Document(title=conversation.title, head=conversation.head, branches=tuple(grown))


def imported(document: Mapping[str, Any], *, id: str) -> NewConversation:
    """What its answers took is left behind: it was not spent here. Raises InvalidRequest."""
    try:
        read = msgspec.convert(document, Document)
    except msgspec.ValidationError as error:
        raise InvalidRequest(f"the document cannot be read: {error}", param="conversation") from None
    branches = (
        NewBranch(parent=one.parent, fork_seq=one.fork_seq, messages=tuple(map(_given, one.messages)))
        for one in read.branches
    )
    return NewConversation(id=id, title=read.title, head=read.head, branches=tuple(branches))


def _spoken(one: StoredMessage) -> _Spoken:
    maker = None if one.producer is None else _maker(one.producer)
    return _Spoken(message=one.message, producer=maker, tokens=one.tokens, created_at=one.created_at)


def _maker(producer: Producer) -> _Maker:
    return _Maker(
        model=producer.model,
        provider=producer.provider,
        api=producer.api,
        account=producer.account,
        input_tokens=producer.input_tokens,
        output_tokens=producer.output_tokens,
        cost_pico=str(producer.cost_pico),
    )


def _given(spoken: _Spoken) -> Given:
    made, producer = spoken.producer, None
    if made is not None:
        producer = Producer(model=made.model, provider=made.provider, api=made.api, account=made.account)
    return Given(NewMessage(spoken.message, producer, spoken.tokens), spoken.created_at)
