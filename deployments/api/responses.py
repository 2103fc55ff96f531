"""`/v1/responses`: OpenAI's responses, which are kept, and gone on from, as conversations."""

import time
from uuid import uuid4

import msgspec
from msgspec.structs import replace

from deployments.api.chat import check_wishes, left_out_of, served_by
from deployments.api.compacting import compact
from deployments.api.errors import openai_fields
from deployments.api.exchange import EVENT_STREAM, Exchange, Headers
from deployments.api.paths import id_in
from deployments.api.stored_responses import Kept, StoredResponses, response_id
from deployments.api.streaming import stream
from deployments.api.way_in import WayIn, caller_of, count_tokens, told_of, whole_headers
from models.caller import Caller
from models.chat import ChatRequest, ChatResponse, ToolCall, Usage
from models.conversations import ConversationStore, Owner
from models.dialects import openai_responses, openai_responses_answer
from models.dialects.openai_responses import ECHOED, ResponseAsk
from models.dialects.openai_responses_stream import StreamEncoder
from models.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    PolyvoxError,
    ProviderRateLimited,
    UnsupportedParameter,
)
from models.gateway import Gateway, Reply
from models.identity import Principal

ENDPOINT = "/v1/responses"
ONE = "/v1/responses/{response_id}"
COUNT = "/v1/responses/input_tokens"
COMPACT = "/v1/responses/compact"


class Responses:
    """Without conversations nothing is kept."""

    def __init__(self, conversations: ConversationStore | None) -> None:
        self._stored = None if conversations is None else StoredResponses(conversations)

    async def create(
        self, exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, digest: str
    ) -> None:
        ask = openai_responses.decode(body)
        check_wishes(gateway.catalog, ask.request, ask.only_of, logprobs=ask.logprobs)
        caller = caller_of(exchange, principal, endpoint=ENDPOINT, digest=digest, in_body=ask.conversation_id)
        request = await self._placed(ask, caller)
        reply = await gateway.chat(request, caller)
        if request.stream:
            await _stream(exchange, reply, ask, caller)
        else:
            await _whole(exchange, reply, ask, caller)

    async def show(self, exchange: Exchange, _: Gateway, principal: Principal, __: bytes, ___: str) -> None:
        id = id_in(exchange.path)
        kept = await self._kept().get(Owner(principal.tenant_id, principal.user_id), id)
        await exchange.respond(200, _shown(kept, id))

    async def delete(self, exchange: Exchange, _: Gateway, principal: Principal, __: bytes, ___: str) -> None:
        id = id_in(exchange.path)
        await self._kept().delete(Owner(principal.tenant_id, principal.user_id), id)
        gone = {"id": id, "object": "response.deleted", "deleted": True}
        await exchange.respond(200, msgspec.json.encode(gone))

    async def count(self, exchange: Exchange, gateway: Gateway, _: Principal, body: bytes, __: str) -> None:
        request = openai_responses.decode(body).request
        tokens = await count_tokens(gateway.catalog, request, size=len(body))
        answer = b'{"object":"response.input_tokens","input_tokens":%d}' % tokens
        await exchange.respond(200, answer)

    async def compact(
        self, exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, _: str
    ) -> None:
        owner = Owner(principal.tenant_id, principal.user_id)
        await compact(exchange, gateway.catalog, owner, body, self._stored)

    async def _placed(self, ask: ResponseAsk, caller: Caller) -> ChatRequest:
        """The request, with what was said before where no conversation has it; the caller's conversation is
        the one that the answer is kept in."""
        request = ask.request
        if not (request.model or ask.previous_id or caller.conversation_id):
            raise InvalidRequest("`model` is missing", param="model")
        if ask.previous_id and caller.conversation_id:
            raise InvalidRequest(
                "name a previous response or a conversation, not both", param="previous_response_id"
            )
        if ask.previous_id and not ask.store:
            said = await self._kept().said(caller.owner, ask.previous_id)
            return replace(request, messages=(*said, *request.messages))
        if ask.previous_id:
            earlier = await self._kept().earlier(caller.owner, ask.previous_id)
            caller.conversation_id = earlier.conversation_id
            return replace(request, messages=(*earlier.messages, *request.messages))
        if ask.store and self._stored is not None and not caller.conversation_id:
            caller.conversation_id = str(uuid4())
        return request

    def _kept(self) -> StoredResponses:
        if self._stored is None:
            raise UnsupportedParameter("responses are not kept here", param="previous_response_id")
        return self._stored


async def _whole(exchange: Exchange, reply: Reply, ask: ResponseAsk, caller: Caller) -> None:
    response = await reply.response()
    answer = openai_responses_answer.encode(
        response,
        id=response_id(reply.request_id, caller.conversation_id),
        model=reply.model.id,
        created=int(time.time()),
        echo=ask.echo,
        cost_pico=reply.cost_pico,
        offered=ask.offered,
    )
    await exchange.respond(200, answer, whole_headers(reply, *_named(reply, ask, caller)))


async def _stream(exchange: Exchange, reply: Reply, ask: ResponseAsk, caller: Caller) -> None:
    encoder = StreamEncoder(
        id=response_id(reply.request_id, caller.conversation_id),
        model=reply.model.id,
        created=int(time.time()),
        echo=ask.echo,
        offered=ask.offered,
    )
    await stream(
        exchange,
        reply,
        encoder,
        headers=(*EVENT_STREAM, *served_by(reply), *_named(reply, ask, caller)),
        failed=lambda error: encoder.error(openai_fields(error), code=_code(error)),
    )


def _named(reply: Reply, ask: ResponseAsk, caller: Caller) -> Headers:
    """What the request is called, the conversation that its answer is kept in, and what was left out."""
    named = (b"x-request-id", caller.request_id.encode())
    where = (b"x-polyvox-conversation-id", caller.conversation_id.encode())
    told = (*told_of(ask.left_out), *left_out_of(reply, ask.request, ask.dropped))
    return (named, where, *told) if caller.conversation_id else (named, *told)


def _code(error: PolyvoxError) -> str:
    """One of the few codes that a failed response has."""
    if isinstance(error, ProviderRateLimited):
        return "rate_limit_exceeded"
    return error.code if isinstance(error, ContextLengthExceeded) else "server_error"


def _shown(kept: Kept, id: str) -> bytes:
    parts, producer = kept.answer.message.parts, kept.answer.producer
    assert producer is not None  # it is what names the answer
    calls = any(isinstance(part, ToolCall) for part in parts)
    response = ChatResponse(
        id=id,
        model=producer.model,
        parts=parts,
        finish="tool_calls" if calls else "stop",
        usage=Usage(input=producer.input_tokens, output=producer.output_tokens),
    )
    return openai_responses_answer.encode(
        response,
        id=id,
        model=producer.model,
        created=int(kept.answer.created_at.timestamp()),
        echo=ECHOED | {"previous_response_id": kept.previous_id},
        cost_pico=producer.cost_pico,
    )


def routes(conversations: ConversationStore | None) -> tuple[WayIn, ...]:
    responses = Responses(conversations)
    return (
        WayIn("POST", ENDPOINT, responses.create, is_billable=True),
        WayIn("POST", COUNT, responses.count),
        WayIn("POST", COMPACT, responses.compact),
        WayIn("GET", ONE, responses.show),
        WayIn("DELETE", ONE, responses.delete),
    )
