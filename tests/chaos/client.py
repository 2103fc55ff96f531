"""A client that tells what became of each of its requests."""

import asyncio
import json
import time
from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any, Literal

import aiohttp

Outcome = Literal["done", "no money", "typed error", "bare error", "silent end", "cut", "left"]

MODELS = ("gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash")


@dataclass(frozen=True, kw_only=True)
class Call:
    model: str
    directive: str = ""
    """For the sandbox; it is the text that is sent."""
    stream: bool = False
    max_tokens: int | None = None
    effort: str | None = None
    cached: bool = False
    """Whether an earlier answer will do."""
    leave_after: int | None = None
    """Hang up after so many events of a stream."""

    def body(self) -> dict[str, Any]:
        messages = [{"role": "user", "content": f"[[sandbox: {self.directive}]]"}]
        body: dict[str, Any] = {"model": self.model, "stream": self.stream, "messages": messages}
        wishes = {"max_tokens": self.max_tokens, "reasoning_effort": self.effort}
        return body | {name: wish for name, wish in wishes.items() if wish is not None}


@dataclass(frozen=True, kw_only=True)
class Ended:
    call: Call
    outcome: Outcome
    request_id: str = ""
    """Empty where no response said it."""
    code: str = ""
    began: float
    ended: float
    """Of the monotonic clock."""


class Client:
    """Requests with one key. No request is ever repeated here."""

    def __init__(self, session: aiohttp.ClientSession, url: str, key: str) -> None:
        self._session = session
        self._url = f"{url}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"}

    async def send(self, call: Call) -> Ended:
        began, request_id = time.monotonic(), ""
        headers = {**self._headers, "x-polyvox-cache": "on"} if call.cached else self._headers
        try:
            async with self._session.post(self._url, json=call.body(), headers=headers) as response:
                request_id = response.headers.get("x-polyvox-request-id", "")
                outcome, code = await _read(response, call)
        except (aiohttp.ClientError, ConnectionError, TimeoutError) as error:
            outcome, code = "cut", type(error).__name__
        return Ended(
            call=call,
            outcome=outcome,
            request_id=request_id,
            code=code,
            began=began,
            ended=time.monotonic(),
        )


@asynccontextmanager
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    """For any number of requests at once."""
    connector = aiohttp.TCPConnector(limit=0)
    timeout = aiohttp.ClientTimeout(total=120)
    async with aiohttp.ClientSession(connector=connector, timeout=timeout) as opened:
        yield opened


async def at_rate(client: Client, calls: Iterable[Call], *, rate: float) -> list[Ended]:
    """Open loop: each begins on time whatever becomes of the others."""
    loop = asyncio.get_running_loop()
    began, running = loop.time(), []
    for number, call in enumerate(calls):
        await asyncio.sleep(max(0.0, began + number / rate - loop.time()))
        running.append(asyncio.create_task(client.send(call)))
    return await asyncio.gather(*running)


async def so_many_at_once(client: Client, calls: Iterable[Call], *, at_once: int) -> list[Ended]:
    """Closed loop: the next begins when one of those under way ends."""
    waiting = iter(calls)

    async def work() -> list[Ended]:
        return [await client.send(call) for call in waiting]

    return [ended for each in await asyncio.gather(*(work() for _ in range(at_once))) for ended in each]


async def _read(response: aiohttp.ClientResponse, call: Call) -> tuple[Outcome, str]:
    if response.status == 200 and call.leave_after is not None:
        return await _leave(response, call.leave_after)
    text = await response.text()
    if response.status == 200 and not call.stream:
        return "done", ""
    if response.status == 200:
        if text.endswith("data: [DONE]\n\n"):
            return "done", ""
        last = text.rstrip().rsplit("\n\n", 1)[-1]
        return _error(last.removeprefix("data: "), otherwise="silent end")
    outcome, code = _error(text, otherwise="bare error")
    return ("no money" if response.status == 402 and code else outcome), code or str(response.status)


async def _leave(response: aiohttp.ClientResponse, after: int) -> tuple[Outcome, str]:
    seen, tail = 0, b""
    async for data in response.content.iter_any():
        tail = tail[-16:] + data
        seen += data.count(b"data: ")
        if b"[DONE]" in tail:
            return "done", ""
        if seen >= after:
            break
    response.close()
    return "left", ""


def _error(text: str, *, otherwise: Outcome) -> tuple[Outcome, str]:
    try:
        return "typed error", str(json.loads(text)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return otherwise, ""
