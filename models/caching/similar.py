"""Answers to questions that mean the same, though their words differ: off unless switched on.

A question finds another one of its user's that was asked with the same instructions, conversation and
parameters, if it is close enough in meaning and the guard sees no difference that would matter. In shadow
nothing is given: what would have been is compared with the answer that came.
"""

import asyncio
import logging
from collections.abc import Awaitable, Callable
from typing import Literal, NamedTuple, Protocol

import msgspec
from msgspec import Struct

from models.caching.guard import difference
from models.caching.invalidation import Invalidation
from models.caching.kept import Cached
from models.caching.key import Owner, Question
from models.chat import ChatResponse, Text
from models.errors import PolyvoxError
from models.sealing import Seal

log = logging.getLogger(__name__)

Mode = Literal["off", "shadow", "on"]

LEAST_SIMILARITY = 0.85
"""Cosine of the two questions' vectors; `python -m tests.bench.semantic_cache` shows what it costs."""
AGREES = 0.8
"""Cosine of two answers that say much the same."""
DEADLINE_S = 0.3
"""For everything that a question waits for here."""
MAX_CANDIDATES = 3
_MAX_ANSWER_CHARS = 900


class Vector(Protocol):
    """As the encoder makes it, of length one."""

    @property
    def values(self) -> tuple[float, ...]: ...

    @property
    def encoder(self) -> str: ...


Embed = Callable[[str], Awaitable[Vector]]


class Near(NamedTuple):
    similarity: float
    name: bytes
    sealed: bytes


class SimilarStore(Protocol):
    """Each method raises Overloaded if the store is away. `owner` is always asked for."""

    async def near(
        self, owner: Owner, scope: bytes, vector: Vector, *, least: float, limit: int
    ) -> list[Near]:
        """Questions of the owner's, in that scope, at least so similar, the closest first."""
        ...

    async def put(
        self, owner: Owner, question: Question, vector: Vector, *, model_id: str, sealed: bytes, ttl_s: int
    ) -> None: ...

    async def invalidate(self, what: Invalidation) -> None: ...


class _Kept(Struct, frozen=True, array_like=True):
    question: str
    cached: Cached


class Looked(NamedTuple):
    """What a look-up came to; without a vector nobody could tell."""

    vector: Vector | None = None
    known: Cached | None = None
    similarity: float = 0.0


class Shadow(Struct):
    """What was counted of look-ups."""

    looked: int = 0
    found: int = 0
    guarded: int = 0
    """Close enough, and kept from being given by the guard."""
    agreed: int = 0
    """In shadow: of those found, the answers that came said much the same."""
    disagreed: int = 0


class SimilarAnswers:
    def __init__(
        self,
        store: SimilarStore,
        embed: Embed,
        *,
        secret: bytes,
        mode: Mode,
        least_similarity: float = LEAST_SIMILARITY,
    ) -> None:
        self.mode = mode
        self.counts = Shadow()
        self._store = store
        self._embed = embed
        self._seal = Seal(secret, "semantic cache: values")
        self._least = least_similarity

    async def look(self, owner: Owner, question: Question) -> Looked:
        """Raises nothing, and waits for no more than a moment."""
        try:
            async with asyncio.timeout(DEADLINE_S):
                vector = await self._embed(question.text)
                near = await self._store.near(
                    owner, question.scope, vector, least=self._least, limit=MAX_CANDIDATES
                )
        except (PolyvoxError, TimeoutError) as error:
            log.info("nobody can tell what is similar: %r", error)
            return Looked()
        self.counts.looked += 1
        for one in near:
            kept = self._opened(owner, question.scope, one)
            if kept is None:
                continue
            reason = difference(question.text, kept.question)
            if reason is None:
                self.counts.found += 1
                return Looked(vector, kept.cached, one.similarity)
            self.counts.guarded += 1
        return Looked(vector)

    async def keep(
        self, owner: Owner, question: Question, vector: Vector, cached: Cached, *, ttl_s: int
    ) -> None:
        """Raises nothing."""
        value = msgspec.msgpack.encode(_Kept(question.text, cached))
        sealed = self._seal.close(value, *_where(owner, question.scope, question.name))
        try:
            await self._store.put(
                owner, question, vector, model_id=cached.model_id, sealed=sealed, ttl_s=ttl_s
            )
        except PolyvoxError as error:
            log.info("an answer is not kept for similar questions: %r", error)

    async def compare(self, would: Cached, similarity: float, came: ChatResponse) -> None:
        """What shadow is for. Raises nothing."""
        try:
            first, second = await self._embed(_said(would.response)), await self._embed(_said(came))
        except PolyvoxError as error:
            log.info("two answers could not be compared: %r", error)
            return
        closeness = sum(a * b for a, b in zip(first.values, second.values, strict=True))
        if closeness >= AGREES:
            self.counts.agreed += 1
        else:
            self.counts.disagreed += 1
        log.info("questions %.3f alike would have shared answers %.3f alike", similarity, closeness)

    def _opened(self, owner: Owner, scope: bytes, near: Near) -> _Kept | None:
        value = self._seal.open(near.sealed, *_where(owner, scope, near.name))
        try:
            return None if value is None else _unpack(value)
        except (ValueError, msgspec.MsgspecError):
            return None


_unpack = msgspec.msgpack.Decoder(_Kept).decode


def _said(response: ChatResponse) -> str:
    return " ".join(part.text for part in response.parts if isinstance(part, Text))[:_MAX_ANSWER_CHARS]


def _where(owner: Owner, scope: bytes, name: bytes) -> tuple[bytes, ...]:
    return owner.tenant_id.encode(), owner.user_id.encode(), scope, name
