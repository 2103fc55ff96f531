"""One provider, spoken to: a host x a wire module x the official SDK's client.

`ProviderAdapter` is the requirements document's `AIProviderAdapter`. It makes one attempt and never
retries; what goes wrong is an error of `models.errors`, whose `sent` tells whether the provider got it.
"""

import json
import time
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from functools import cached_property, partial
from typing import Any, Literal

import msgspec
import orjson
from msgspec import Struct
from msgspec.structs import replace

from models.chat import ChatRequest, ChatResponse, Chunk
from models.embedding import EmbeddingCall, EmbeddingResponse
from models.errors import (
    InvalidRequest,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
)
from models.providers.call import ProviderCall
from models.providers.clients import EmbeddingClient, Host, Protocol, SdkClient, connect
from models.providers.embeddings import CODECS
from models.providers.exchange import Exchange
from models.providers.fetching import Fetcher
from models.providers.names import original_names
from models.providers.profiles import Profile, Profiles
from models.providers.wire import PROFILE_FAMILY, wire_for

HealthStatus = Literal["healthy", "degraded", "unavailable"]

_PROBE = ProviderCall(
    request=ChatRequest(model="", messages=()),
    host="",
    model="",
    max_output_tokens=0,
    request_id="",
    connect_timeout_s=2.0,
    total_timeout_s=5.0,
)


class ProviderHealth(Struct, frozen=True, kw_only=True):
    provider: str
    status: HealthStatus
    """Degraded: it answers, and asks for less."""
    latency_s: float
    error_code: str | None = None
    message: str = ""


class AuthenticationResult(Struct, frozen=True, kw_only=True):
    provider: str
    accepted: bool
    message: str = ""


class ProviderCapabilities(Struct, frozen=True, kw_only=True):
    provider: str
    protocol: Protocol
    models: dict[str, Profile]
    """What each model that the key may use accepts, by the provider's own name. Of long lists the first."""


