"""`POST /v1/chat/completions`."""

import time
from contextlib import aclosing

from deployments.api.errors import openai_fields
from deployments.api.exchange import EVENT_STREAM, JSON, Exchange
from models.caller import Caller
from models.dialects import openai_chat
from models.dialects.openai_chat import Ask
from models.dialects.openai_chat_stream import StreamEncoder
from models.errors import PolyvoxError
from models.gateway import Gateway, Reply
from models.identity import Principal
from models.money import usd_text

ENDPOINT = "/v1/chat/completions"

_CONVERSATION = b"x-polyvox-conversation-id"


async def chat_completions(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, *, digest: str
) -> None:
    ask = openai_chat.decode(body)
    caller = Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=ENDPOINT,
        conversation_id=exchange.headers.get(_CONVERSATION, b"").decode("ascii", "replace")[:128],
        digest=digest,
    )
    reply = await gateway.chat(ask.request, caller)
    if ask.request.stream:
        await _stream(exchange, reply, ask)
    else:
        await _whole(exchange, reply)


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
    await exchange.respond(200, body, (JSON, *_served_by(reply), (b"x-polyvox-cost-usd", cost)))


async def _stream(exchange: Exchange, reply: Reply, ask: Ask) -> None:
    encoder = StreamEncoder(
        id=f"chatcmpl-{reply.request_id}",
        model=reply.model.id,
        created=int(time.time()),
        include_usage=ask.include_usage,
    )
    async with aclosing(reply.chunks) as chunks:
        try:
            async for batch in chunks:
                if not exchange.started:
                    await exchange.start(200, (*EVENT_STREAM, *_served_by(reply)))
                if events := encoder.encode(batch, cost_pico=reply.cost_pico):
                    await exchange.write(events)
        except PolyvoxError as error:
            if not exchange.started:
                raise
            await exchange.write(encoder.error(openai_fields(error)))
    await exchange.end()


def _served_by(reply: Reply) -> tuple[tuple[bytes, bytes], ...]:
    clamped = reply.clamped_max_tokens
    return (
        *(() if clamped is None else ((b"x-polyvox-max-tokens", str(clamped).encode()),)),
        (b"x-polyvox-model", reply.model.id.encode()),
        (b"x-polyvox-provider", reply.model.host.encode()),
        (b"x-polyvox-attempts", str(reply.attempts).encode()),
    )
