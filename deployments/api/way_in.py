"""What the ways in share: a route's row, who asks, an answer's headers, how many tokens a request is."""

import asyncio
import re
from collections.abc import Awaitable, Callable, Sequence

import msgspec
from msgspec import Struct

from deployments.api.chat import conversation_of, from_cache, served_by
from deployments.api.errors import Dialect
from deployments.api.exchange import JSON, Exchange, Headers
from deployments.api.resilience import resilience_of
from deployments.api.routing_policy import routing_of
from models.caller import Caller
from models.catalog import Auto, Catalog
from models.chat import ChatRequest
from models.context import counter, family_of, message_tokens
from models.errors import UnsupportedParameter
from models.gateway import Gateway, Reply
from models.identity import Principal
from models.money import usd_text

Answering = Callable[[Exchange, Gateway, Principal, bytes, str], Awaitable[None]]
"""Takes the request's digest last."""

_NO_NAME = re.compile(r"[^A-Za-z0-9_.-]+")
_REQUEST_TOKENS = 8
_TOOL_TOKENS = 12
_LONG_BYTES = 32 * 1024
"""Longer requests are counted beside the event loop."""


class WayIn(Struct, frozen=True):
    """A route that needs a key. `path` may hold what `pattern_of` puts between braces."""

    method: str
    path: str
    answer: Answering
    is_billable: bool = False
    """Whether it calls providers."""


def caller_of(
    exchange: Exchange, principal: Principal, *, endpoint: str, digest: str, in_body: str = ""
) -> Caller:
    """`in_body` is the conversation that the request's body names."""
    return Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=endpoint,
        conversation_id=conversation_of(exchange, in_body),
        digest=digest,
        reads_cache=bool(wanted := from_cache(exchange)),
        takes_similar=wanted == "semantic",
        routing=routing_of(exchange),
        resilience=resilience_of(exchange),
    )


def check_tools(catalog: Catalog, request: ChatRequest, tools_of: str) -> None:
    """Raises UnsupportedParameter where tools of `tools_of` alone are offered to somebody else's model."""
    if not tools_of:
        return
    model = catalog.resolve(request.model)
    if isinstance(model, Auto) or model.protocol != tools_of:
        raise UnsupportedParameter(
            f"{request.model} does not know these tools: they are of {tools_of}'s models alone", param="tools"
        )


def told_of(left_out: Sequence[str]) -> Headers:
    """Which of the request's tools were offered to nobody."""
    names = ", ".join(_NO_NAME.sub("", name)[:64] for name in left_out)
    return ((b"x-polyvox-tools-left-out", names.encode()),) if left_out else ()


def whole_headers(reply: Reply, *named: tuple[bytes, bytes], dialect: Dialect = "openai") -> Headers:
    """Of an answer that was not streamed."""
    cost = (b"x-polyvox-cost-usd", usd_text(reply.cost_pico or 0).encode())
    return (JSON, *served_by(reply, dialect), cost, *named)


async def count_tokens(catalog: Catalog, request: ChatRequest, *, size: int) -> int:
    """Of all that the model is sent; `size` is that of the body, in bytes. An estimate, rather too high than
    too low, but for GPT, whose tokenizer is known. Raises UnknownModel."""
    if size > _LONG_BYTES:
        return await asyncio.to_thread(_count, catalog, request)
    return _count(catalog, request)


def _count(catalog: Catalog, request: ChatRequest) -> int:
    model = catalog.resolve(request.model)
    host = "" if isinstance(model, Auto) else model.host
    count = counter(family_of(host))
    total = _REQUEST_TOKENS + sum(message_tokens(message, count, reader=host) for message in request.messages)
    for tool in request.tools:
        schema = msgspec.json.encode(tool.parameters).decode()
        total += _TOOL_TOKENS + count(f"{tool.name} {tool.description} {schema}")
    return total
