"""What a request whose key cannot be honoured is told. Nothing was started for it."""

from typing import ClassVar

from models.errors import Conflict


class IdempotencyKeyReused(Conflict):
    """The key stands for another request."""

    code: ClassVar[str] = "idempotency_key_reused"


class IdempotencyKeyInUse(Conflict):
    """The same request is under way. `retry_after_s` is always known."""

    code: ClassVar[str] = "idempotency_key_in_use"
    retryable: ClassVar[bool] = True


class AnswerNotKept(Conflict):
    """It was answered, and paid for; the answer was too large to be given again."""

    code: ClassVar[str] = "idempotent_answer_not_kept"
