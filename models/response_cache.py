"""Answers that are given again, at no cost, to the same request of the same user.

Only plain answers that ended by themselves are kept: texts and thoughts, no calls of tools. Without the
installation's secret nobody can read what is kept. Where the store is away nothing is found or kept.
"""

import logging
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from models.caching.flights import Flight, Flights
from models.caching.invalidation import Invalidation, is_void
from models.caching.kept import MAX_ANSWER_BYTES, Cached, is_plain, pack, told, unpack, whole
from models.caching.key import CacheKeys, Owner, Question
from models.caching.local import LocalAnswers
from models.caching.similar import Looked, SimilarAnswers
from models.caching.store import CacheStore, Found
from models.caching.store import InMemoryCache as InMemoryCache
from models.caller import Caller
from models.catalog import Catalog
from models.charge import Charge
from models.chat import ChatRequest, ChatResponse, Chunk, Completed, Finished
from models.errors import Overloaded
from models.open_calls import OpenCalls
from models.providers.assembly import Assembly
from models.reply import Reply
from models.routing.policies import NoPolicies, Policies
from models.sealing import Seal

log = logging.getLogger(__name__)

HITS = "response_cache_hits"
"""What a usage record calls them."""
SIMILAR_HITS = "semantic_cache_hits"

Ask = Callable[[ChatRequest, Caller], Awaitable[Reply]]


class CachedReply(Reply):
    """An answer that was given before."""

    similarity: float | None = None
    """Of the two questions, where it was given to another one."""


class _Wanted(NamedTuple):
    """A request that an answer may be kept of, and what was found of it before it is asked."""

    key: str
    owner: Owner
    question: Question | None
    """Where a similar one's answer will do."""
    generation: int
    keeps: bool
    """False where the answer may be put together from those of two models."""
    flight: Flight | None = None
    at: int | None = None
    looked: Looked = Looked()

    @property
    def flight_key(self) -> tuple[str, bool]:
        """An answer to a similar question is not for those who want their own."""
        return self.key, self.question is not None


