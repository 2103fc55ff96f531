"""The HTTP layer under the three SDKs: an httpx2 client whose transport is one aiohttp session.

The SDKs take any `httpx2.AsyncClient` (`http_client=`). This one leaves out what a call to a model
has no use for (redirects, cookies, an auth flow) and builds a request of the same kind only once.
"""

from collections.abc import AsyncIterator, Callable, Hashable, Mapping
from contextvars import ContextVar
from functools import lru_cache
from types import MappingProxyType
from typing import Any

import aiohttp
import httpx2
from multidict import CIMultiDict
from yarl import URL

MAX_ERROR_BYTES = 64 * 1024
"""As much of an error's body as is read; what follows is dropped with the connection."""

CALL_ID: ContextVar[str] = ContextVar("call_id", default="")
"""What we call the request that is sent next, for the provider's records: OpenAI documents the header, the
others ignore it. No argument of the SDKs, as those would build each request anew for it."""

EXTRA_HEADERS: ContextVar[Mapping[str, str]] = ContextVar("extra_headers", default=MappingProxyType({}))
"""What else the request that is sent next says in its headers, for the same reason no argument."""

_CALL_ID_HEADER = "x-client-request-id"
_KEEPALIVE_S = 30.0
_DNS_CACHE_S = 60
_MAX_TEMPLATES = 1_024
_HOP_HEADERS = (b"content-encoding", b"content-length", b"transfer-encoding")


class RequestBody(httpx2.AsyncByteStream):
    """A request's content, whole in memory."""

    def __init__(self, content: bytes) -> None:
        self.content = content

    async def __aiter__(self) -> AsyncIterator[bytes]:
        yield self.content


class ResponseBody(httpx2.AsyncByteStream):
    """A response's bytes as they come, decompressed. `aclose` keeps the connection only if all was read."""

    def __init__(self, response: aiohttp.ClientResponse) -> None:
        self._response = response
        self._content = response.content

    def at_eof(self) -> bool:
        return self._content.at_eof()

    async def read(self) -> bytes:
        """All that has arrived, waiting only if nothing has; empty at the end."""
        try:
            return await self._content.readany()
        except (aiohttp.ClientError, OSError) as broken:
            raise httpx2.ReadError(type(broken).__name__) from broken

    def read_now(self) -> bytes:
        """All that has arrived, without waiting."""
        return self._content.read_nowait()

    def abort(self, reason: Exception) -> None:
        """Makes the read that waits, or the next one, raise `reason`."""
        self._content.set_exception(reason)

    async def __aiter__(self) -> AsyncIterator[bytes]:
        """How the SDKs read an error's body: bounded, and hung up if they are stopped in the middle."""
        left = MAX_ERROR_BYTES
        try:
            while left and (data := await self.read()):
                yield data[:left]
                left -= min(left, len(data))
        except BaseException:
            self.close()
            raise

    async def aclose(self) -> None:
        self.close()

    def close(self) -> None:
        if self._content.at_eof():
            self._response.release()
        else:
            self._response.close()


class AiohttpTransport(httpx2.AsyncBaseTransport):
    """One bounded pool of connections. A request waits for a free one as long as for connecting."""

    def __init__(self, *, max_connections: int, connect_timeout_s: float) -> None:
        self._max_connections = max_connections
        self._connect_timeout_s = connect_timeout_s
        self._session: aiohttp.ClientSession | None = None

    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        session = self._session or self._open_session()
        stream = request.stream
        headers = request.extensions.get("headers") or _headers(request)
        if call_id := CALL_ID.get():
            headers = CIMultiDict(headers)
            headers[_CALL_ID_HEADER] = call_id
            headers.update(EXTRA_HEADERS.get())
        try:
            response = await session.request(
                request.method,
                _url(str(request.url)),
                headers=headers,
                data=stream.content if isinstance(stream, RequestBody) else request.content or None,
                timeout=_timeout(self._connect_timeout(request)),
                allow_redirects=False,
            )
        except aiohttp.ConnectionTimeoutError as late:
            raise httpx2.ConnectTimeout("no connection in time") from late
        except aiohttp.ClientConnectorError as refused:
            raise httpx2.ConnectError(type(refused).__name__) from refused
        except aiohttp.InvalidURL as wrong:
            raise httpx2.UnsupportedProtocol("not a URL") from wrong
        except aiohttp.ClientResponseError as garbled:
            raise httpx2.RemoteProtocolError(type(garbled).__name__) from garbled
        except (aiohttp.ClientError, OSError) as broken:
            raise httpx2.ReadError(type(broken).__name__) from broken
        return httpx2.Response(
            response.status,
            headers=_response_headers(response),
            stream=ResponseBody(response),
            request=request,
        )

    async def aclose(self) -> None:
        if self._session is not None:
            await self._session.close()

    def _connect_timeout(self, request: httpx2.Request) -> float:
        asked: float | None = request.extensions.get("timeout", {}).get("connect")
        return self._connect_timeout_s if asked is None else asked

    def _open_session(self) -> aiohttp.ClientSession:
        connector = aiohttp.TCPConnector(
            limit=self._max_connections,
            keepalive_timeout=_KEEPALIVE_S,
            ttl_dns_cache=_DNS_CACHE_S,
        )
        self._session = aiohttp.ClientSession(
            connector=connector,
            cookie_jar=aiohttp.DummyCookieJar(),
            skip_auto_headers=("User-Agent", "Content-Type"),
        )
        return self._session


