"""OpenAI's SDK, for OpenAI and whoever speaks its Chat Completions protocol."""

from typing import Any

import httpx2
import openai
from openai import AsyncStream, OpenAIError
from openai._models import FinalRequestOptions

from models.providers.clients.host import Host
from models.providers.transport import RequestTemplates, ResponseBody, body_of, connect_timeout


class AsyncOpenAI(openai.AsyncOpenAI):
    """The SDK's client with requests built once. It keeps the SDK's class name, which is in the
    `User-Agent`. `_build_request` is undocumented: the contract tests compare what is sent with what
    a plain `AsyncOpenAI` sends."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._request_templates = RequestTemplates()

    def _build_request(self, options: FinalRequestOptions, *, retries_taken: int = 0) -> httpx2.Request:
        return self._request_templates.request(
            (options.method, options.url),
            build=lambda: super(AsyncOpenAI, self)._build_request(options, retries_taken=retries_taken),
            content=options.content,
            timeout=options.timeout,
        )


class OpenAIClient:
    errors: tuple[type[Exception], ...] = (OpenAIError, httpx2.HTTPError)

    def __init__(self, host: Host) -> None:
        self._sdk = AsyncOpenAI(
            api_key=host.key.get_secret_value(),
            base_url=host.base_url,
            max_retries=0,
            timeout=None,
            http_client=host.http_client(),
        )
        self._generate = FinalRequestOptions.construct(method="post", url="/chat/completions")
        self._embed = FinalRequestOptions.construct(method="post", url="/embeddings")
        self._models = FinalRequestOptions.construct(method="get", url="/models")

    async def generate(
        self,
        body: bytes,
        *,
        model: str,  # noqa: ARG002  # the body says it
        stream: bool,  # noqa: ARG002  # the body says it
        connect_timeout_s: float,
    ) -> ResponseBody:
        return await self._send(self._generate, content=body, connect_timeout_s=connect_timeout_s)

    async def embed(
        self,
        body: bytes,
        *,
        model: str,  # noqa: ARG002  # the body says it
        connect_timeout_s: float,
    ) -> ResponseBody:
        return await self._send(self._embed, content=body, connect_timeout_s=connect_timeout_s)

    async def models(self, connect_timeout_s: float) -> ResponseBody:
        return await self._send(self._models, content=None, connect_timeout_s=connect_timeout_s)

    async def close(self) -> None:
        await self._sdk.close()

    async def _send(
        self, options: FinalRequestOptions, *, content: bytes | None, connect_timeout_s: float
    ) -> ResponseBody:
        asked = {"content": content, "timeout": connect_timeout(connect_timeout_s)}
        response = await self._sdk.request(
            httpx2.Response, options.model_copy(update=asked), stream=True, stream_cls=AsyncStream[object]
        )
        return body_of(response)
