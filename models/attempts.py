"""Walking a plan: one provider call after another until one has begun to answer, each of them recorded."""

import time
from datetime import UTC, datetime

from models.catalog import Catalog, Model
from models.chat import (
    ChatRequest,
    Chunk,
    Completed,
    Finished,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    Usage,
)
from models.errors import PolyvoxError
from models.identity import Principal
from models.ledger import UsageRecord, settled
from models.ledger.usage import Status
from models.routing.tokens import estimate_input_tokens

_CHARS_PER_TOKEN = 3
"""As `models.routing.tokens`: rather too many tokens than too few."""


class Caller:
    """Who asks, and through which door."""

    __slots__ = ("conversation_id", "endpoint", "principal", "request_id")

    def __init__(
        self, principal: Principal, *, request_id: str, endpoint: str, conversation_id: str = ""
    ) -> None:
        self.principal = principal
        self.request_id = request_id
        self.endpoint = endpoint
        self.conversation_id = conversation_id


class Attempt:
    """One provider call as it goes: what it answered, what it cost, how long it took."""

    def __init__(self, number: int, model: Model, request: ChatRequest, caller: Caller) -> None:
        self.number = number
        self.model = model
        self.usage: Usage | None = None
        """Set once the answer is complete."""
        self.recorded = False
        self._request = request
        self._caller = caller
        self._service_tier = ""
        self._output_chars = 0
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._first_token_ms: int | None = None

    def observe(self, chunks: list[Chunk]) -> None:
        if self._first_token_ms is None:
            self._first_token_ms = self._elapsed_ms()
        for chunk in chunks:
            match chunk:
                case TextDelta(text) | ThinkingDelta(text):
                    self._output_chars += len(text)
                case ToolCallDelta(arguments=arguments):
                    self._output_chars += len(arguments)
                case Finished(usage=usage, service_tier=tier):
                    self._complete(usage, tier)
                case Completed(response):
                    self._output_chars += sum(len(getattr(part, "text", "")) for part in response.parts)
                    self._complete(response.usage, response.service_tier)
                case _:
                    pass

    def record(self, catalog: Catalog, status: Status, error: PolyvoxError | None = None) -> UsageRecord:
        """What the ledger keeps of it. A call that may have reached its provider is never free."""
        usage = self.usage
        if usage is None:
            usage = Usage() if self._was_turned_down(error) else self._estimate()
        cost = settled(usage, catalog.price_at(self.model, self._began_at), service_tier=self._service_tier)
        self.recorded = True
        principal = self._caller.principal
        return UsageRecord(
            request_id=self._caller.request_id,
            attempt=self.number,
            tenant_id=principal.tenant_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            conversation_id=self._caller.conversation_id or None,
            model_id=self.model.id,
            provider=self.model.host,
            endpoint=self._caller.endpoint,
            stream=self._request.stream,
            status=status,
            input_tokens=usage.input,
            cache_read_tokens=usage.cache_read,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.output,
            reasoning_tokens=usage.reasoning,
            service_tier=self._service_tier,
            cost_pico=cost.total,
            price_snapshot=catalog.snapshot,
            estimated=cost.estimated,
            response_time_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            error_code=error.code if error else None,
            created_at=self._began_at,
        )

    def _was_turned_down(self, error: PolyvoxError | None) -> bool:
        if error is None or self._first_token_ms is not None:
            return False
        return not error.sent or error.status is not None

    def _complete(self, usage: Usage, service_tier: str) -> None:
        self._service_tier = service_tier
        self.usage = self._estimate() if usage.estimated else usage

    def _estimate(self) -> Usage:
        output = -(-self._output_chars // _CHARS_PER_TOKEN)
        return Usage(input=estimate_input_tokens(self._request), output=output, estimated=True)

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)
