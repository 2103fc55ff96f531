"""The gateway's ports, met by lanes: the only place that knows what each lane method carries."""

from collections.abc import Mapping, Sequence
from contextlib import aclosing
from typing import Self

import msgspec
from msgspec import Struct

from deployments.lane.client import Lane, LaneStream
from models.catalog import Catalog, Mode
from models.chat import ChatRequest, Chunk
from models.conversations import Owner, Vector, Written
from models.conversing import (
    Interaction,
    Optimized,
    Standing,
    Summary,
    SummaryDue,
    Switch,
    Switched,
    Turn,
)
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import InvalidRequest, ReplicaLost
from models.health import Health
from models.ledger import Ask, UsageRecord
from models.providers.call import ProviderCall
from models.routing import Plan
from models.routing.router import Setting

_encode = msgspec.msgpack.Encoder().encode
_chunks = msgspec.msgpack.Decoder(list[Chunk])
_embeddings = msgspec.msgpack.Decoder(EmbeddingResponse)
_amount = msgspec.msgpack.Decoder(int)
_plan = msgspec.msgpack.Decoder(Plan)
_standing = msgspec.msgpack.Decoder(Standing)
_optimized = msgspec.msgpack.Decoder(Optimized)
_written = msgspec.msgpack.Decoder(Written)
_switched = msgspec.msgpack.Decoder(Switched)
_due: msgspec.msgpack.Decoder[SummaryDue | None] = msgspec.msgpack.Decoder(SummaryDue | None)
_vector = msgspec.msgpack.Decoder(Vector)
_verdict = msgspec.msgpack.Decoder(bool)

HEALTH_S = 8.0
"""Somewhat more than an adapter takes for it at most."""

_GRACE_S = 5.0
"""What a lane's deadline allows beyond the callee's own, so that the callee's error is the one seen."""


class _Health(Struct, frozen=True):
    """As much of a `ProviderHealth` as is of interest here."""

    status: Health


_health = msgspec.msgpack.Decoder(_Health)


class ProviderLanes:
    """`Providers` and `EmbeddingProviders`: one lane per protocol, found by the host's."""

    def __init__(self, catalog: Catalog, lanes: Mapping[str, Lane]) -> None:
        self._lanes = lanes
        self.use(catalog)

    def use(self, catalog: Catalog) -> None:
        self._by_host = {host.id: self._lanes[host.protocol] for host in catalog.hosts.values()}

    def stream(self, call: ProviderCall) -> "LaneChunks":
        payload, timeout_s = _packed(call), call.total_timeout_s + _GRACE_S
        return LaneChunks(self._by_host[call.host].stream("stream", payload, timeout_s=timeout_s))

    async def check_health(self, host: str) -> Health:
        """By a question that costs nothing. Raises ReplicaLost and its kin where it cannot be put."""
        lane = self._by_host[host]
        return _health.decode(await lane.call("check_health", host.encode(), timeout_s=HEALTH_S)).status

    async def embed(self, call: EmbeddingCall) -> EmbeddingResponse:
        lane, timeout_s = self._by_host[call.host], call.total_timeout_s + _GRACE_S
        parts: list[EmbeddingResponse] = []
        async with aclosing(lane.stream("embed", _packed(call), timeout_s=timeout_s)) as batches:
            async for batch in batches:
                parts += map(_embeddings.decode, batch)
        if not parts:
            raise ReplicaLost(f"{lane.name} gave no answer")
        vectors = tuple(vector for part in parts for vector in part.vectors)
        return EmbeddingResponse(vectors=vectors, usage=parts[0].usage)


class LaneChunks:
    """`Chunks` out of a lane's items, each of which is a batch of them."""

    def __init__(self, items: LaneStream) -> None:
        self._items = items
        self.hang_up = items.hang_up
        self.aclose = items.aclose

    def __aiter__(self) -> Self:
        return self

    async def __anext__(self) -> list[Chunk]:
        batch = await self._items.__anext__()
        chunks = _chunks.decode(batch[0])
        for item in batch[1:]:
            chunks += _chunks.decode(item)
        return chunks


def _packed(said: object) -> bytes:
    try:
        return _encode(said)
    except OverflowError:
        raise InvalidRequest("the request holds an integer beyond 64 bits", sent=False) from None
    except RecursionError:
        raise InvalidRequest("the request is nested too deeply", sent=False) from None


class RouterLane:
    def __init__(self, lane: Lane, *, timeout_s: float = 2.0) -> None:
        self._lane = lane
        self._timeout_s = timeout_s

    async def plan(self, request: ChatRequest, mode: Mode, setting: Setting | None = None) -> Plan:
        question = _packed((request, mode, setting or Setting()))
        return _plan.decode(await self._lane.call("plan", question, timeout_s=self._timeout_s))


class ContextLane:
    """`ContextEngine`. Every method may be run twice: what it writes has a key."""

    def __init__(self, lane: Lane, *, timeout_s: float = 10.0) -> None:
        self._lane = lane
        self._timeout_s = timeout_s

    async def open_conversation(self, owner: Owner, conversation_id: str, *, create: bool) -> Standing:
        return _standing.decode(await self._call("open_conversation", (owner, conversation_id, create)))

    async def optimize_context(self, turn: Turn) -> Optimized:
        return _optimized.decode(await self._call("optimize_context", turn))

    async def update_context(self, interaction: Interaction) -> Written:
        return _written.decode(await self._call("update_context", interaction))

    async def preserve_context(self, switch: Switch) -> Switched:
        return _switched.decode(await self._call("preserve_context", switch))

    async def summary_due(self, owner: Owner, conversation_id: str, branch: int) -> SummaryDue | None:
        return _due.decode(await self._call("summary_due", (owner, conversation_id, branch)))

    async def take_summary(self, summary: Summary) -> bool:
        return _verdict.decode(await self._call("take_summary", summary))

    async def meaning(self, text: str) -> Vector:
        """Raises Overloaded."""
        return _vector.decode(await self._lane.call("meaning", text.encode(), timeout_s=self._timeout_s))

    async def _call(self, method: str, said: object) -> bytes:
        return await self._lane.call(method, _packed(said), timeout_s=self._timeout_s)


class LedgerLane:
    def __init__(self, lane: Lane, *, timeout_s: float) -> None:
        self._lane = lane
        self._timeout_s = timeout_s

    async def reserve(self, ask: Ask) -> int:
        timeout_s = self._timeout_s + ask.wait_s
        return _amount.decode(await self._lane.call("reserve", _encode(ask), timeout_s=timeout_s))

    async def settle(self, record: UsageRecord) -> None:
        await self._lane.call("settle", _encode(record), timeout_s=self._timeout_s)

    async def renew(self, records: Sequence[UsageRecord]) -> None:
        await self._lane.call("renew", _encode(records), timeout_s=self._timeout_s)
