"""Messages are embedded after they were written: out of a bounded outbox, by whoever has time."""

import logging
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from models.conversations.pieces import pieces
from models.errors import PolyvoxError
from models.store import Database, load_queries

log = logging.getLogger(__name__)

OUTBOX_MESSAGES = 10_000
"""How many messages wait at most; what finds no room is not forgotten, see `catch_up`."""
BATCH = 32
MAX_BATCHES = 200
"""Of one run: then others have their turn."""
CONVERSATIONS_AT_ONCE = 20
LEASE_S = 120.0
ATTEMPTS = 5
RETRY_AFTER_S = 5.0

Vectors = Sequence[Sequence[float]]
Embed = Callable[[Sequence[str]], Awaitable[Vectors]]
"""A vector for each text. Raises PolyvoxError where none can be made now."""


class Waiting(Struct, frozen=True):
    message_id: str
    text: str
    hopeless: bool = False
    """It has been tried often enough and is not waiting any more."""


class Lag(Struct, frozen=True):
    waiting: int
    oldest_s: float
    """How long the oldest of them has been waiting."""
    behind: int
    """Conversations with messages that found no room in the outbox."""


class PostgresEmbeddingQueue:
    """Each method raises Overloaded if the store is away."""

    def __init__(
        self, database: Database, *, outbox_messages: int = OUTBOX_MESSAGES, lease_s: float = LEASE_S
    ) -> None:
        self._database = database
        self._outbox_messages = outbox_messages
        self._lease_s = lease_s
        self._queries = load_queries("embedding_outbox")

    async def claim(self, limit: int) -> Sequence[Waiting]:
        """Those that wait longest. Nobody else gets them before the lease ends."""
        values = {"limit": limit, "attempts": ATTEMPTS, "lease_s": self._lease_s}
        return [_waiting(text) for text in await self._run("claim", values)]

    async def keep(self, vectors: Mapping[str, Vectors], encoder: str) -> None:
        """By message id: each piece's. The messages are then done."""
        rows = [(name, n, vector) for name, made in vectors.items() for n, vector in enumerate(made)]
        values = {
            "done": list(vectors),
            "message_id": [name for name, _, _ in rows],
            "piece": [number for _, number, _ in rows],
            "embedding": [msgspec.json.encode(list(vector)).decode() for _, _, vector in rows],
            "encoder": encoder,
        }
        await self._run("keep", values)

    async def release(self, message_ids: Sequence[str]) -> None:
        """They can be claimed again in a moment, and this attempt does not count."""
        await self._run("release", {"message_id": list(message_ids), "delay_s": RETRY_AFTER_S})

    async def catch_up(self) -> int:
        """As many messages of conversations that are behind as there is room for now wait, too; how many."""
        limits = {"outbox": self._outbox_messages, "conversations": CONVERSATIONS_AT_ONCE}
        (queued,) = await self._run("catch_up", limits)
        return int(queued)

    async def lag(self) -> Lag:
        (text,) = await self._run("lag", {})
        return msgspec.json.decode(text, type=Lag)

    async def _run(self, query: str, values: Mapping[str, Any]) -> list[str]:
        async def execute(connection: AsyncConnection) -> list[str]:
            cursor = await connection.execute(self._queries[query], values)
            return [text for (text,) in await cursor.fetchall()] if cursor.description else []

        return await self._database.run(execute)


class EmbeddingWorker:
    """Embeds what waits; any number of processes may run it."""

    def __init__(self, queue: PostgresEmbeddingQueue, embed: Embed, *, encoder: str) -> None:
        self._queue = queue
        self._embed = embed
        self._encoder = encoder

    async def run_once(self) -> None:
        """Until nothing waits. Raises what keeps the encoder from working."""
        for _ in range(MAX_BATCHES):
            claimed = await self._queue.claim(BATCH)
            for one in claimed:
                if one.hopeless:
                    log.warning("message %s could not be embedded in %d attempts", one.message_id, ATTEMPTS)
            await self._work([one for one in claimed if not one.hopeless])
            if not claimed and not await self._queue.catch_up():
                return

    async def _work(self, waiting: Sequence[Waiting]) -> None:
        if not waiting:
            return
        split = {one.message_id: pieces(one.text) for one in waiting}
        texts = [piece for parts in split.values() for piece in parts]
        try:
            made = iter(await self._embed(texts) if texts else ())
        except PolyvoxError:
            await self._queue.release(list(split))
            raise
        vectors = {name: [next(made) for _ in parts] for name, parts in split.items()}
        await self._queue.keep(vectors, self._encoder)


_waiting = msgspec.json.Decoder(Waiting).decode
