"""Where outsiders may make us call: https and public addresses, unless one machine's settings say otherwise.

A name is resolved once, all of its addresses have to be allowed, and the connection goes to one of those.
Each is checked again when its socket is made, so that nothing between (a literal in the URL) gets around it.
"""

import re
import socket
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network

from aiohttp import AddrInfoType, TCPConnector
from aiohttp.abc import AbstractResolver, ResolveResult
from aiohttp.resolver import ThreadedResolver
from yarl import URL

from models.errors import InvalidRequest

MAX_URL_CHARS = 2_048


def _networks(text: str) -> tuple[IPv4Network | IPv6Network, ...]:
    return tuple(map(ip_network, text.split()))


_PRIVATE = _networks("10.0.0.0/8 127.0.0.0/8 172.16.0.0/12 192.168.0.0/16 ::1/128 fc00::/7")
_PRIVATE_NEVER = ip_network("fd00:ec2::/32")
"""Where a cloud keeps the credentials of its machines."""
_PUBLIC_6 = ip_network("2000::/3")
"""All that is routed as unicast: what embeds an IPv4 address or has a scope lies outside, but for 6to4."""
_NEVER = _networks(
    """0.0.0.0/8 100.64.0.0/10 169.254.0.0/16 192.0.0.0/24 192.0.2.0/24 192.88.99.0/24 198.18.0.0/15
    198.51.100.0/24 203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 2001::/23 2001:db8::/32 2002::/16 3fff::/20
    168.63.129.16/32"""
)
"""What IANA's two registries call special-purpose (2025), multicast, and Azure's own service."""
_URL = re.compile(r"(?=[!-\[\]-~]+\Z)[a-z]+://(?P<authority>[^/?#]+).*", re.IGNORECASE)
"""Printable ASCII, and no backslash: some take that for a slash."""
_HOST = re.compile(r"[a-z0-9_]([a-z0-9_.-]*[a-z0-9_.])?")
_NUMBER = re.compile(r"(^|\.)(0x[0-9a-f]*|[0-9]+)\.?$")
"""A last label that C libraries read as part of an IPv4 address, in decimal, octal or hexadecimal."""


@dataclass(frozen=True, kw_only=True)
class Egress:
    """What is allowed beyond https to public addresses. Clouds' metadata services never are."""

    allow_http: bool = False
    allow_private: bool = False


def check_address(text: str, egress: Egress) -> None:
    """Raises InvalidRequest unless it is one that may be called."""
    try:
        allowed = _is_allowed(ip_address(text), egress)
    except ValueError:
        allowed = False
    if not allowed:
        raise InvalidRequest("the address is not a public one")


def check_url(text: str, egress: Egress) -> URL:
    """The URL, whose host has yet to be resolved. Raises InvalidRequest for one that is never called."""
    match = _URL.fullmatch(text)
    if len(text) > MAX_URL_CHARS or match is None:
        raise InvalidRequest(f"a URL is at most {MAX_URL_CHARS} printable ASCII characters without spaces")
    try:
        url = URL(text)
        port = url.explicit_port
    except ValueError:
        raise InvalidRequest("that is not a URL") from None
    if url.scheme != "https" and not (egress.allow_http and url.scheme == "http"):
        raise InvalidRequest("the URL has to begin with https://")
    if "@" in match["authority"]:
        raise InvalidRequest("the URL must not hold a user name or password")
    if port == 0:
        raise InvalidRequest("there is no port 0")
    _check_host(url.raw_host or "", egress, bracketed="[" in match["authority"])
    return url


def guarded_connector(
    egress: Egress, *, resolver: AbstractResolver | None = None, limit: int = 64
) -> TCPConnector:
    """For aiohttp, of which redirects are not to be followed. What is not allowed raises InvalidRequest."""

    def make_socket(info: AddrInfoType) -> socket.socket:
        family, kind, protocol, _, address = info
        check_address(str(address[0]), egress)
        return socket.socket(family, kind, protocol)

    return TCPConnector(
        resolver=GuardedResolver(resolver or ThreadedResolver(), egress),
        socket_factory=make_socket,
        use_dns_cache=False,
        force_close=True,
        limit=limit,
    )


class GuardedResolver(AbstractResolver):
    """Refuses a name if any of its addresses is not allowed."""

    def __init__(self, resolver: AbstractResolver, egress: Egress) -> None:
        self._resolver = resolver
        self._egress = egress

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        found = await self._resolver.resolve(host, port, family)
        for result in found:
            check_address(result["host"], self._egress)
        return found

    async def close(self) -> None:
        await self._resolver.close()


def _is_allowed(address: IPv4Address | IPv6Address, egress: Egress) -> bool:
    if isinstance(address, IPv6Address) and address.scope_id is not None:
        return False
    if any(address in network for network in _PRIVATE):
        return egress.allow_private and address not in _PRIVATE_NEVER
    if any(address in network for network in _NEVER):
        return False
    return address.version == 4 or address in _PUBLIC_6


def _check_host(host: str, egress: Egress, *, bracketed: bool) -> None:
    if bracketed and ":" not in host:
        raise InvalidRequest("between brackets stands an IPv6 address")
    if bracketed or _NUMBER.search(host):
        check_address(host, egress)
    elif not _HOST.fullmatch(host) or ".." in host or len(host) > 253:
        raise InvalidRequest("the URL has no host name that could be resolved")
