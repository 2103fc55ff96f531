"""Attempts at providers: each a record of its own, who is asked after a failure, and when one has begun."""

import time
from collections.abc import AsyncGenerator, Sequence
from datetime import UTC, datetime

from msgspec.structs import replace

from models.catalog import Catalog, Model
from models.chat import (
    ChatRequest,
    Chunk,
    Completed,
    Finished,
    Part,
    RefusalDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallDelta,
    ToolCallStarted,
    Usage,
)
from models.errors import (
    PolyvoxError,
    ProviderAuthFailed,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
)
from models.identity import Principal
from models.ledger import UsageRecord, settled
from models.ledger.usage import Status
from models.routing.tokens import estimate_input_tokens

Chunks = AsyncGenerator[list[Chunk], None]

MAX_ATTEMPTS = 3

_HOST_FAILURES = (ProviderAuthFailed, ProviderUnavailable, ProviderTimeout)
"""These say more of the host than of the model."""

_CHARS_PER_TOKEN = 3
"""As `models.routing.tokens`: rather too many tokens than too few."""

_MAX_COUNT = 10**9
_MAX_TIER_CHARS = 64


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
        self._said_at_start: Usage | None = None
        self._output_chars = 0
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._first_token_ms: int | None = None

    def observe(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks to hand on: as they came, but for a usage that had to be estimated."""
        if len(chunks) == 1 and type(only := chunks[0]) is TextDelta and self._first_token_ms is not None:
            self._output_chars += len(only.text)  # most batches of most streams
            return chunks
        for at, chunk in enumerate(chunks):
            match chunk:
                case TextDelta(text) | ThinkingDelta(text) | RefusalDelta(text):
                    self._output_chars += len(text)
                case ToolCallDelta(arguments=arguments) | ToolCallStarted(arguments=arguments):
                    self._output_chars += len(arguments)
                case Started(usage=usage):
                    self._said_at_start = usage
                case Finished(usage=usage, service_tier=tier):
                    chunks[at] = replace(chunk, usage=self._complete(usage, tier))
                case Completed(response):
                    self._output_chars += sum(map(_chars, response.parts))
                    usage = self._complete(response.usage, response.service_tier)
                    chunks[at] = Completed(replace(response, usage=usage))
                case _:
                    pass
        if self._first_token_ms is None and not all(isinstance(c, Started) for c in chunks):
            self._first_token_ms = self._elapsed_ms()
        return chunks

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

    def _complete(self, usage: Usage, service_tier: str) -> Usage:
        """What is charged: the provider's word, unless it gave none or one that cannot be."""
        self._service_tier = service_tier.replace("\0", "")[:_MAX_TIER_CHARS]
        self.usage = usage if _is_plausible(usage) else self._estimate()
        return self.usage

    def _estimate(self) -> Usage:
        """The input as the provider counted it at the start, if it did; the output by its characters."""
        output = -(-self._output_chars // _CHARS_PER_TOKEN)
        said = self._said_at_start
        if said is not None and said.total_input and _is_plausible(said):
            return replace(said, output=max(output, said.output), estimated=True)
        return Usage(input=estimate_input_tokens(self._request), output=output, estimated=True)

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


async def first_content(chunks: Chunks) -> list[Chunk]:
    """What comes up to the first content: until then another candidate may still answer."""
    first: list[Chunk] = []
    while all(isinstance(chunk, Started) for chunk in first):
        batch = await anext(chunks, None)
        if batch is None:
            break
        first += batch
    return first


def who_is_next(queue: Sequence[Model], failed: Model, error: PolyvoxError, attempts: int) -> list[Model]:
    """Who is asked after `failed`; nobody where another could do no better."""
    if attempts >= MAX_ATTEMPTS:
        return []
    if isinstance(error, ReplicaLost):
        return [failed, *queue] if attempts == 1 else list(queue)
    if isinstance(error, _HOST_FAILURES):
        return [model for model in queue if model.host != failed.host]
    return list(queue) if error.retryable else []


def _is_plausible(usage: Usage) -> bool:
    counts = (
        usage.input,
        usage.cache_read,
        usage.cache_write_5m,
        usage.cache_write_1h,
        usage.output,
        usage.reasoning,
    )
    return not usage.estimated and all(0 <= n <= _MAX_COUNT for n in counts)


def _chars(part: Part) -> int:
    return len(getattr(part, "text", "")) + len(getattr(part, "arguments", ""))
