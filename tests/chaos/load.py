"""Open-loop load for fault runs: requests begin on time whatever becomes of the others."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

import aiohttp

Outcome = Literal["done", "typed error", "bare error", "silent end", "cut"]

MODELS = ("gpt-5.4-mini", "claude-sonnet-5", "gemini-3.5-flash")


@dataclass
class Tally:
    unary: Counter[Outcome] = field(default_factory=Counter)
    streams: Counter[Outcome] = field(default_factory=Counter)
    request_ids: set[str] = field(default_factory=set)
    """Of requests that were answered in full."""
    codes: Counter[str] = field(default_factory=Counter)


class Load:
    """`rate` requests a second, every other one a stream, each lasting about half a second."""

    def __init__(self, url: str, key: str, *, rate: float, seed: int) -> None:
        self._url = f"{url}/v1/chat/completions"
        self._headers = {"authorization": f"Bearer {key}"}
        self._rate = rate
        self._random = random.Random(seed)  # noqa: S311 - which model, not a secret
        self.tally = Tally()

    async def run(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        began, running = loop.time(), set[asyncio.Task[None]]()
        connector = aiohttp.TCPConnector(limit=0)
        async with aiohttp.ClientSession(connector=connector, headers=self._headers) as session:
            for number in range(int(seconds * self._rate)):
                await asyncio.sleep(max(0.0, began + number / self._rate - loop.time()))
                task = asyncio.create_task(self._one(session, stream=number % 2 == 1))
                running.add(task)
                task.add_done_callback(running.discard)
            await asyncio.gather(*running)

    async def _one(self, session: aiohttp.ClientSession, *, stream: bool) -> None:
        directive = "tokens=25 rate=50" if stream else "delay=0.5"
        body = {
            "model": self._random.choice(MODELS),
            "stream": stream,
            "messages": [{"role": "user", "content": f"[[sandbox: {directive}]]"}],
        }
        tally = self.tally.streams if stream else self.tally.unary
        try:
            async with session.post(self._url, json=body) as response:
                text = await response.text()
                outcome = self._judge(response.status, text, stream=stream)
                if outcome == "done":
                    self.tally.request_ids.add(response.headers["x-polyvox-request-id"])
        except aiohttp.ClientError as error:
            self.tally.codes[type(error).__name__] += 1
            outcome = "cut"
        tally[outcome] += 1

    def _judge(self, status: int, text: str, *, stream: bool) -> Outcome:
        if status == 200 and not stream:
            return "done"
        if status == 200:
            if text.endswith("data: [DONE]\n\n"):
                return "done"
            last = text.rstrip().rsplit("\n\n", 1)[-1]
            if not last.startswith('data: {"error"'):
                return "silent end"
            self.tally.codes[json.loads(last[6:])["error"]["code"]] += 1
            return "typed error"
        try:
            self.tally.codes[json.loads(text)["error"]["code"]] += 1
        except (ValueError, KeyError, TypeError):
            return "bare error"
        return "typed error"
