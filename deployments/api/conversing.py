"""`POST /api/chat/switch-model` and `POST /api/chat/send-with-model`: one conversation, any model.

Names are in camel case; snake case is accepted as well.
"""

import re
from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

import msgspec
from msgspec import Meta, Struct

from deployments.api.chat import served_by, stream_chat
from deployments.api.exchange import JSON, Exchange
from deployments.api.resilience import resilience_of
from deployments.api.routing_policy import routing_of
from models.caller import Caller
from models.chat import ChatRequest, ChatResponse, Message, Refusal, Text, ToolCall
from models.context import ContextReport
from models.conversations import is_id
from models.conversing import Switched
from models.dialects.json_body import invalid, read_json
from models.errors import InvalidRequest
from models.gateway import Gateway, Reply
from models.identity import Principal
from models.money import usd_text

SWITCH_MODEL = "/api/chat/switch-model"
SEND_WITH_MODEL = "/api/chat/send-with-model"

Name = Annotated[str, Meta(min_length=1, max_length=256)]
S = TypeVar("S", bound=Struct)


class SwitchModel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    conversation_id: str
    new_model_id: Name
    preserve_context: bool = True
    force: bool = False


class SendWithModel(Struct, frozen=True, kw_only=True, rename="camel", forbid_unknown_fields=True):
    conversation_id: str
    message: Annotated[str, Meta(min_length=1)]
    model_id: Name | None = None
    preserve_context: bool = True
    force: bool = False
    stream: bool = False
    max_tokens: Annotated[int, Meta(ge=1)] | None = None


_SNAKE = re.compile(r"_([a-z])")
_object = msgspec.json.Decoder(dict[str, Any])
_json = msgspec.json.Encoder().encode


async def switch_model(exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes) -> None:
    asked = _read(body, SwitchModel)
    caller = Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=SWITCH_MODEL,
        conversation_id=_conversation(asked.conversation_id),
        preserve_context=asked.preserve_context,
    )
    switched = await gateway.switch_model(caller, asked.new_model_id, force=asked.force)
    await exchange.respond(200, _json(_shown_switch(switched)))


async def send_with_model(
    exchange: Exchange, gateway: Gateway, principal: Principal, body: bytes, *, digest: str
) -> None:
    """Streamed, the answer comes as OpenAI's chat completion chunks do."""
    asked = _read(body, SendWithModel)
    caller = Caller(
        principal,
        request_id=exchange.request_id,
        endpoint=SEND_WITH_MODEL,
        conversation_id=_conversation(asked.conversation_id),
        digest=digest,
        preserve_context=asked.preserve_context,
        may_create_conversation=False,
        may_take_over=asked.force,
        routing=routing_of(exchange),
        resilience=resilience_of(exchange),
    )
    request = ChatRequest(
        model=asked.model_id or "",
        messages=(Message("user", (Text(asked.message),)),),
        max_tokens=asked.max_tokens,
        stream=asked.stream,
    )
    reply = await gateway.chat(request, caller)
    if asked.stream:
        await stream_chat(exchange, reply, include_usage=True)
    else:
        answer = _shown_answer(await reply.response(), reply, caller)
        await exchange.respond(200, _json(answer), (JSON, *served_by(reply)))


def _read(body: bytes, kind: type[S]) -> S:
    """Raises InvalidRequest naming the field at fault."""
    sent = read_json(body, _object)
    named = {_camel(name): value for name, value in sent.items()}
    if len(named) < len(sent):
        raise InvalidRequest("a field is given twice, in camel and in snake case")
    taken = {field.encode_name for field in msgspec.structs.fields(kind)}
    if unknown := next((name for name in sent if _camel(name) not in taken), None):
        raise InvalidRequest(f"there is no field `{unknown[:100]}`", param=unknown[:100])
    try:
        return msgspec.convert(named, kind)
    except msgspec.ValidationError as error:
        raise invalid(str(error)) from None


def _camel(name: str) -> str:
    return _SNAKE.sub(lambda found: found[1].upper(), name)


def _conversation(named: str) -> str:
    if not is_id(named.lower()):
        raise InvalidRequest("the id of a conversation is a UUID", param="conversationId")
    return named.lower()


def _shown_switch(switched: Switched) -> Mapping[str, Any]:
    parts, kept = switched.parts, switched.report.preservation
    return {
        "conversationId": switched.conversation_id,
        "version": switched.version,
        "previousModelId": switched.from_model_id,
        "modelId": switched.to_model_id,
        "preserveContext": switched.preserve_context,
        "preservationScore": round(switched.score, 4),
        "compressed": switched.compressed,
        "parts": {
            "kept": parts.kept,
            "converted": parts.converted,
            "private": parts.private,
            "dropped": parts.dropped,
        },
        "facts": {"stated": switched.report.facts, "kept": switched.report.facts_kept},
        "shares": {
            "facts": round(kept.facts, 4),
            "constraints": round(kept.constraints, 4),
            "openTasks": round(kept.tasks, 4),
        },
        "openToolCalls": switched.report.open_calls,
        "contextReport": shown_report(switched.report),
        "warnings": switched.warnings,
    }


def shown_report(report: ContextReport) -> Mapping[str, Any]:
    return {
        "tokensBefore": report.tokens_before,
        "tokensAfter": report.tokens_after,
        "budgetTokens": report.budget_tokens,
        "turns": report.turns,
        "turnsWhole": report.turns_whole,
        "turnsPart": report.turns_part,
        "blocks": report.blocks,
        "preservationScore": round(report.preservation.score, 4),
        "staleValues": report.preservation.stale,
        "dropped": [
            {
                "firstTurn": one.first,
                "lastTurn": one.last,
                "units": one.units,
                "tokens": one.tokens,
                "reason": one.reason,
            }
            for one in report.dropped
        ],
    }


def _shown_answer(response: ChatResponse, reply: Reply, caller: Caller) -> Mapping[str, Any]:
    usage = response.usage
    said = "".join(part.text for part in response.parts if isinstance(part, Text | Refusal))
    calls = [
        {"id": part.id, "name": part.name, "arguments": part.arguments}
        for part in response.parts
        if isinstance(part, ToolCall)
    ]
    return {
        "id": reply.request_id,
        "conversationId": caller.conversation_id,
        "modelId": reply.model.id,
        "provider": reply.model.host,
        "message": {"role": "assistant", "content": said, **({"toolCalls": calls} if calls else {})},
        "finishReason": response.finish,
        "usage": {
            "inputTokens": usage.total_input,
            "cachedTokens": usage.cache_read + usage.cache_read_audio,
            "outputTokens": usage.total_output,
            "reasoningTokens": usage.reasoning,
        },
        "costUsd": usd_text(reply.cost_pico or 0),
        "preserveContext": caller.preserve_context,
        "contextReport": None if reply.context is None else shown_report(reply.context),
    }
