"""What is written and read, as PostgreSQL has it: arrays of what is new, rows of what there is."""

from typing import Any

import msgspec
from msgspec.structs import asdict

from models.chat import Message
from models.conversations.conversation import Conversation
from models.conversations.message import Producer, StoredMessage
from models.conversations.writing import Draft, Plan, Row

_json = msgspec.json.Encoder().encode
_message = msgspec.json.Decoder(Message).decode
_read_producer = msgspec.json.Decoder(Producer).decode


def account(conversation: Conversation) -> dict[str, Any]:
    return {
        **asdict(conversation),
        "model_history": _json(conversation.model_history).decode(),
        "cost_tracking": _json(conversation.cost_tracking).decode(),
    }


def branches(plan: Plan, wanted: Draft | None) -> dict[str, Any]:
    """A fork's key is its branch's, that of what is appended its first message's."""
    forks = wanted if wanted is not None and plan.branches else None
    return {
        "branch": [one.branch for one in plan.branches],
        "parent": [one.parent for one in plan.branches],
        "fork_seq": [one.fork_seq for one in plan.branches],
        "branch_key": [forks and forks.key for _ in plan.branches],
        "branch_digest": [forks and forks.digest for _ in plan.branches],
    }


def rows(plan: Plan, wanted: Draft | None) -> dict[str, Any]:
    stored = [row.stored for row in plan.rows]
    first = None if plan.branches else wanted
    rest = [None] * (len(stored) - 1)
    return {
        "message_id": [one.id for one in stored],
        "of_branch": [one.branch for one in stored],
        "seq": [one.seq for one in stored],
        "parent_id": [one.parent_id for one in stored],
        "role": [one.message.role for one in stored],
        "content": [row.content.decode() for row in plan.rows],
        "producer": [_producer(row) for row in plan.rows],
        "tokens": [one.tokens for one in stored],
        "size": [one.bytes for one in stored],
        "text": [row.text for row in plan.rows],
        "key": [first and first.key, *rest] if stored else [],
        "digest": [first and first.digest, *rest] if stored else [],
        "made_at": [one.created_at for one in stored],
    }


def message(row: tuple[Any, ...]) -> StoredMessage:
    id, parent_id, branch, seq, version, content, producer, tokens, size, created_at = row
    return StoredMessage(
        id=id,
        parent_id=parent_id,
        branch=branch,
        seq=seq,
        version=version,
        message=_message(content),
        producer=None if producer is None else _read_producer(producer),
        tokens=tokens,
        bytes=size,
        created_at=created_at,
    )


def _producer(row: Row) -> str | None:
    return None if row.stored.producer is None else _json(row.stored.producer).decode()
