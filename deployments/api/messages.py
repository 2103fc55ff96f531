"""`POST /v1/messages` and `/v1/messages/count_tokens`: what Anthropic's SDK calls."""

from deployments.api.chat import check_wishes, left_out_of, served_by
from deployments.api.errors import anthropic_fields
from deployments.api.exchange import EVENT_STREAM, JSON, Exchange
from deployments.api.streaming import stream
from deployments.api.way_in import WayIn, caller_of, check_tools, count_tokens, told_of, whole_headers
from models.dialects import anthropic_answer, anthropic_messages
from models.dialects.anthropic_messages import PROTOCOL
from models.dialects.anthropic_stream import PING, StreamEncoder
from models.gateway import Gateway
from models.identity import Principal

ENDPOINT = "/v1/messages"
COUNT = "/v1/messages/count_tokens"


async def messages(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, digest: str
) -> None:
    headers = exchange.headers
    version, betas = headers.get(b"anthropic-version", b""), headers.get(b"anthropic-beta", b"")
    ask = anthropic_messages.decode(body, version=version, betas=betas)
    check_tools(gateway.catalog, ask.request, ask.tools_of)
    check_wishes(gateway.catalog, ask.request)
    caller = caller_of(exchange, principal, endpoint=ENDPOINT, digest=digest, in_body=ask.conversation_id)
    reply = await gateway.chat(ask.request, caller)
    id, model, is_own = f"msg_{reply.request_id}", reply.model.id, reply.model.protocol == PROTOCOL
    told = (*told_of(ask.left_out), *left_out_of(reply, ask.request))
    named = ((b"request-id", reply.request_id.encode()), *told)
    if not ask.request.stream:
        response = await reply.response()
        answer = anthropic_answer.encode(
            response, id=id, model=model, cost_pico=reply.cost_pico, is_own=is_own
        )
        await exchange.respond(200, answer, whole_headers(reply, *named, dialect="anthropic"))
        return
    encoder = StreamEncoder(id=id, model=model, is_own=is_own)
    await stream(
        exchange,
        reply,
        encoder,
        headers=(*EVENT_STREAM, *served_by(reply, "anthropic"), *named),
        failed=lambda error: encoder.error(anthropic_fields(error), request_id=reply.request_id),
        sign=PING,
    )


async def count(exchange: Exchange, gateway: Gateway, _: Principal, body: bytes, __: str) -> None:
    request = anthropic_messages.decode(body).request
    tokens = await count_tokens(gateway.catalog, request, size=len(body))
    named = (b"request-id", exchange.request_id.encode())
    await exchange.respond(200, b'{"input_tokens":%d}' % tokens, (JSON, named))


ROUTES = (WayIn("POST", ENDPOINT, messages, is_billable=True), WayIn("POST", COUNT, count))
