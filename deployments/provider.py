"""`Provider-openai`, `Provider-anthropic`, `Provider-google`: one class, bound once per protocol."""

import os
import threading
from collections.abc import AsyncGenerator, AsyncIterator

import msgspec
from msgspec.structs import replace
from pydantic import SecretStr

from deployments.catalogue import following, live_catalogue
from deployments.lane_deployment import LaneDeployment
from deployments.settings import Args, Environment, key_of
from models.catalog import Catalog
from models.catalog.model import Protocol
from models.chat import Chunk, Completed
from models.embedding import EmbeddingCall
from models.errors import ProviderAuthFailed
from models.providers import clients
from models.providers.adapter import ProviderAdapter
from models.providers.call import ProviderCall
from models.providers.profiles import Profiles

_WIRE: dict[Protocol, clients.Protocol] = {
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "google": "google_generate",
}

_ITEM_CHUNKS = 128
"""Chunks of one item: written out as events they are many times as large, and a reader may be slow."""

_ITEM_VECTORS = 16
"""Vectors of one item: some 200 KiB."""

_call = msgspec.msgpack.Decoder(ProviderCall)
_embedding_call = msgspec.msgpack.Decoder(EmbeddingCall)
_encode = msgspec.msgpack.Encoder().encode


class ProviderCalls:
    """The hosts of one protocol, each behind its adapter, as lane methods."""

    def __init__(self, adapters: dict[str, ProviderAdapter]) -> None:
        self._adapters = adapters

    async def stream(self, payload: bytes) -> AsyncIterator[bytes]:
        """A `ProviderCall` in; each item is a batch of chunks."""
        call = _call.decode(payload)
        adapter = self._adapter(call.host)
        if not call.request.stream:
            batch: list[Chunk] = [Completed(await adapter.send_chat_request(call))]
            yield _encode(batch)
            return
        chunks: AsyncGenerator[list[Chunk]] = adapter.stream_chat_response(call)
        try:
            async for batch in chunks:
                if len(batch) <= _ITEM_CHUNKS:
                    yield _encode(batch)
                    continue
                for start in range(0, len(batch), _ITEM_CHUNKS):
                    yield _encode(batch[start : start + _ITEM_CHUNKS])
        finally:
            await chunks.aclose()

    async def embed(self, payload: bytes) -> AsyncIterator[bytes]:
        """An `EmbeddingCall` in; each item is an `EmbeddingResponse` with some of the vectors."""
        call = _embedding_call.decode(payload)
        made = await self._adapter(call.host).embed(call)
        for start in range(0, len(made.vectors), _ITEM_VECTORS):
            yield _encode(replace(made, vectors=made.vectors[start : start + _ITEM_VECTORS]))

    async def check_health(self, payload: bytes) -> AsyncIterator[bytes]:
        """A host's id in; the item is its `ProviderHealth`."""
        yield _encode(await self._adapter(payload.decode()).check_health())

    def _adapter(self, host: str) -> ProviderAdapter:
        adapter = self._adapters.get(host)
        if adapter is None:
            raise ProviderAuthFailed(f"there are no credentials for {host}", provider=host, sent=False)
        return adapter


def adapters_of(protocol: Protocol, catalog: Catalog, *, max_connections: int) -> dict[str, ProviderAdapter]:
    """Adapters for the hosts that speak `protocol` and have credentials in this process's environment."""
    profiles = Profiles.load()
    adapters = {}
    for host in catalog.hosts.values():
        key = key_of(host)
        if host.protocol == protocol and key is not None:
            base_url = os.environ.get(host.base_url_env) or host.base_url
            address = clients.Host(
                id=host.id,
                protocol=_WIRE[protocol],
                key=SecretStr(key),
                base_url=base_url,
                max_connections=max_connections,
            )
            adapters[host.id] = ProviderAdapter(address, profiles=profiles)
    return adapters


class ProviderDeployment(LaneDeployment):
    """Holds the SDK clients and their connections; speaks the provider's wire; counts its calls in flight."""

    def __init__(self, protocol: Protocol, args: Args) -> None:
        live = live_catalogue(args, Environment())
        limit = args.max_in_flight.provider
        adapters = adapters_of(protocol, live.current, max_connections=limit)

        def use(catalog: Catalog) -> None:
            """Hosts that are new; those that are known keep their clients."""
            for host, adapter in adapters_of(protocol, catalog, max_connections=limit).items():
                adapters.setdefault(host, adapter)

        calls = ProviderCalls(adapters)
        super().__init__(
            {"stream": calls.stream, "embed": calls.embed, "check_health": calls.check_health},
            max_in_flight=limit,
            jobs=[following(live, use)],
        )
        # The SDK's modules take half a second to load: not at the first request's expense.
        threading.Thread(target=clients.preload, args=(_WIRE[protocol],), daemon=True).start()
