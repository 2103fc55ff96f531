"""One exchange with a provider: bytes out, bytes in, in time, and every failure a `ProviderError`."""

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable, Collection, Mapping
from contextlib import suppress
from typing import TypeVar

import httpx2
import msgspec
import orjson

from models.cancellation import is_hang_up
from models.chat import ChatResponse, Chunk, Finished
from models.embedding import EmbeddingResponse
from models.errors import PolyvoxError, ProviderError, ProviderGarbled, ProviderTimeout, ProviderUnavailable
from models.providers.call import Alarm, Clock, ProviderCall
from models.providers.clients import SdkClient
from models.providers.failures import hide
from models.providers.sse import SseParser
from models.providers.transport import CALL_ID, EXTRA_HEADERS, ResponseBody
from models.providers.wire import StreamDecoder, Wire

MAX_ANSWER_BYTES = 32 * 1024 * 1024
MAX_EMBEDDINGS_BYTES = 64 * 1024 * 1024
"""2,048 vectors of 3,072 numbers are just above 32 MiB in base64."""

T = TypeVar("T")

_DRAIN_TIMEOUT_S = 0.05
_NOT_THE_PROTOCOL = (ValueError, TypeError, KeyError, IndexError, AttributeError, msgspec.MsgspecError)
"""What a wire module stumbles over in an answer of the wrong shape."""


