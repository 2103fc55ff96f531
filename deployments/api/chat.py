"""`POST /v1/chat/completions`."""

import time

from deployments.api.errors import Dialect, openai_fields
from deployments.api.exchange import EVENT_STREAM, JSON, Exchange, Headers
from deployments.api.routing_policy import routing_of
from deployments.api.streaming import stream
from models.caller import Caller
from models.catalog import Auto, Catalog
from models.chat import ChatRequest
from models.context import ContextReport
from models.conversations import is_id
from models.dialects import openai_chat
from models.dialects.openai_chat_stream import StreamEncoder
from models.errors import InvalidRequest, UnsupportedParameter
from models.gateway import Gateway, Reply
from models.identity import Principal
from models.limits import headers_for
from models.money import usd_text
from models.routing import Plan

ENDPOINT = "/v1/chat/completions"

_CONVERSATION = b"x-polyvox-conversation-id"
_CACHE = b"x-polyvox-cache"


async def chat_completions(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, *, digest: str
) -> None:
    ask = openai_chat.decode(body)
    check_fields(gateway.catalog, ask.request, ask.only_of)
    caller = Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=ENDPOINT,
        conversation_id=conversation_of(exchange, ask.conversation_id),
        digest=digest,
        reads_cache=reads_cache(exchange),
        routing=routing_of(exchange),
    )
    reply = await gateway.chat(ask.request, caller)
    if ask.request.stream:
        await stream_chat(exchange, reply, include_usage=ask.include_usage)
    else:
        await _whole(exchange, reply)


def check_fields(catalog: Catalog, request: ChatRequest, only_of: str) -> None:
    """Raises UnsupportedParameter where fields of `only_of` alone are asked of somebody else's model."""
    if not only_of:
        return
    model = catalog.resolve(request.model)
    if isinstance(model, Auto) or model.protocol != only_of:
        raise UnsupportedParameter(
            f"{request.model} has no log probabilities: name one of {only_of}'s models", param="logprobs"
        )


def conversation_of(exchange: Exchange, in_body: str) -> str:
    """The conversation's id, as the header or else the body names it; empty if neither does."""
    in_header = exchange.headers.get(_CONVERSATION, b"").decode("ascii", "replace")
    named = (in_header or in_body).lower()
    if named and not is_id(named):
        param = _CONVERSATION.decode() if in_header else "metadata.conversation_id"
        raise InvalidRequest("the id of a conversation is a UUID", param=param)
    return named


def reads_cache(exchange: Exchange) -> bool:
    """Whether the client wants an earlier answer to the same request, if there is one."""
    wanted = exchange.headers.get(_CACHE, b"off").lower()
    if wanted not in (b"on", b"off"):
        raise InvalidRequest("the cache is `on` or `off`", param=_CACHE.decode())
    return wanted == b"on"


async def _whole(exchange: Exchange, reply: Reply) -> None:
    response = await reply.response()
    body = openai_chat.encode(
        response,
        id=f"chatcmpl-{reply.request_id}",
        model=reply.model.id,
        created=int(time.time()),
        cost_pico=reply.cost_pico,
    )
    cost = usd_text(reply.cost_pico or 0).encode()
    await exchange.respond(200, body, (JSON, *served_by(reply), (b"x-polyvox-cost-usd", cost)))


async def stream_chat(exchange: Exchange, reply: Reply, *, include_usage: bool) -> None:
    encoder = StreamEncoder(
        id=f"chatcmpl-{reply.request_id}",
        model=reply.model.id,
        created=int(time.time()),
        include_usage=include_usage,
    )
    await stream(
        exchange,
        reply,
        encoder,
        headers=(*EVENT_STREAM, *served_by(reply)),
        failed=lambda error: encoder.error(openai_fields(error)),
    )


def served_by(reply: Reply, dialect: Dialect = "openai") -> Headers:
    clamped = reply.clamped_max_tokens
    return (
        *(() if clamped is None else ((b"x-polyvox-max-tokens", str(clamped).encode()),)),
        (b"x-polyvox-model", reply.model.id.encode()),
        (b"x-polyvox-provider", reply.model.host.encode()),
        (b"x-polyvox-attempts", str(reply.attempts).encode()),
        *(((_CACHE, b"hit"),) if reply.from_cache else ()),
        *(() if reply.context is None else _what_is_left(reply.context)),
        *(() if reply.plan is None else _how_it_was_decided(reply.plan)),
        *headers_for(dialect, reply.rates),
    )


def _how_it_was_decided(plan: Plan) -> tuple[tuple[bytes, bytes], ...]:
    return (
        (b"x-polyvox-decision-id", plan.decision_id.encode()),
        (b"x-polyvox-confidence", f"{plan.confidence:.2f}".encode()),
    )


def _what_is_left(report: ContextReport) -> tuple[tuple[bytes, bytes], ...]:
    """Of a conversation that did not fit as it is."""
    tokens = f"{report.tokens_before};{report.tokens_after}"
    return (
        (b"x-polyvox-context-tokens", tokens.encode()),
        (b"x-polyvox-preservation-score", f"{report.preservation.score:.4f}".encode()),
    )
