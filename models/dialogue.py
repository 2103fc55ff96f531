"""A request's conversation, from where it stands to the turn that was added to it."""

import asyncio
from collections.abc import Sequence
from typing import Self

from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Model
from models.chat import ChatRequest, Chunk, Message, Part, Thinking, ToolCall
from models.context import ContextReport
from models.conversations import NewMessage, Producer
from models.conversing import Interaction, Standing, Turn
from models.errors import InvalidRequest, Overloaded, ReplicaLost
from models.ledger import UsageRecord
from models.ports import ContextEngine
from models.providers.assembly import Assembly
from models.routing import estimate_input_tokens

KEEP_S = 10.0
"""How long a turn is tried to be stored; its client hears of it then."""
READ_AHEAD_TOKENS = 12_000
"""Conversations longer than that are read for compression before anybody asks for it."""
_AGAIN_AFTER_S = 0.25


class Dialogue:
    """One turn of a conversation."""

    def __init__(self, context: ContextEngine, caller: Caller, standing: Standing) -> None:
        self.caller = caller
        self.standing = standing
        self.reports: dict[str, ContextReport] = {}
        """Of what was left out, by the model that it is left out for."""
        self._context = context
        self._new: tuple[Message, ...] = ()
        self._heard = Assembly()

    @classmethod
    async def begin(cls, context: ContextEngine, caller: Caller) -> Self:
        """Raises as `open_conversation` does."""
        standing = await context.open_conversation(
            caller.owner, caller.conversation_id, create=caller.may_create_conversation
        )
        return cls(context, caller, standing)

    async def fit(self, request: ChatRequest, models: Sequence[Model]) -> dict[str, ChatRequest]:
        """What each model is to be sent, by its id; models that it cannot be made to fit have none."""
        turn = Turn(
            owner=self.caller.owner,
            conversation_id=self.caller.conversation_id,
            branch=self.standing.branch,
            messages=request.messages,
            model_ids=tuple(model.id for model in models),
            max_tokens=request.max_tokens,
            other_tokens=estimate_input_tokens(replace(request, messages=())),
            preserve_context=self.caller.preserve_context,
        )
        optimized = await self._context.optimize_context(turn)
        if not optimized.new:
            raise InvalidRequest("the conversation has all of these messages already", param="messages")
        self._new = tuple(request.messages[at] for at in optimized.new)
        requests = {}
        for variant in optimized.variants:
            fitted = replace(request, messages=variant.messages)
            for model_id in variant.model_ids:
                requests[model_id] = fitted
                if variant.report is not None:
                    self.reports[model_id] = variant.report
        return requests

    def heard(self, batch: Sequence[Chunk]) -> None:
        self._heard.add(batch)

    async def keep(self, record: UsageRecord, *, api: str) -> None:
        """Append what was said and answered. Of an answer that was cut, what had come; if nothing had, the
        turn did not take place. Returns once it is durable; raises what kept it from becoming so."""
        parts = self._heard.parts
        if record.status != "completed":
            parts = tuple(part for part in parts if not isinstance(part, ToolCall))
            if not any(map(_shows, parts)):
                return
        tokens = record.output_tokens - record.reasoning_tokens
        answer = NewMessage(Message("assistant", parts), _producer(record, api), tokens)
        interaction = Interaction(
            owner=self.caller.owner,
            conversation_id=self.caller.conversation_id,
            branch=self.standing.branch,
            messages=(*map(NewMessage, self._new), answer),
            key=f"turn:{self.caller.request_id}",
            read_ahead=self.standing.tokens > READ_AHEAD_TOKENS,
        )
        give_up_at = asyncio.get_running_loop().time() + KEEP_S
        while True:
            try:
                await self._context.update_context(interaction)
                return
            except (Overloaded, ReplicaLost):
                if asyncio.get_running_loop().time() > give_up_at:
                    raise
                await asyncio.sleep(_AGAIN_AFTER_S)


def _shows(part: Part) -> bool:
    """Whether a reader gets to see anything of it."""
    return not isinstance(part, Thinking) and bool(getattr(part, "text", True))


def _producer(record: UsageRecord, api: str) -> Producer:
    return Producer(
        model=record.model_id,
        provider=record.provider,
        api=api,
        request_id=record.request_id,
        input_tokens=record.input_tokens
        + record.cache_read_tokens
        + record.cache_write_5m_tokens
        + record.cache_write_1h_tokens,
        output_tokens=record.output_tokens,
        cost_pico=record.cost_pico,
    )