class ProviderAdapter:
    """Belongs to the event loop of its first call: call it and close it there."""

    def __init__(self, host: Host, *, profiles: Profiles, fetcher: Fetcher | None = None) -> None:
        """`fetcher` gets what a request names by its address and the provider takes as data alone."""
        self._fetcher = fetcher or Fetcher()
        self.host = host
        self._wire = wire_for(host.protocol)
        self._profiles = profiles

    async def send_chat_request(self, call: ProviderCall) -> ChatResponse:
        profile = self._profile(call.model)
        call = await self._shown(call, profile)
        exchange = self._exchange(call, tool_names=original_names(call.request, profile))
        return await exchange.answer(self._body(call, profile, stream=False))

    def stream_chat_response(self, call: ProviderCall) -> AsyncGenerator[list[Chunk]]:
        """What arrived together comes together. `aclose` (or cancelling its reader) hangs up at once."""
        profile = self._profile(call.model)
        if self._fetcher.is_needed(call.request, profile):
            return self._stream_once_shown(call, profile)
        return self._stream(call, profile)

    def _stream(self, call: ProviderCall, profile: Profile) -> AsyncGenerator[list[Chunk]]:
        exchange = self._exchange(call, tool_names=original_names(call.request, profile))
        return exchange.chunks(self._body(call, profile, stream=True))

    async def _stream_once_shown(self, call: ProviderCall, profile: Profile) -> AsyncGenerator[list[Chunk]]:
        async with aclosing(self._stream(await self._shown(call, profile), profile)) as chunks:
            async for batch in chunks:
                yield batch

    async def _shown(self, call: ProviderCall, profile: Profile) -> ProviderCall:
        if not self._fetcher.is_needed(call.request, profile):
            return call
        return replace(call, request=await self._fetcher.shown(call.request, profile))

    async def embed(self, call: EmbeddingCall) -> EmbeddingResponse:
        codec, request = CODECS.get(self.host.protocol), call.request
        if codec is None or not isinstance(client := self._client, EmbeddingClient):
            raise InvalidRequest(f"{self.host.id} has no embeddings", param="model", sent=False)
        opening = client.embed(
            _json(codec.encode(request, model=call.model)),
            model=call.model,
            connect_timeout_s=call.connect_timeout_s,
        )
        decode = partial(codec.decode, inputs=len(request.inputs))
        return await self._exchange(_timed(call)).embeddings(opening, decode)

    async def check_health(self) -> ProviderHealth:
        started = time.perf_counter()
        status: HealthStatus = "healthy"
        error: PolyvoxError | None = None
        try:
            await self._exchange(_PROBE).models()
        except PolyvoxError as failure:
            error = failure
            busy = isinstance(failure, ProviderRateLimited | ProviderOverloaded)
            status = "degraded" if busy else "unavailable"
        return ProviderHealth(
            provider=self.host.id,
            status=status,
            latency_s=time.perf_counter() - started,
            error_code=error.code if error else None,
            message=error.message if error else "",
        )

    async def authenticate(self) -> AuthenticationResult:
        """Whether the host takes our key. Raises whatever else is in the way of knowing."""
        try:
            await self._exchange(_PROBE).models()
        except ProviderAuthFailed as refused:
            return AuthenticationResult(provider=self.host.id, accepted=False, message=refused.message)
        return AuthenticationResult(provider=self.host.id, accepted=True)

    async def get_capabilities(self) -> ProviderCapabilities:
        page = await self._exchange(_PROBE).models()
        return ProviderCapabilities(
            provider=self.host.id,
            protocol=self.host.protocol,
            models={name: self._profile(name) for name in self._model_names(page)},
        )

    async def close(self) -> None:
        client = self.__dict__.pop("_client", None)
        if client is not None:
            await client.close()

    @cached_property
    def _client(self) -> SdkClient:
        return connect(self.host)

    def _exchange(self, call: ProviderCall, *, tool_names: Mapping[str, str] | None = None) -> Exchange:
        return Exchange(
            call,
            client=self._client,
            wire=self._wire,
            provider=self.host.id,
            tool_names=tool_names,
            secrets=self.host.secrets,
            keep_rest=call.request.dialect == PROFILE_FAMILY[self.host.protocol],
            headers=call.request.provider_headers.get(PROFILE_FAMILY[self.host.protocol]),
        )

    def _profile(self, model: str) -> Profile:
        return self._profiles.for_model(PROFILE_FAMILY[self.host.protocol], model)

    def _body(self, call: ProviderCall, profile: Profile, *, stream: bool) -> bytes:
        request = call.request
        if request.stream is not stream:
            request = replace(request, stream=stream)
        body = self._wire.encode(
            request,
            model=call.model,
            profile=profile,
            max_output_tokens=call.max_output_tokens,
        )
        return _json(body)

    def _model_names(self, page: bytes) -> list[str]:
        """`data[].id` at OpenAI and Anthropic, `models[].name` at Google."""
        try:
            listing = _listings.decode(page)
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise ProviderGarbled(
                f"{self.host.id}: a list of models that is none", provider=self.host.id
            ) from None
        return [row.id for row in listing.data] + [row.name.removeprefix("models/") for row in listing.models]


def _timed(call: EmbeddingCall) -> ProviderCall:
    """What an exchange needs to know of a call: who asks whom, and for how long."""
    return replace(
        _PROBE,
        host=call.host,
        model=call.model,
        request_id=call.request_id,
        connect_timeout_s=call.connect_timeout_s,
        first_byte_timeout_s=call.first_byte_timeout_s,
        idle_timeout_s=call.idle_timeout_s,
        total_timeout_s=call.total_timeout_s,
    )


class _Row(Struct, frozen=True):
    id: str = ""
    name: str = ""


class _Listing(Struct, frozen=True):
    data: tuple[_Row, ...] = ()
    models: tuple[_Row, ...] = ()


_listings = msgspec.json.Decoder(_Listing)


def _json(body: dict[str, Any]) -> bytes:
    try:
        return orjson.dumps(body)
    except TypeError:
        # Integers beyond 64 bits and lone surrogates, which a caller's schema or text may hold.
        return json.dumps(body).encode()
