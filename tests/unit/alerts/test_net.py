"""Whom outsiders may make us call: tables of addresses and of URLs, and connections that are refused."""

import socket
from collections.abc import AsyncIterator

import pytest
from aiohttp import ClientSession, web
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.test_utils import TestServer

from models.errors import InvalidRequest
from models.net import Egress, check_address, check_url, guarded_connector

PUBLIC = Egress()
ONE_MACHINE = Egress(allow_http=True, allow_private=True)

ALLOWED = "8.8.8.8 1.1.1.1 100.63.255.255 100.128.0.0 172.32.0.1 2606:4700:4700::1111 2a00:1450::1"
PRIVATE = "127.0.0.1 127.255.255.254 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 ::1 fd12::1"
FORBIDDEN = """
0.0.0.0 0.1.2.3 100.64.0.1 100.100.100.200 100.127.255.255 169.254.169.254 168.63.129.16 192.0.0.192
192.0.2.1 192.88.99.1 198.18.0.1 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.255 240.0.0.1 255.255.255.255
:: ::8.8.8.8 ::ffff:127.0.0.1 ::ffff:8.8.8.8 ::ffff:7f00:1 ::ffff:0:8.8.8.8 64:ff9b::7f00:1 64:ff9b::8.8.8.8
64:ff9b:1::1 64:ff9b:1:ffff::8.8.8.8 100::1 2001::1 2001:0:4136:e378:: 2001:10::1 2001:20::1 2001:db8::1
2002:7f00:1:: 2002:808:808::1 3fff::1 5f00::1 fe80::1 fe80::1%eth0 2606:4700::1%eth0 fec0::1 feff::1
fd00:ec2::254 fd00:ec2::23 ff02::1 ff0e::1
2130706433 0x7f000001 017700000001 0177.0.0.1 127.1 0x7f.0.0.1 1.2.3.4.5 localhost ８.8.8.8 8.8.8.08
"""
TAKEN = """
https://hooks.example.com/a/b?c=d%20e#f HTTPS://EXAMPLE.com:8443 https://xn--bcher-kva.example/
https://8.8.8.8/h https://[2606:4700:4700::1111]:8443/ https://example.com./ https://1.example/
https://0x7f.example/ https://my_service.example/
"""
NEVER_TAKEN = r"""
example.com //example.com ftp://example.com file:///etc/passwd gopher://x https:///x javascript:alert(1)
https:// https:example.com unix:///var/run/docker.sock https://user@example.com https://user:pw@example.com
https://@example.com https://:@example.com https://@example.com:80@127.0.0.1/ https://example.com\@127.0.0.1/
https://127.0.0.1\.example.com https:\\a.example https://ex%61mple.com https://%31%32%37.0.0.1
https://①②⑦.0.0.1 https://bücher.example https://example.com:0 https://example.com:99999
https://example.com:-1 https://example.com:x https://a..b/ https://.example.com https://-a/
https://127.0.0.1 https://127.0.0.1. https://2130706433 https://0x7f000001 https://0x7f.1 https://017700000001
https://0177.0.0.1 https://127.1 https://0x7f.0x0.0x0.0x1 https://0 https://0. https://00000000010.0.0.1
https://8.8.8.08 https://0x08080808 https://0X7F.1 https://1.2.3.4.5 https://0x
https://169.254.169.254/latest https://[::1] https://[::ffff:127.0.0.1] https://[::] https://[64:ff9b::7f00:1]
https://[2002:7f00:1::] https://[fe80::1%25eth0] https://[2606:4700::1%25eth0] https://[fec0::1]
https://[fd00:ec2::254] https://[::ffff:7f00:1] https://[v1.x] https://[127.0.0.1] https://[8.8.8.8]
"""


def _is_allowed(address: str, egress: Egress) -> bool:
    try:
        check_address(address, egress)
    except InvalidRequest:
        return False
    return True


@pytest.mark.parametrize("address", ALLOWED.split())
def test_public_addresses_are_called(address: str) -> None:
    assert _is_allowed(address, PUBLIC)


@pytest.mark.parametrize("address", PRIVATE.split())
def test_private_addresses_are_called_only_where_the_settings_say_so(address: str) -> None:
    assert not _is_allowed(address, PUBLIC)
    assert _is_allowed(address, ONE_MACHINE)


@pytest.mark.parametrize("address", [*FORBIDDEN.split(), "", " 8.8.8.8", "8.8.8.8\n"])
def test_i2_addresses_that_are_never_called(address: str) -> None:
    assert not _is_allowed(address, PUBLIC)
    assert not _is_allowed(address, ONE_MACHINE)


@pytest.mark.parametrize("url", TAKEN.split())
def test_urls_that_are_taken(url: str) -> None:
    assert str(check_url(url, PUBLIC)).lower().startswith(url.lower().rstrip("/"))


@pytest.mark.parametrize(
    "url",
    [
        *NEVER_TAKEN.split(),
        "",
        "https://exa mple.com",
        "https://example.com\r\nX: y",
        "https://example.com/\t",
        "https://example.com/\0",
        f"https://{'a' * 254}",
        f"https://a.example/{'b' * 2_048}",
    ],
)
def test_i2_urls_that_are_never_taken(url: str) -> None:
    with pytest.raises(InvalidRequest):
        check_url(url, PUBLIC)


def test_plain_http_is_taken_only_where_the_settings_say_so() -> None:
    with pytest.raises(InvalidRequest, match="https"):
        check_url("http://example.com/", PUBLIC)
    assert check_url("http://127.0.0.1:80/", ONE_MACHINE).port == 80


class Names(AbstractResolver):
    """Answers with the next of `answers` each time."""

    def __init__(self, *answers: list[str]) -> None:
        self.answers = list(answers)

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        return [
            ResolveResult(hostname=host, host=address, port=port, family=socket.AF_INET, proto=0, flags=0)
            for address in self.answers.pop(0)
        ]

    async def close(self) -> None:
        pass


class Canary:
    """A server on this machine that remembers what reaches it."""

    def __init__(self) -> None:
        self.hits: list[str] = []
        application = web.Application()
        application.router.add_route("*", "/{path:.*}", self._hit)
        self.server = TestServer(application)

    async def _hit(self, request: web.Request) -> web.Response:
        self.hits.append(request.path)
        return web.Response()

    def url(self, host: str) -> str:
        return f"http://{host}:{self.server.port}/x"


@pytest.fixture
async def canary() -> AsyncIterator[Canary]:
    found = Canary()
    async with found.server:
        yield found


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0x7f.1", "0x7f000001", "[::ffff:127.0.0.1]"])
async def test_i2_nothing_on_this_machine_is_reached(canary: Canary, host: str) -> None:
    async with ClientSession(connector=guarded_connector(PUBLIC)) as session:
        with pytest.raises(InvalidRequest):
            await session.get(canary.url(host))
    assert canary.hits == []


async def test_i2_one_forbidden_address_among_those_of_a_name_is_enough(canary: Canary) -> None:
    names = Names(["8.8.8.8", "127.0.0.1"])
    async with ClientSession(connector=guarded_connector(PUBLIC, resolver=names)) as session:
        with pytest.raises(InvalidRequest):
            await session.get(canary.url("rebinding.example"))
    assert canary.hits == []


async def test_i2_a_name_is_resolved_once_for_a_call(canary: Canary) -> None:
    names = Names(["127.0.0.1"])
    async with (
        ClientSession(connector=guarded_connector(ONE_MACHINE, resolver=names)) as session,
        session.get(canary.url("pinned.example")) as response,
    ):
        assert response.status == 200
    assert canary.hits == ["/x"]
    assert names.answers == []
