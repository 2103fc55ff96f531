"""How close in meaning the messages of a conversation are to a question: pgvector's answer."""

from collections.abc import Mapping

import msgspec
from psycopg import AsyncConnection

from models.conversations.search import Vector
from models.store import Database, load_queries


class PostgresMeaning:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._query = load_queries("conversation_search")["closeness"]

    async def closeness(self, conversation_id: str, question: Vector) -> Mapping[str, float]:
        """By message id, up to 1, of those embedded by now. Raises Overloaded if the store is away."""
        values = {
            "conversation_id": conversation_id,
            "encoder": question.encoder,
            "vector": msgspec.json.encode(question.values).decode(),
        }

        async def look(connection: AsyncConnection) -> str:
            cursor = await connection.execute(self._query, values)
            row = await cursor.fetchone()
            return row[0] if row is not None else "{}"

        return msgspec.json.decode(await self._database.run(look), type=dict[str, float])