class ResponseCache:
    """`catalog` gives the one in force, `policies` the callers': with another one nothing old is found.

    `local` holds what this process gave last, before the store is asked. `similar`, if there is one, is asked
    for who takes the answer to a similar question.
    """

    def __init__(
        self,
        store: CacheStore,
        calls: OpenCalls,
        *,
        catalog: Callable[[], Catalog],
        secret: bytes,
        ttl_s: int,
        policies: Policies | None = None,
        local: LocalAnswers | None = None,
        similar: SimilarAnswers | None = None,
        flights: Flights | None = None,
    ) -> None:
        self._store = store
        self._calls = calls
        self._catalog = catalog
        self._policies = policies or NoPolicies()
        self._local = local or LocalAnswers(max_bytes=0)
        self._similar = similar
        self._keys = CacheKeys(secret)
        self._seal = Seal(secret, "response cache: values")
        self._ttl_s = ttl_s
        self._flights = flights or Flights()

    async def answer(self, request: ChatRequest, caller: Caller, ask: Ask, *, similar: bool = False) -> Reply:
        """What was answered before, or is just being answered to the same request; else what `ask` answers.

        `similar`: the answer to a question that means the same will do.
        """
        wanted = await self._wanted(request, caller, similar=similar)
        if wanted is None:
            return await ask(request, caller)
        known = self._local.get(wanted.key, wanted.owner)
        if known is None:
            flight = self._flights.under_way(wanted.flight_key)
            if flight is None:
                return await self._lead(wanted, request, caller, ask)
            known = await self._flights.follow(flight)
        if known is not None and known.model_id in self._catalog().models:
            return self._again(known, request, caller)
        return await self._ask(wanted, request, caller, ask)

    def forget(self, what: Invalidation) -> None:
        """What this process holds of it: others are told by `CacheInvalidation`."""
        self._local.invalidate(what)
        self._flights.forget()

    async def _wanted(self, request: ChatRequest, caller: Caller, *, similar: bool) -> _Wanted | None:
        """None where nothing can be kept: then `ask` says what is wrong, if anything is."""
        owner = Owner(caller.principal.tenant_id, caller.principal.user_id)
        try:
            policy = await self._policies.of(owner.tenant_id, caller.principal.key_id)
        except Overloaded:
            return None
        snapshot, policy = self._catalog().snapshot, caller.routing.within(policy)
        key = self._keys.name(owner, request, snapshot=snapshot, policy=policy)
        if key is None:
            return None
        sought = similar and self._similar is not None and self._similar.mode != "off"
        question = self._keys.question(owner, request, snapshot=snapshot, policy=policy) if sought else None
        return _Wanted(key, owner, question, self._local.generation, not caller.resilience.continues)

    async def _lead(self, wanted: _Wanted, request: ChatRequest, caller: Caller, ask: Ask) -> Reply:
        """Others that ask the same wait for how this comes out."""
        flight = self._flights.begin(wanted.flight_key)
        try:
            found = await self._store.get(wanted.key, tenant_id=wanted.owner.tenant_id)
            known = None if found.value is None else self._usable(wanted, found, found.value)
            if known is not None:
                flight.end(known)
                return self._again(known, request, caller)
            wanted = wanted._replace(flight=flight, at=found.at, looked=await self._look(wanted))
            if (similar := wanted.looked.known) is not None and not self._is_in_shadow():
                flight.end(similar)
                return self._again(similar, request, caller, similarity=wanted.looked.similarity)
            return await self._ask(wanted, request, caller, ask)
        except BaseException:
            flight.end(None)
            raise

    async def _ask(self, wanted: _Wanted, request: ChatRequest, caller: Caller, ask: Ask) -> Reply:
        reply = await ask(request, caller)
        reply.chunks = self._remembering(wanted, reply, reply.chunks)
        return reply

    def _usable(self, wanted: _Wanted, found: Found, sealed: bytes) -> Cached | None:
        value = self._seal.open(sealed, *_where(wanted.owner, wanted.key))
        try:
            known = None if value is None else unpack(value)
        except (ValueError, msgspec.MsgspecError):
            known = None
        if known is None:
            log.warning("what the response cache holds under %s is not its own", wanted.key)
            return None
        user_id, model_id = wanted.owner.user_id, known.model_id
        if is_void(found.marks, user_id=user_id, model_id=model_id, asked_at=known.asked_at):
            return None
        if model_id not in self._catalog().models:
            return None
        self._keep_here(wanted, known, size=len(sealed))
        return known

    async def _look(self, wanted: _Wanted) -> Looked:
        if wanted.question is None or self._similar is None:
            return Looked()
        looked = await self._similar.look(wanted.owner, wanted.question)
        if looked.known is not None and looked.known.model_id not in self._catalog().models:
            return Looked(looked.vector)
        return looked

    def _is_in_shadow(self) -> bool:
        return self._similar is not None and self._similar.mode == "shadow"

    def _again(
        self, known: Cached, request: ChatRequest, caller: Caller, *, similarity: float | None = None
    ) -> Reply:
        catalog = self._catalog()
        model = catalog.models[known.model_id]
        charge = Charge(
            caller, 0, model, requested_model=request.model, stream=request.stream, catalog=catalog
        )
        paid = charge.record("completed", known.response.usage)
        record = replace(
            paid,
            input_tokens=0,
            cache_read_tokens=0,
            cache_write_5m_tokens=0,
            cache_write_1h_tokens=0,
            output_tokens=0,
            reasoning_tokens=0,
            cost_pico=0,
            discount_pico=0,
            saved_pico=paid.cost_pico,
            usage_details={HITS: 1} if similarity is None else {HITS: 1, SIMILAR_HITS: 1},
        )
        self._calls.keep(self._calls.settle(record))
        reply = CachedReply(request_id=caller.request_id, model=model, attempts=0)
        reply.from_cache, reply.cost_pico, reply.similarity = True, 0, similarity
        reply.chunks = told(known.response, request)
        return reply

    async def _remembering(
        self, wanted: _Wanted, reply: Reply, answer: AsyncGenerator[list[Chunk], None]
    ) -> AsyncGenerator[list[Chunk], None]:
        heard = Assembly()
        try:
            async with aclosing(answer) as chunks:
                async for batch in chunks:
                    heard.add(batch)
                    for chunk in batch:
                        if isinstance(chunk, Finished | Completed):
                            self._keep(wanted, reply, whole(chunk, heard, reply))
                    yield batch
        finally:
            if wanted.flight is not None:
                wanted.flight.end(None)

    def _keep(self, wanted: _Wanted, reply: Reply, response: ChatResponse) -> None:
        if not (wanted.keeps and is_plain(response)):
            return
        cached = Cached(reply.model.id, response, wanted.at or 0)
        if wanted.flight is not None:
            wanted.flight.end(cached)
        value = pack(cached)
        if len(value) > MAX_ANSWER_BYTES:
            return
        self._keep_here(wanted, cached, size=len(value))
        if wanted.at is not None:
            sealed = self._seal.close(value, *_where(wanted.owner, wanted.key))
            self._calls.keep(self._store.put(wanted.key, sealed, ttl_s=self._ttl_s))
        self._keep_similar(wanted, cached)

    def _keep_here(self, wanted: _Wanted, cached: Cached, *, size: int) -> None:
        self._local.put(wanted.key, wanted.owner, cached, size=size, generation=wanted.generation)

    def _keep_similar(self, wanted: _Wanted, cached: Cached) -> None:
        similar, question, looked = self._similar, wanted.question, wanted.looked
        if similar is None or question is None or looked.vector is None:
            return
        if looked.known is not None:
            self._calls.keep(similar.compare(looked.known, looked.similarity, cached.response))
        if wanted.generation == self._local.generation:
            keeping = similar.keep(wanted.owner, question, looked.vector, cached, ttl_s=self._ttl_s)
            self._calls.keep(keeping)


def _where(owner: Owner, key: str) -> tuple[bytes, ...]:
    return owner.tenant_id.encode(), owner.user_id.encode(), key.encode()
