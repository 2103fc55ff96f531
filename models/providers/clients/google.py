"""Google's Gen AI SDK.

Its public methods take and give its own models only. Underneath, the client that they share builds a
request from a path and sends it: these two undocumented methods are used, and the contract tests
compare the bytes sent with those of `generate_content` and `embed_content`.
"""

from typing import Literal
from urllib.parse import quote

import httpx2
from google import genai
from google.genai import errors as sdk_errors
from google.genai import types

from models.providers.clients.host import Host
from models.providers.transport import ResponseBody, body_of, connect_timeout


class GoogleClient:
    errors: tuple[type[Exception], ...] = (sdk_errors.APIError, httpx2.HTTPError)

    def __init__(self, host: Host) -> None:
        self._http = host.http_client()
        self._sdk = genai.Client(
            enterprise=False,
            api_key=host.key.get_secret_value(),
            http_options=types.HttpOptions(base_url=host.base_url, httpx_async_client=self._http),
        )

    async def generate(
        self, body: bytes, *, model: str, stream: bool, connect_timeout_s: float
    ) -> ResponseBody:
        verb = "streamGenerateContent?alt=sse" if stream else "generateContent"
        return await self._send("post", f"{_path(model)}:{verb}", body, connect_timeout_s)

    async def embed(self, body: bytes, *, model: str, connect_timeout_s: float) -> ResponseBody:
        return await self._send("post", f"{_path(model)}:batchEmbedContents", body, connect_timeout_s)

    async def models(self, connect_timeout_s: float) -> ResponseBody:
        return await self._send("get", "models", b"", connect_timeout_s)

    async def close(self) -> None:
        self._sdk.close()
        await self._http.aclose()

    async def _send(
        self, method: Literal["get", "post"], path: str, body: bytes, connect_timeout_s: float
    ) -> ResponseBody:
        api = self._sdk.aio._api_client
        request = api._build_request(method, path, {})
        request.data = body
        request.timeout = connect_timeout(connect_timeout_s)  # type: ignore[assignment]  # handed to httpx2 as is
        try:
            answer = await api._async_request_once(request, stream=True)
        except UnicodeDecodeError as error:
            raise httpx2.RemoteProtocolError("an error whose body is not text") from error
        return body_of(answer.response_stream)


def _path(model: str) -> str:
    return quote(model if "/" in model else f"models/{model}")
