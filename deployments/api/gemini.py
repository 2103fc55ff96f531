"""`models/{model}:generateContent` and its kin, under `/v1` and `/v1beta`: what Google's SDK calls."""

from functools import partial
from urllib.parse import parse_qs

from deployments.api.chat import check_wishes, left_out_of, served_by
from deployments.api.errors import google_fields
from deployments.api.exchange import EVENT_STREAM, JSON, Exchange
from deployments.api.paths import COUNT, GENERATE, STREAM, VERSIONS, model_in
from deployments.api.streaming import stream
from deployments.api.way_in import WayIn, caller_of, count_tokens, told_of, whole_headers
from models.dialects import gemini, gemini_answer
from models.dialects.gemini_stream import StreamEncoder
from models.gateway import Gateway
from models.identity import Principal

SIGN = b"\r\n"
"""Blank, which is nothing to either form of stream: Google's SDK takes a comment for JSON."""


async def generate(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, digest: str, *, endpoint: str
) -> None:
    ask = gemini.decode(body, model=model_in(exchange.path), stream=False)
    check_wishes(gateway.catalog, ask.request, ask.only_of)
    caller = caller_of(exchange, principal, endpoint=endpoint, digest=digest, in_body=ask.conversation_id)
    reply = await gateway.chat(ask.request, caller)
    response = await reply.response()
    answer = gemini_answer.encode(
        response, id=reply.request_id, model=reply.model.id, cost_pico=reply.cost_pico
    )
    told = (*told_of(ask.left_out), *left_out_of(reply, ask.request))
    await exchange.respond(200, answer, whole_headers(reply, *told, dialect="google"))


async def stream_generate(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, digest: str, *, endpoint: str
) -> None:
    ask = gemini.decode(body, model=model_in(exchange.path), stream=True)
    check_wishes(gateway.catalog, ask.request, ask.only_of)
    caller = caller_of(exchange, principal, endpoint=endpoint, digest=digest, in_body=ask.conversation_id)
    reply = await gateway.chat(ask.request, caller)
    told = (*told_of(ask.left_out), *left_out_of(reply, ask.request))
    sse = parse_qs(exchange.query.decode("latin-1")).get("alt") == ["sse"]
    encoder = StreamEncoder(id=reply.request_id, model=reply.model.id, sse=sse)
    await stream(
        exchange,
        reply,
        encoder,
        headers=(*(EVENT_STREAM if sse else (JSON,)), *served_by(reply, "google"), *told),
        failed=lambda error: encoder.error(google_fields(error)),
        sign=SIGN,
    )


async def count(exchange: Exchange, gateway: Gateway, _: Principal, body: bytes, __: str) -> None:
    request = gemini.decode_count(body, model=model_in(exchange.path)).request
    tokens = await count_tokens(gateway.catalog, request, size=len(body))
    await exchange.respond(200, b'{"totalTokens":%d}' % tokens)


def _routes() -> tuple[WayIn, ...]:
    routes: list[WayIn] = []
    for version in VERSIONS:
        path = f"{version}/models/{{model}}:"
        for method, answer in ((GENERATE, generate), (STREAM, stream_generate)):
            answering = partial(answer, endpoint=path + method)
            routes.append(WayIn("POST", path + method, answering, is_billable=True))
        routes.append(WayIn("POST", path + COUNT, count))
    return tuple(routes)


ROUTES = _routes()
