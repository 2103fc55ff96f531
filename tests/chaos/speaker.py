"""How a client speaks in a conversation, and what it is told of each turn."""

import asyncio
import json
import time
from collections.abc import Mapping
from typing import Any

import aiohttp

from tests.chaos.kept_turns import Turn

STREAMED = "tokens=40 rate=80"
WHOLE = "delay=0.4"
GIVE_UP_S = 60.0
"""How long what has a key is sent again."""
ASK_AGAIN_S = 0.3
NEWEST = 100
_FAILED = (aiohttp.ClientError, ConnectionError, TimeoutError)

Path = list[tuple[int, str, int]]
"""Of each message its place, its id, and the version that it came with."""


class Speaker:
    """`apart` opens a connection for each request."""

    def __init__(
        self, session: aiohttp.ClientSession, apart: aiohttp.ClientSession, url: str, key: str
    ) -> None:
        self._session = session
        self._apart = apart
        self._url = url
        self._headers = {"authorization": f"Bearer {key}"}

    async def ask(self, turn: Turn) -> None:
        """Once, whatever becomes of it."""
        directive = STREAMED if turn.stream else WHOLE
        text = f"{turn.said} [[sandbox: {directive}]]"
        try:
            async with self._request(turn, text) as response:
                turn.answer, turn.outcome = await _read(response, turn)
        except _FAILED as error:
            turn.outcome = type(error).__name__

    async def append(self, turn: Turn, *, if_match: bool, twice: bool) -> None:
        """Under a key, again and again until it is acknowledged."""
        turn.answer = turn.expected + "This was written down elsewhere."
        key, give_up_at = f"{turn.client}/{turn.number}", time.monotonic() + GIVE_UP_S
        while turn.outcome != "kept" and time.monotonic() < give_up_at:
            matching = await self._version(turn.conversation) if if_match else None
            tries = (self._append(turn, key, matching) for _ in range(1 + twice))
            outcomes = await asyncio.gather(*tries)
            turn.outcome = "kept" if "kept" in outcomes else outcomes[0]
            if turn.outcome != "kept":
                await asyncio.sleep(0 if turn.outcome == "append 409" else ASK_AGAIN_S)

    async def look_for(self, turn: Turn) -> str:
        """Whether a read of the newest messages has an acknowledged turn."""
        query = {"order": "desc", "limit": str(NEWEST)}
        url = f"{self._url}/v1/conversations/{turn.conversation}/messages"
        try:
            async with self._apart.get(url, params=query, headers=self._headers) as response:
                if response.status != 200:
                    return "unread"
                found = await response.text()
        except _FAILED:
            return "unread"
        return "there" if turn.said in found else "missing"

    async def path(self, conversation: str) -> Path:
        """The whole conversation, page by page."""
        found: Path = []
        url, more = f"{self._url}/v1/conversations/{conversation}/messages", True
        while more:
            query = {"after": str(len(found)), "limit": str(NEWEST)}
            async with self._apart.get(url, params=query, headers=self._headers) as response:
                page = await response.json()
            found += [(one["seq"], one["id"], one["version"]) for one in page["data"]]
            more = page["has_more"]
        return found

    def _request(self, turn: Turn, text: str) -> Any:
        if turn.way == "send":
            body = {
                "conversationId": turn.conversation,
                "message": text,
                "modelId": turn.model,
                "stream": turn.stream,
            }
            return self._session.post(
                f"{self._url}/api/chat/send-with-model", json=body, headers=self._headers
            )
        body = {"model": turn.model, "stream": turn.stream, "messages": [{"role": "user", "content": text}]}
        headers = self._headers | {"x-polyvox-conversation-id": turn.conversation}
        return self._session.post(f"{self._url}/v1/chat/completions", json=body, headers=headers)

    async def _append(self, turn: Turn, key: str, version: str | None) -> str:
        messages = [
            {"role": "user", "content": turn.said},
            {"role": "assistant", "content": turn.answer, "model": turn.model},
        ]
        headers = self._headers | {"idempotency-key": key}
        if version is not None:
            headers["if-match"] = version
        url = f"{self._url}/v1/conversations/{turn.conversation}/messages"
        try:
            async with self._session.post(url, json={"messages": messages}, headers=headers) as response:
                await response.read()
                return "kept" if response.status == 201 else f"append {response.status}"
        except _FAILED as error:
            return type(error).__name__

    async def _version(self, conversation: str) -> str | None:
        """None where nobody says: then it is written whatever the version."""
        url = f"{self._url}/v1/conversations/{conversation}"
        try:
            async with self._session.get(url, headers=self._headers) as response:
                await response.read()
                return response.headers.get("etag")
        except _FAILED:
            return None


async def _read(response: aiohttp.ClientResponse, turn: Turn) -> tuple[str, str]:
    """The answer, and `kept` if it was all of it."""
    if turn.leave_after and response.status == 200:
        return await _leave(response, turn.leave_after)
    text = await response.text()
    if response.status != 200:
        return "", f"{response.status} {_code(text)}"
    if turn.stream:
        return _streamed(text)
    body = json.loads(text)
    message = body["message"] if turn.way == "send" else body["choices"][0]["message"]
    return str(message["content"]), "kept"


async def _leave(response: aiohttp.ClientResponse, after: int) -> tuple[str, str]:
    """Hang up after so many events."""
    text = b""
    async for data in response.content.iter_any():
        text += data
        if text.count(b"data: ") >= after:
            break
    response.close()
    return "", "left"


def _streamed(text: str) -> tuple[str, str]:
    events = [event.removeprefix("data: ") for event in text.split("\n\n") if event.startswith("data: ")]
    chunks = [json.loads(event) for event in events if event != "[DONE]"]
    said = "".join(_delta(chunk) for chunk in chunks)
    if events and events[-1] == "[DONE]":
        return said, "kept"
    return said, f"stream {_code(events[-1])}" if events else "silent end"


def _delta(chunk: Mapping[str, Any]) -> str:
    return "".join(choice["delta"].get("content") or "" for choice in chunk.get("choices", ()))


def _code(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return "without a type"
