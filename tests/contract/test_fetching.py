"""I-2: what is fetched for models that cannot fetch it, from where, how much, and what never is."""

import asyncio
import base64
import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from models.chat import ChatRequest, File, Message, Text, ToolResult
from models.errors import InvalidRequest, UnsupportedParameter
from models.net import Egress
from models.providers import fetching
from models.providers.fetching import Fetcher
from models.providers.wishes import profile_of

PDF = b"%PDF-1.7 the Louvre"
GPT = profile_of("openai", "gpt-5.4-mini")
HERE = Egress(allow_http=True, allow_private=True)


class Shelf:
    """Documents at a server on this machine."""

    def __init__(self) -> None:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._give)
        self.server = TestServer(app, host="127.0.0.1")
        self.asked: list[str] = []

    def url(self, path: str, *, host: str = "127.0.0.1") -> str:
        return f"http://{host}:{self.server.port}/{path}"

    async def _give(self, request: web.Request) -> web.StreamResponse:
        self.asked.append(request.path)
        match request.match_info["path"]:
            case "pdf":
                return web.Response(body=PDF, content_type="application/octet-stream")
            case "text":
                return web.Response(text="the Louvre")
            case "moved":
                return web.Response(status=302, headers={"Location": self.url("pdf")})
            case "picture":
                return web.Response(body=b"\x89PNG", content_type="image/png")
            case "endless":
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(bytes(64 * 1024))
            case "silent":
                await asyncio.Event().wait()
        return web.Response(status=404)


@pytest.fixture
async def shelf() -> AsyncIterator[Shelf]:
    found = Shelf()
    async with found.server:
        yield found


class Names(AbstractResolver):
    """Answers each question with the next of its addresses."""

    def __init__(self, *answers: str) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        found = ResolveResult(
            hostname=host, host=self.answers.pop(0), port=port, family=socket.AF_INET, proto=0, flags=0
        )
        return [found]

    async def close(self) -> None:
        pass


def asked(*parts: File, before: tuple[Message, ...] = ()) -> ChatRequest:
    return ChatRequest(model="gpt-5.4-mini", messages=(*before, Message("user", (Text("Read."), *parts))))


def by(url: str) -> File:
    return File("application/pdf", url=url)


@pytest.mark.parametrize(
    ("path", "kind", "data"), [("pdf", "application/pdf", PDF), ("text", "text/plain", b"the Louvre")]
)
async def test_a_document_is_shown_as_data(shelf: Shelf, path: str, kind: str, data: bytes) -> None:
    file = File("application/pdf", "louvre", url=shelf.url(path))
    shown = await Fetcher(HERE).shown(asked(file, file), GPT)
    expected = File(kind, "louvre", base64.b64encode(data).decode())
    assert shown.messages[0].parts == (Text("Read."), expected, expected)
    assert shelf.asked == [f"/{path}"]


async def test_results_of_tools_are_looked_through_and_answers_are_not(shelf: Shelf) -> None:
    file = by(shelf.url("pdf"))
    history = (Message("assistant", (file,)), Message("tool", (ToolResult("c", (file,)),)))
    shown = await Fetcher(HERE).shown(ChatRequest(model="m", messages=history), GPT)
    assert shown.messages[0].parts == (file,)
    [result] = shown.messages[1].parts
    assert isinstance(result, ToolResult)
    assert result.parts == (File("application/pdf", "pdf", base64.b64encode(PDF).decode()),)


@pytest.mark.parametrize("provider", ["anthropic", "google"])
async def test_nothing_is_fetched_for_those_who_fetch_themselves(shelf: Shelf, provider: str) -> None:
    profile = profile_of("anthropic" if provider == "anthropic" else "google", "a-model")
    request = asked(by(shelf.url("pdf")))
    assert (Fetcher.is_needed(request, GPT), Fetcher.is_needed(request, profile)) == (True, False)
    assert await Fetcher(HERE).shown(request, profile) is request
    assert shelf.asked == []


@pytest.mark.parametrize(
    ("path", "said"),
    [
        ("moved", "status 302"),
        ("absent", "status 404"),
        ("picture", "neither a PDF nor a text"),
        ("endless", "more than 8 MiB"),
    ],
)
async def test_what_cannot_be_had_is_refused(shelf: Shelf, path: str, said: str) -> None:
    with pytest.raises(InvalidRequest, match=said) as caught:
        await Fetcher(HERE).shown(asked(by(shelf.url(path))), GPT)
    assert (caught.value.param, caught.value.sent) == ("messages", False)
    assert "127.0.0.1" not in caught.value.message
    assert shelf.asked == [f"/{path}"]


async def test_what_takes_too_long_is_given_up(shelf: Shelf, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fetching, "_TOTAL_S", 0.1)
    with pytest.raises(InvalidRequest, match="longer than"):
        await Fetcher(HERE).shown(asked(by(shelf.url("silent"))), GPT)


async def test_what_was_said_before_is_told_of_if_it_is_gone(shelf: Shelf) -> None:
    gone = by(shelf.url("absent"))
    before = (Message("user", (gone,)), Message("assistant", (Text("So it is."),)))
    shown = await Fetcher(HERE).shown(asked(before=before), GPT)
    assert shown.messages[0].parts == (gone,)


async def test_not_more_than_a_few_at_once(shelf: Shelf) -> None:
    files = [by(shelf.url(f"pdf?{n}")) for n in range(fetching.MAX_FILES + 1)]
    with pytest.raises(UnsupportedParameter):
        await Fetcher(HERE).shown(asked(*files), GPT)
    assert shelf.asked == []


async def test_i2_nothing_on_this_machine_is_reached(shelf: Shelf) -> None:
    hosts = ("127.0.0.1", "localhost", "0x7f.1", "2130706433", "[::1]", "[::ffff:127.0.0.1]", "a@127.0.0.1")
    for host in hosts:
        for scheme in ("http", "https"):
            url = shelf.url("pdf", host=host).replace("http", scheme, 1)
            with pytest.raises(InvalidRequest):
                await Fetcher().shown(asked(by(url)), GPT)
    assert shelf.asked == []


async def test_i2_a_name_is_resolved_once_and_what_it_means_then_is_called(shelf: Shelf) -> None:
    names = Names("127.0.0.1")
    url = shelf.url("pdf", host="pinned.example")
    await Fetcher(HERE, resolver=names).shown(asked(by(url)), GPT)
    assert (shelf.asked, names.answers) == (["/pdf"], [])
    with pytest.raises(InvalidRequest, match="not a public one"):
        public = Egress(allow_http=True)
        await Fetcher(public, resolver=Names("127.0.0.1")).shown(asked(by(url)), GPT)
    assert shelf.asked == ["/pdf"]