class Exchange:
    """Serves one call once. Create it where the call starts: its clock runs."""

    def __init__(
        self,
        call: ProviderCall,
        *,
        client: SdkClient,
        wire: Wire,
        provider: str,
        tool_names: Mapping[str, str] | None = None,
        secrets: Collection[str] = (),
        keep_rest: bool = False,
        headers: Mapping[str, str] | None = None,
    ) -> None:
        """`secrets` are in no error that it raises; `keep_rest` keeps what its provider alone says."""
        self._call = call
        self._client = client
        self._wire = wire
        self._provider = provider
        self._tool_names = tool_names or {}
        self._keep_rest = keep_rest
        self._headers = headers or {}
        self._secrets = secrets
        self._clock = Clock(call, provider=provider)

    async def answer(self, body: bytes) -> ChatResponse:
        whole = await self._in_time(self._generate(body, stream=False))
        return self._read_as(
            whole,
            lambda body: self._wire.decode(
                orjson.loads(body), tool_names=self._tool_names, keep_rest=self._keep_rest
            ),
        )

    async def embeddings(
        self, opening: Awaitable[ResponseBody], decode: Callable[[bytes], EmbeddingResponse]
    ) -> EmbeddingResponse:
        """`opening` is the client's call, not yet begun."""
        CALL_ID.set(self._call.request_id)
        EXTRA_HEADERS.set(self._headers)
        return self._read_as(await self._in_time(opening, most=MAX_EMBEDDINGS_BYTES), decode)

    async def chunks(self, body: bytes) -> AsyncGenerator[list[Chunk]]:
        try:
            async with asyncio.timeout_at(self._clock.deadline()):
                answer = await self._opened(self._generate(body, stream=True))
        except TimeoutError:
            raise self._clock.late() from None
        alarm = Alarm(
            self._clock,
            check_every_s=self._call.idle_timeout_s,
            ring=lambda: answer.abort(self._clock.late()),
        )
        events, decoder, finished = SseParser(), self._decoder(), False
        try:
            while not finished:
                try:
                    data = await self._read(answer)
                except asyncio.CancelledError as left:
                    if not is_hang_up(left):
                        raise
                    yield self._decode(await _arrived(answer), events, decoder)[0]
                    return
                chunks, failure = self._decode(data, events, decoder)
                if chunks:
                    finished = type(chunks[-1]) is Finished
                    yield chunks
                if failure:
                    raise failure
                if not (data or finished):
                    raise self._error(ProviderUnavailable, "the stream ended before the answer did")
            alarm.cancel()
            await _drain(answer)
        finally:
            alarm.cancel()
            answer.close()

    async def models(self) -> bytes:
        """The provider's list of models, as it sends it."""
        return await self._in_time(self._client.models(self._call.connect_timeout_s))

    def _generate(self, body: bytes, *, stream: bool) -> Awaitable[ResponseBody]:
        call = self._call
        CALL_ID.set(call.request_id)
        EXTRA_HEADERS.set(self._headers)
        return self._client.generate(
            body, model=call.model, stream=stream, connect_timeout_s=call.connect_timeout_s
        )

    def _decoder(self) -> StreamDecoder:
        return self._wire.StreamDecoder(
            provider=self._provider,
            model=self._call.model,
            tool_names=self._tool_names,
            keep_rest=self._keep_rest,
        )

    async def _opened(self, opening: Awaitable[ResponseBody]) -> ResponseBody:
        try:
            return await opening
        except self._client.errors as error:
            raise self._failure(error) from None

    async def _in_time(self, opening: Awaitable[ResponseBody], *, most: int = MAX_ANSWER_BYTES) -> bytes:
        try:
            async with asyncio.timeout_at(self._clock.deadline()) as timer:
                return await self._whole(opening, timer, most=most)
        except TimeoutError:
            raise self._clock.late() from None

    async def _whole(self, opening: Awaitable[ResponseBody], timer: asyncio.Timeout, *, most: int) -> bytes:
        answer = await self._opened(opening)
        pieces, size = [], 0
        try:
            while data := await self._read(answer, timer):
                pieces.append(data)
                size += len(data)
                if size > most:
                    raise self._garbled(f"an answer larger than {most // 1024 // 1024} MiB")
        finally:
            answer.close()
        return b"".join(pieces)

    def _read_as(self, whole: bytes, decode: Callable[[bytes], T]) -> T:
        try:
            return decode(whole)
        except _NOT_THE_PROTOCOL as wrong:
            raise self._garbled(f"{type(wrong).__name__} in the answer") from None
        except PolyvoxError as failure:
            raise self._named(failure) from None

    async def _read(self, answer: ResponseBody, timer: asyncio.Timeout | None = None) -> bytes:
        self._clock.waits()
        if timer:
            timer.reschedule(self._clock.deadline())
        try:
            data = await answer.read()
        except httpx2.TransportError:
            said = "the connection broke in the middle of the answer"
            raise self._error(ProviderUnavailable, said) from None
        self._clock.arrived()
        return data

    def _decode(
        self, data: bytes, events: SseParser, decoder: StreamDecoder
    ) -> tuple[list[Chunk], PolyvoxError | None]:
        """The chunks before a failure still count: they are paid for."""
        chunks: list[Chunk] = []
        try:
            for event, payload in events.feed(data):
                chunks += decoder.feed(event, payload)
            if not data:
                chunks += decoder.finish()
        except PolyvoxError as failure:
            return chunks, self._named(failure)
        except _NOT_THE_PROTOCOL as wrong:
            return chunks, self._garbled(f"{type(wrong).__name__} in a streamed event")
        return chunks, None

    def _failure(self, error: Exception) -> PolyvoxError:
        """What an SDK's error means. Its own text is not repeated: it may name addresses."""
        response = getattr(error, "response", None)
        if isinstance(response, httpx2.Response):
            return self._named(
                self._wire.error_from(
                    response.status_code,
                    response.content,
                    response.headers,
                    provider=self._provider,
                    model=self._call.model,
                )
            )
        match error if isinstance(error, httpx2.TransportError) else error.__cause__:
            case httpx2.ConnectTimeout():
                limit = f"connect time limit: no connection within {self._call.connect_timeout_s:g} s"
                return self._error(ProviderTimeout, limit, sent=False)
            case httpx2.ConnectError() | httpx2.UnsupportedProtocol():
                return self._error(ProviderUnavailable, "no connection", sent=False)
            case httpx2.RemoteProtocolError():
                return self._garbled("an answer that is not HTTP")
            case _:
                return self._error(ProviderUnavailable, "the connection broke before an answer")

    def _garbled(self, said: str) -> PolyvoxError:
        return self._error(ProviderGarbled, said)

    def _error(self, kind: type[ProviderError], said: str, *, sent: bool = True) -> PolyvoxError:
        return self._named(kind(f"{self._provider}: {said}", sent=sent))

    def _named(self, error: PolyvoxError) -> PolyvoxError:
        error.provider = self._provider
        error.model = error.model or self._call.model or None
        hide(error, self._secrets)
        return error


async def _arrived(answer: ResponseBody) -> bytes:
    """What is paid for and has not been read. Two turns of the loop fetch what the socket holds."""
    for _ in range(2):
        await asyncio.sleep(0)
    return answer.read_now()


async def _drain(answer: ResponseBody) -> None:
    """A moment for the end of the body, which lets the connection be used again."""
    if answer.at_eof():
        return
    with suppress(TimeoutError, httpx2.TransportError):
        async with asyncio.timeout(_DRAIN_TIMEOUT_S):
            while await answer.read():
                pass