class LeanClient(httpx2.AsyncClient):
    """Sends a request as it is, once. It follows no redirect: a key goes to no other host."""

    def __init__(self, *, max_connections: int, connect_timeout_s: float) -> None:
        transport = AiohttpTransport(max_connections=max_connections, connect_timeout_s=connect_timeout_s)
        super().__init__(transport=transport, timeout=None, headers={"Accept-Encoding": "identity"})
        self._lean_transport = transport
        self._templates = RequestTemplates()

    def build_request(self, method: str, url: httpx2.URL | str, **options: Any) -> httpx2.Request:
        headers = options.get("headers") or {}
        return self._templates.request(
            (method, str(url), *(headers.items() if isinstance(headers, dict) else headers)),
            build=lambda: super(LeanClient, self).build_request(method, url, **options),
            content=options.get("content"),
            timeout=options.get("timeout"),
        )

    async def send(self, request: httpx2.Request, *, stream: bool = False, **_: Any) -> httpx2.Response:
        assert stream, "an answer is read from its `ResponseBody`, in bounds"
        return await self._lean_transport.handle_async_request(request)


class RequestTemplates:
    """Requests that differ in body and timeout alone are built once and copied: headers and URL are
    two thirds of what an SDK call costs."""

    def __init__(self) -> None:
        self._known: dict[Hashable, httpx2.Request] = {}

    def request(
        self,
        key: Hashable,
        *,
        build: Callable[[], httpx2.Request],
        content: object,
        timeout: object,
    ) -> httpx2.Request:
        if not isinstance(content, bytes) or not isinstance(timeout, httpx2.Timeout):
            return build()
        template = self._known.get(key)
        if template is None:
            template = build()
            template.headers.pop("content-length", None)
            template.extensions["headers"] = _headers(template)
            if len(self._known) >= _MAX_TEMPLATES:
                self._known.clear()
            self._known[key] = template
        return httpx2.Request(
            template.method,
            template.url,
            headers=template.headers,
            stream=RequestBody(content),
            extensions={**template.extensions, "timeout": timeout.as_dict()},
        )


def _headers(request: httpx2.Request) -> CIMultiDict[str]:
    return CIMultiDict(request.headers.multi_items())


@lru_cache(maxsize=1_024)
def _url(url: str) -> URL:
    return URL(url, encoded=True)


@lru_cache(maxsize=256)
def _timeout(connect_s: float) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=None, connect=connect_s)


def _response_headers(response: aiohttp.ClientResponse) -> list[tuple[bytes, bytes]]:
    """Without the headers that no longer describe the body where aiohttp has decompressed it."""
    raw = list(response.raw_headers)
    if "Content-Encoding" in response.headers:
        return [(name, value) for name, value in raw if name.lower() not in _HOP_HEADERS]
    return raw


@lru_cache(maxsize=256)
def connect_timeout(connect_s: float) -> httpx2.Timeout:
    """All that the SDKs need to know of time: the rest is watched where the answer is read."""
    return httpx2.Timeout(None, connect=connect_s)


def body_of(response: object) -> ResponseBody:
    """The bytes of a response that came through a `LeanClient`."""
    assert isinstance(response, httpx2.Response)
    assert isinstance(response.stream, ResponseBody)
    return response.stream
