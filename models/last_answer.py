"""What a conversation's next turn follows: it says what the turn is about, and how the answer was taken."""

from collections.abc import Sequence
from datetime import datetime

from msgspec import Struct

from models.conversations import StoredMessage
from models.routing.turns import said

QUESTION_CHARS = 500


class LastAnswer(Struct, frozen=True, kw_only=True):
    request_id: str
    model_id: str
    question: str
    """The beginning of what it answered."""
    at: datetime


def last_answer(messages: Sequence[StoredMessage]) -> LastAnswer | None:
    """None where no model has answered yet."""
    question = ""
    answer: StoredMessage | None = None
    for stored in reversed(messages):
        if answer is None and stored.producer is not None and stored.producer.request_id:
            answer = stored
        elif answer is not None and stored.message.role == "user":
            question = said(stored.message)[:QUESTION_CHARS]
            break
    if answer is None or answer.producer is None:
        return None
    return LastAnswer(
        request_id=answer.producer.request_id,
        model_id=answer.producer.model,
        question=question,
        at=answer.created_at,
    )
