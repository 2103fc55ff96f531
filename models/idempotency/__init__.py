"""Requests that are answered once, however often they are sent."""

from models.idempotency.answer import MAX_ANSWER_BYTES, KeptAnswer, Overheard, Recording
from models.idempotency.errors import AnswerNotKept, IdempotencyKeyInUse, IdempotencyKeyReused
from models.idempotency.memory import InMemoryIdempotency
from models.idempotency.runs import Again, Asked, Idempotency, Run
from models.idempotency.store import Claimed, IdempotencyStore, Place, PostgresIdempotency, Taken

__all__ = [
    "MAX_ANSWER_BYTES",
    "Again",
    "AnswerNotKept",
    "Asked",
    "Claimed",
    "Idempotency",
    "IdempotencyKeyInUse",
    "IdempotencyKeyReused",
    "IdempotencyStore",
    "InMemoryIdempotency",
    "KeptAnswer",
    "Overheard",
    "Place",
    "PostgresIdempotency",
    "Recording",
    "Run",
    "Taken",
]
