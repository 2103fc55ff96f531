"""What texts mean, and how close in meaning a conversation's messages are to a question."""

from collections.abc import Mapping

from models.conversations import PostgresMeaning, Vector
from models.encoding import EncoderService

MAX_QUESTION_CHARS = 2_000
"""Of a longer one the end counts: there the request stands."""


class Meaning:
    def __init__(self, encoder: EncoderService, messages: PostgresMeaning) -> None:
        self._encoder = encoder
        self._messages = messages

    async def vector(self, text: str) -> Vector:
        """Raises Overloaded, Internal."""
        (row,) = await self._encoder.embed([text[-MAX_QUESTION_CHARS:]])
        return Vector(tuple(row), self._encoder.name)

    async def closeness(self, conversation_id: str, question: str) -> Mapping[str, float]:
        """By message id, of what is embedded by now. Raises Overloaded, Internal."""
        return await self._messages.closeness(conversation_id, await self.vector(question))
