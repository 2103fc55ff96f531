"""Documents that lie behind an address, fetched for a model whose provider takes them as data alone.

Fetched is what the provider cannot fetch, and nothing else: https, from public addresses, each of which is
checked before its socket is made (`models.net`), following no redirect, within bounds of time and size.
"""

import asyncio
import base64
from collections.abc import Iterable, Mapping, Sequence
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from aiohttp import ClientError, ClientResponse, ClientSession, ClientTimeout, DummyCookieJar
from aiohttp.abc import AbstractResolver
from msgspec.structs import replace

from models.chat import ChatRequest, File, Message, Part, ToolResult
from models.errors import InvalidRequest, UnsupportedParameter
from models.net import Egress, check_url, guarded_connector
from models.providers.media import since_last_answer
from models.providers.profiles import Profile

MAX_FILES = 8
MAX_BYTES = 8 * 1024 * 1024
"""Of all files of a request together: what a request may hold itself."""
_TOTAL_S = 20.0
_CONNECT_S = 5.0
_PIECE = 64 * 1024
_PDF = b"%PDF-"


def is_fetched(part: Part, profile: Profile) -> bool:
    """Source: openai 3.54, chat_completion_content_part_param.py: a file is its data, or an id."""
    return isinstance(part, File) and bool(part.url) and profile.provider == "openai"


class Fetcher:
    """`egress` is what is allowed beyond public addresses: nothing, where outsiders ask."""

    def __init__(self, egress: Egress | None = None, *, resolver: AbstractResolver | None = None) -> None:
        self._egress = egress or Egress()
        self._resolver = resolver
        self._timeout = ClientTimeout(total=_TOTAL_S, sock_connect=_CONNECT_S)

    @staticmethod
    def is_needed(request: ChatRequest, profile: Profile) -> bool:
        return any(True for _ in _files(request.messages, profile))

    async def shown(self, request: ChatRequest, profile: Profile) -> ChatRequest:
        """The request with data in place of addresses, where the model needs it. Raises InvalidRequest for
        what is new and cannot be had; what was before the last answer stays the address that it is."""
        new = _urls(since_last_answer(request.messages), profile)
        if len(new) > MAX_FILES:
            raise UnsupportedParameter(f"more than {MAX_FILES} files by their addresses", param="messages")
        urls = _urls(request.messages, profile)[-MAX_FILES:]
        if not urls:
            return request
        answers = await self.fetch([*new, *(url for url in urls if url not in new)][:MAX_FILES])
        for url in new:
            if isinstance(failure := answers[url], InvalidRequest):
                raise failure
        found = {url: got for url, got in answers.items() if isinstance(got, File)}
        return replace(request, messages=tuple(_with_data(m, found, profile) for m in request.messages))

    async def fetch(self, urls: Sequence[str]) -> Mapping[str, File | InvalidRequest]:
        """What lies there, as data, or why it cannot be had."""
        session = ClientSession(
            connector=guarded_connector(self._egress, resolver=self._resolver),
            cookie_jar=DummyCookieJar(),
            timeout=self._timeout,
            headers={"accept-encoding": "identity"},
            auto_decompress=False,
        )
        room = _Room(MAX_BYTES)
        async with session, asyncio.TaskGroup() as group:
            tasks = {url: group.create_task(self._get(session, url, room)) for url in urls}
        return {url: task.result() for url, task in tasks.items()}

    async def _get(self, session: ClientSession, url: str, room: "_Room") -> File | InvalidRequest:
        try:
            checked = check_url(url, self._egress)
            async with session.get(checked, allow_redirects=False) as response:
                if response.status != 200:
                    return _failed(f"it answered with status {response.status}")
                return await _read(response, room)
        except InvalidRequest as refused:
            return _failed(refused.message)
        except TimeoutError:
            return _failed(f"it took longer than {_TOTAL_S:g} s")
        except (ClientError, OSError, ValueError) as error:
            return _failed(type(error).__name__)


class _Room:
    """What may still be fetched for a request, in bytes."""

    def __init__(self, size: int) -> None:
        self._left = size

    def take(self, size: int) -> bool:
        self._left -= size
        return self._left >= 0


async def _read(response: ClientResponse, room: _Room) -> File | InvalidRequest:
    pieces: list[bytes] = []
    async for piece in response.content.iter_chunked(_PIECE):
        if not room.take(len(piece)):
            return _failed(f"files by their addresses are more than {MAX_BYTES // 1024**2} MiB")
        pieces.append(piece)
    data = b"".join(pieces)
    kind = "application/pdf" if data.startswith(_PDF) else response.content_type
    if kind != "application/pdf" and not kind.startswith("text/"):
        return _failed("it is neither a PDF nor a text")
    return File(kind, data=base64.b64encode(data).decode())


def _failed(why: str) -> InvalidRequest:
    """Says nothing of where the address leads."""
    return InvalidRequest(
        f"a file could not be fetched from its address: {why}", param="messages", sent=False
    )


def _urls(messages: Iterable[Message], profile: Profile) -> list[str]:
    return list(dict.fromkeys(file.url for file in _files(messages, profile)))


def _files(messages: Iterable[Message], profile: Profile) -> Iterable[File]:
    for message in messages:
        if message.role != "assistant":
            for part in message.parts:
                inner = part.parts if isinstance(part, ToolResult) else (part,)
                yield from (one for one in inner if isinstance(one, File) and is_fetched(one, profile))


def _with_data(message: Message, found: Mapping[str, File], profile: Profile) -> Message:
    if message.role == "assistant":
        return message
    parts: list[Part] = []
    for part in message.parts:
        if isinstance(part, ToolResult):
            inner = tuple(
                _filled(one, found, profile) if isinstance(one, File) else one for one in part.parts
            )
            parts.append(replace(part, parts=inner))
        else:
            parts.append(_filled(part, found, profile) if isinstance(part, File) else part)
    return replace(message, parts=tuple(parts))


def _filled(file: File, found: Mapping[str, File], profile: Profile) -> File:
    got = found.get(file.url) if is_fetched(file, profile) else None
    if got is None:
        return file
    name = file.filename or PurePosixPath(urlsplit(file.url).path).name
    return replace(file, filename=name, url="", data=got.data, media_type=got.media_type)
