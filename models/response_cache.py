"""Answers that are given again, at no cost, to the same request of the same user.

Only plain answers that ended by themselves are kept: texts and thoughts, no calls of tools. Without the
installation's secret nobody can read what is kept. Where the store is away nothing is found or kept.
"""

import hmac
import logging
import os
import time
from collections.abc import AsyncGenerator, Awaitable, Callable, Sequence
from contextlib import aclosing
from typing import Protocol

import msgspec
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from msgspec import Struct
from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Catalog
from models.charge import Charge
from models.chat import (
    ChatRequest,
    ChatResponse,
    Chunk,
    Completed,
    Finished,
    OpaqueDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
)
from models.open_calls import OpenCalls
from models.providers.assembly import Assembly
from models.reply import Reply

log = logging.getLogger(__name__)

HITS = "response_cache_hits"
"""What a usage record calls them."""
MAX_ANSWER_BYTES = 256 * 1024
_NONCE_BYTES = 12

Ask = Callable[[ChatRequest, Caller], Awaitable[Reply]]


class CacheStore(Protocol):
    async def get(self, key: str) -> bytes | None:
        """None where there is nothing, or nobody to ask. Raises nothing."""
        ...

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        """Raises nothing."""
        ...


class Cached(Struct, frozen=True):
    model_id: str
    response: ChatResponse


_pack = msgspec.msgpack.Encoder(order="sorted").encode
_unpack = msgspec.msgpack.Decoder(Cached).decode


class ResponseCache:
    """`catalog` gives the one in force: with another one, or another policy, nothing old is found."""

    def __init__(
        self,
        store: CacheStore,
        calls: OpenCalls,
        *,
        catalog: Callable[[], Catalog],
        secret: bytes,
        ttl_s: int,
    ) -> None:
        self._store = store
        self._calls = calls
        self._catalog = catalog
        self._naming = hmac.digest(secret, b"response cache: names", "sha256")
        self._cipher = AESGCM(hmac.digest(secret, b"response cache: values", "sha256"))
        self._ttl_s = ttl_s

    async def answer(self, request: ChatRequest, caller: Caller, ask: Ask) -> Reply:
        """What was answered before, else what `ask` answers now."""
        try:
            key = self._key(request, caller)
        except (OverflowError, RecursionError, UnicodeEncodeError):
            return await ask(request, caller)
        sealed = await self._store.get(key)
        known = None if sealed is None else self._opened(key, sealed)
        if known is not None and known.model_id in self._catalog().models:
            return self._again(known, request, caller)
        reply = await ask(request, caller)
        reply.chunks = self._remembering(key, reply, reply.chunks)
        return reply

    def _key(self, request: ChatRequest, caller: Caller) -> str:
        """Who asks, every parameter, what is asked of the router, and which models and prices there are."""
        who, snapshot = caller.principal, self._catalog().snapshot
        asked = (who.tenant_id, who.user_id, snapshot, caller.routing, replace(request, stream=False))
        return f"model:response:{hmac.digest(self._naming, _pack(asked), 'sha256').hex()}"

    def _again(self, known: Cached, request: ChatRequest, caller: Caller) -> Reply:
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
            usage_details={HITS: 1},
        )
        self._calls.keep(self._calls.settle(record))
        reply = Reply(request_id=caller.request_id, model=model, attempts=0)
        reply.from_cache, reply.cost_pico = True, 0
        reply.chunks = _played(_chunks(known.response) if request.stream else [Completed(known.response)])
        return reply

    async def _remembering(
        self, key: str, reply: Reply, answer: AsyncGenerator[list[Chunk], None]
    ) -> AsyncGenerator[list[Chunk], None]:
        heard = Assembly()
        async with aclosing(answer) as chunks:
            async for batch in chunks:
                heard.add(batch)
                for chunk in batch:
                    if isinstance(chunk, Finished | Completed):
                        self._keep(key, reply, _whole(chunk, heard, reply))
                yield batch

    def _keep(self, key: str, reply: Reply, response: ChatResponse) -> None:
        if response.finish != "stop" or response.usage.estimated or not _is_plain(response):
            return
        value = _pack(Cached(reply.model.id, response))
        if len(value) <= MAX_ANSWER_BYTES:
            self._calls.keep(self._store.put(key, self._sealed(key, value), ttl_s=self._ttl_s))

    def _sealed(self, key: str, value: bytes) -> bytes:
        nonce = os.urandom(_NONCE_BYTES)
        return nonce + self._cipher.encrypt(nonce, value, key.encode())

    def _opened(self, key: str, sealed: bytes) -> Cached | None:
        try:
            value = self._cipher.decrypt(sealed[:_NONCE_BYTES], sealed[_NONCE_BYTES:], key.encode())
            return _unpack(value)
        except (InvalidTag, ValueError, msgspec.MsgspecError):
            log.warning("what the response cache holds under %s is not its own", key)
            return None


class InMemoryCache:
    """Bounded by `max_entries`; `clock` is in seconds."""

    def __init__(self, *, max_entries: int = 1_000, clock: Callable[[], float] = time.monotonic) -> None:
        self.kept: dict[str, tuple[bytes, float]] = {}
        self._max_entries = max_entries
        self._clock = clock

    async def get(self, key: str) -> bytes | None:
        value, until = self.kept.get(key, (None, 0.0))
        return value if self._clock() < until else None

    async def put(self, key: str, value: bytes, *, ttl_s: int) -> None:
        if len(self.kept) >= self._max_entries:
            self.kept.pop(next(iter(self.kept)))
        self.kept[key] = (value, self._clock() + ttl_s)


def _whole(last: Finished | Completed, heard: Assembly, reply: Reply) -> ChatResponse:
    if isinstance(last, Completed):
        return last.response
    return ChatResponse(
        id=reply.request_id,
        model=reply.model.wire_name,
        parts=heard.parts,
        finish=last.finish,
        usage=last.usage,
        stop_sequence=last.stop_sequence,
        service_tier=last.service_tier,
    )


def _is_plain(response: ChatResponse) -> bool:
    """Whether it can be played as a stream without losing anything; one without a text is no answer."""
    return any(isinstance(part, Text) for part in response.parts) and all(
        isinstance(part, Thinking) or (isinstance(part, Text) and not part.citations)
        for part in response.parts
    )


def _chunks(response: ChatResponse) -> Sequence[Chunk]:
    chunks: list[Chunk] = [Started(response.id, response.model)]
    for part in response.parts:
        if isinstance(part, Text | Thinking):
            chunks.append(TextDelta(part.text) if isinstance(part, Text) else ThinkingDelta(part.text))
            chunks += map(OpaqueDelta, part.opaque)
    return [
        *chunks,
        Finished(response.finish, response.usage, response.stop_sequence, response.service_tier),
    ]


async def _played(chunks: Sequence[Chunk]) -> AsyncGenerator[list[Chunk], None]:
    yield list(chunks)
