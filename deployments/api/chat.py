"""`POST /v1/chat/completions`."""

import time
from collections.abc import Collection
from typing import Literal

from deployments.api.errors import Dialect, openai_fields
from deployments.api.exchange import EVENT_STREAM, JSON, Exchange, Headers
from deployments.api.resilience import fell_back, resilience_of
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
from models.providers.wishes import left_out, refuse_uncertain, refuse_unheeded
from models.response_cache import CachedReply
from models.routing import Plan

ENDPOINT = "/v1/chat/completions"

_CONVERSATION = b"x-polyvox-conversation-id"
_CACHE = b"x-polyvox-cache"


async def chat_completions(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, *, digest: str
) -> None:
    ask = openai_chat.decode(body)
    check_wishes(gateway.catalog, ask.request, ask.only_of)
    caller = Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=ENDPOINT,
        conversation_id=conversation_of(exchange, ask.conversation_id),
        digest=digest,
        reads_cache=bool(wanted := from_cache(exchange)),
        takes_similar=wanted == "semantic",
        routing=routing_of(exchange),
        resilience=resilience_of(exchange),
    )
    reply = await gateway.chat(ask.request, caller)
    told = left_out_of(reply, ask.request)
    if ask.request.stream:
        await stream_chat(exchange, reply, include_usage=ask.include_usage, told=told)
    else:
        await _whole(exchange, reply, told)


def check_wishes(
    catalog: Catalog, request: ChatRequest, only_of: Collection[str] = (), *, logprobs: str = "logprobs"
) -> None:
    """Raises UnsupportedParameter where the model has not what is asked of it. `only_of` are the protocols
    that have log probabilities, where the field `logprobs` asks for those. Of a conversation the model may be
    known where the request names none."""
    model = catalog.resolve(request.model) if request.model else None
    if only_of and (model is None or isinstance(model, Auto) or model.protocol not in only_of):
        said = f"{request.model} has no log probabilities: name a model that has them"
        raise UnsupportedParameter(said, param=logprobs)
    if isinstance(model, Auto):
        refuse_uncertain(request)
    elif model is not None:
        refuse_unheeded(request, model.protocol, model.wire_name, logprobs=logprobs)


def left_out_of(reply: Reply, request: ChatRequest, dropped: Collection[str] = ()) -> Headers:
    """Which of the request's wishes the model that answers does not take; `dropped` are others of them."""
    names = left_out(request, reply.model.protocol, reply.model.wire_name, dropped=dropped)
    return ((b"x-polyvox-parameters-left-out", ", ".join(names).encode()),) if names else ()


def conversation_of(exchange: Exchange, in_body: str) -> str:
    """The conversation's id, as the header or else the body names it; empty if neither does."""
    in_header = exchange.headers.get(_CONVERSATION, b"").decode("ascii", "replace")
    named = (in_header or in_body).lower()
    if named and not is_id(named):
        param = _CONVERSATION.decode() if in_header else "metadata.conversation_id"
        raise InvalidRequest("the id of a conversation is a UUID", param=param)
    return named


def from_cache(exchange: Exchange) -> Literal["", "on", "semantic"]:
    """Whether the client takes an earlier answer to the same request, or even to one that means the same."""
    match exchange.headers.get(_CACHE, b"off").lower():
        case b"off":
            return ""
        case b"on":
            return "on"
        case b"semantic":
            return "semantic"
        case _:
            raise InvalidRequest("the cache is `on`, `semantic` or `off`", param=_CACHE.decode())


async def _whole(exchange: Exchange, reply: Reply, told: Headers) -> None:
    response = await reply.response()
    body = openai_chat.encode(
        response,
        id=f"chatcmpl-{reply.request_id}",
        model=reply.model.id,
        created=int(time.time()),
        cost_pico=reply.cost_pico,
    )
    cost = usd_text(reply.cost_pico or 0).encode()
    await exchange.respond(200, body, (JSON, *served_by(reply), *told, (b"x-polyvox-cost-usd", cost)))


async def stream_chat(exchange: Exchange, reply: Reply, *, include_usage: bool, told: Headers = ()) -> None:
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
        headers=(*EVENT_STREAM, *served_by(reply), *told),
        failed=lambda error: encoder.error(openai_fields(error)),
    )


def served_by(reply: Reply, dialect: Dialect = "openai") -> Headers:
    clamped = reply.clamped_max_tokens
    return (
        *(() if clamped is None else ((b"x-polyvox-max-tokens", str(clamped).encode()),)),
        (b"x-polyvox-model", reply.model.id.encode()),
        (b"x-polyvox-provider", reply.model.host.encode()),
        (b"x-polyvox-attempts", str(reply.attempts).encode()),
        *fell_back(reply.fallback_from),
        *(_hit(reply) if reply.from_cache else ()),
        *(() if reply.context is None else _what_is_left(reply.context)),
        *(() if reply.plan is None else _how_it_was_decided(reply.plan)),
        *headers_for(dialect, reply.rates),
    )


def _hit(reply: Reply) -> Headers:
    similarity = reply.similarity if isinstance(reply, CachedReply) else None
    if similarity is None:
        return ((_CACHE, b"hit"),)
    return (_CACHE, b"similar"), (b"x-polyvox-cache-similarity", f"{similarity:.3f}".encode())


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
