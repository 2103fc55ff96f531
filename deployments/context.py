"""`ContextEngine`: conversations, and what a model is sent of them."""

import logging
from collections.abc import AsyncIterator

import msgspec
from redis.exceptions import RedisError

from deployments.catalogue import following, live_catalogue
from deployments.housekeeping import Job
from deployments.lane_deployment import LaneDeployment
from deployments.metrics import EmbeddingLag
from deployments.news import conversation_news, not_told
from deployments.settings import Args, Environment
from models.context_engine import ContextEngine
from models.conversations import (
    EmbeddingWorker,
    Histories,
    Owner,
    PostgresConversations,
    PostgresEmbeddingQueue,
    PostgresMeaning,
    Retention,
)
from models.conversing import Interaction, Summary, Switch, Turn
from models.encoding import EncoderService
from models.meaning import Meaning
from models.store import Database

log = logging.getLogger(__name__)

EMBED_EVERY_S = 1.0
LAG_EVERY_S = 5.0
RETENTION_EVERY_S = 600.0
LISTEN_AGAIN_S = 1.0

_named = msgspec.msgpack.Decoder(tuple[Owner, str, bool])
_turn = msgspec.msgpack.Decoder(Turn)
_interaction = msgspec.msgpack.Decoder(Interaction)
_switch = msgspec.msgpack.Decoder(Switch)
_branch = msgspec.msgpack.Decoder(tuple[Owner, str, int])
_summary = msgspec.msgpack.Decoder(Summary)
_encode = msgspec.msgpack.Encoder().encode


class ContextCalls:
    """The lane methods."""

    def __init__(self, engine: ContextEngine, meaning: Meaning) -> None:
        self._engine = engine
        self._meaning = meaning

    async def open_conversation(self, payload: bytes) -> AsyncIterator[bytes]:
        """`(Owner, id, whether it may be made)` in, a `Standing` out."""
        owner, conversation_id, create = _named.decode(payload)
        yield _encode(await self._engine.open_conversation(owner, conversation_id, create=create))

    async def optimize_context(self, payload: bytes) -> AsyncIterator[bytes]:
        """A `Turn` in, `Optimized` out."""
        yield _encode(await self._engine.optimize_context(_turn.decode(payload)))

    async def update_context(self, payload: bytes) -> AsyncIterator[bytes]:
        """An `Interaction` in, `Written` out."""
        yield _encode(await self._engine.update_context(_interaction.decode(payload)))

    async def preserve_context(self, payload: bytes) -> AsyncIterator[bytes]:
        """A `Switch` in, `Switched` out."""
        yield _encode(await self._engine.preserve_context(_switch.decode(payload)))

    async def summary_due(self, payload: bytes) -> AsyncIterator[bytes]:
        """`(Owner, id, branch)` in, a `SummaryDue` or nothing out."""
        yield _encode(await self._engine.summary_due(*_branch.decode(payload)))

    async def take_summary(self, payload: bytes) -> AsyncIterator[bytes]:
        """A `Summary` in, whether it is good enough out."""
        yield _encode(await self._engine.take_summary(_summary.decode(payload)))

    async def meaning(self, payload: bytes) -> AsyncIterator[bytes]:
        """A text in, its `Vector` out."""
        yield _encode(await self._meaning.vector(payload.decode()))


class ContextEngineDeployment(LaneDeployment):
    """Holds copies of hot conversations. PostgreSQL alone holds the truth: any number of replicas may run.

    Beside that it has messages embedded, and lets conversations end by policy.
    """

    def __init__(self, args: Args) -> None:
        environment = Environment()
        url = environment.database_url.get_secret_value()
        database = Database(url, max_size=8, acquire_timeout_s=4.0, application_name="polyvox-context")
        # Apart, so that no job keeps a request waiting.
        aside = Database(url, max_size=2, application_name="polyvox-context-jobs")
        live = live_catalogue(args, environment)
        self._news = conversation_news(environment)
        store = PostgresConversations(database, changed=self._news.tell if self._news else not_told)
        self._histories = Histories(store)
        self._encoder = EncoderService()
        meaning = Meaning(self._encoder, PostgresMeaning(database))
        engine = ContextEngine(
            store,
            self._histories,
            catalog=lambda: live.current,
            events=args.alerts.event_log(database),
            closeness=meaning.closeness,
        )
        self._queue = PostgresEmbeddingQueue(aside)
        worker = EmbeddingWorker(self._queue, self._encoder.embed, encoder=self._encoder.name)
        self._lag = EmbeddingLag()
        calls = ContextCalls(engine, meaning)
        super().__init__(
            {
                "open_conversation": calls.open_conversation,
                "optimize_context": calls.optimize_context,
                "update_context": calls.update_context,
                "preserve_context": calls.preserve_context,
                "summary_due": calls.summary_due,
                "take_summary": calls.take_summary,
                "meaning": calls.meaning,
            },
            max_in_flight=args.max_in_flight.context,
            jobs=[
                Job("the news of conversations", LISTEN_AGAIN_S, self._listen),
                Job("the embedding of messages", EMBED_EVERY_S, worker.run_once),
                Job("the lag of embeddings", LAG_EVERY_S, self._measure_lag),
                Job("the retention of conversations", RETENTION_EVERY_S, Retention(aside).run_once),
                following(live, lambda _: None),
            ],
        )

    async def __del__(self) -> None:
        await super().__del__()
        self._encoder.close()

    async def _measure_lag(self) -> None:
        self._lag.show(await self._queue.lag())

    async def _listen(self) -> None:
        if self._news is not None:
            try:
                await self._news.listen(self._histories.heard)
            except RedisError as error:
                log.info("no news of conversations: %s", error)
