"""Attempts at providers: what each holds, answers and costs, when one has begun, and who is asked next."""

import logging
import time
from collections.abc import AsyncIterator, Sequence
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
    Thinking,
    ThinkingDelta,
    ToolCall,
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
from models.ledger import Ask, UsageRecord, discounted, op_key, saved_by_caches, settled
from models.ledger.estimates import Estimator, quote, size_of
from models.ledger.usage import Status

MAX_ATTEMPTS = 3

_HOST_FAILURES = (ProviderAuthFailed, ProviderUnavailable, ProviderTimeout)
"""These say more of the host than of the model."""

_MAX_COUNT = 10**9
_MAX_NAME_CHARS = 64
_DETAILS = ("audio_input", "image_input", "cache_read_audio", "audio_output", "image_output")

log = logging.getLogger(__name__)


class Caller:
    """Who asks, and through which door."""

    __slots__ = ("conversation_id", "digest", "endpoint", "principal", "request_id")

    def __init__(
        self,
        principal: Principal,
        *,
        request_id: str,
        endpoint: str,
        conversation_id: str = "",
        digest: str | None = None,
    ) -> None:
        self.principal = principal
        self.request_id = request_id
        self.endpoint = endpoint
        self.conversation_id = conversation_id
        self.digest = digest
        """Of the request as it came; see `UsageRecord.request_digest`."""


class Attempt:
    """One provider call as it goes: what is held for it, what it answered, what it cost, how long it took.

    The price in force at its start is its price. Raises UnknownPrice where there is none.
    """

    def __init__(
        self,
        number: int,
        model: Model,
        request: ChatRequest,
        caller: Caller,
        *,
        catalog: Catalog,
        estimator: Estimator,
    ) -> None:
        self.number = number
        self.model = model
        self.request = request
        """As it is sent: its `max_tokens` is what the budget affords, where that is less."""
        self.clamped_max_tokens: int | None = None
        self.usage: Usage | None = None
        """Set once the answer is complete."""
        self.called = False
        """Whether its provider may have been called."""
        self.recorded = False
        self.bills_on = catalog.hosts[model.host].bills_after_cancel
        """Whether leaving it saves nothing."""
        self.op_key = op_key(caller.request_id, number)
        self._caller = caller
        self._snapshot = catalog.snapshot
        self._estimator = estimator
        self._began_at = datetime.now(UTC)
        self._began = time.monotonic()
        self._price = catalog.price_at(model, self._began_at)
        self._size = size_of(request)
        self._quote = quote(request, self._size, model=model, price=self._price)
        self._held_pico = 0
        self._service_tier = ""
        self._said_at_start: Usage | None = None
        self._output_chars = 0
        self._thoughts_shown = False
        self._first_token_ms: int | None = None

    @property
    def age_s(self) -> float:
        return time.monotonic() - self._began

    def ask(self, *, wait_s: float) -> Ask:
        """What is to be held for it."""
        principal = self._caller.principal
        return Ask(
            op_key=self.op_key,
            tenant_id=principal.tenant_id,
            team_id=principal.team_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            conversation_id=self._caller.conversation_id or None,
            least_pico=self._quote.least_pico,
            usual_pico=self._quote.usual_pico,
            most_pico=self._quote.most_pico,
            wait_s=wait_s,
            record=self._charged("expired", self._estimate()),
        )

    def granted(self, held_pico: int) -> None:
        """So much is held: the answer is to be no longer than that."""
        self._held_pico = held_pico
        self.clamped_max_tokens = self._quote.max_tokens(held_pico)
        if self.clamped_max_tokens is not None:
            self.request = replace(self.request, max_tokens=self.clamped_max_tokens)

    def observe(self, chunks: list[Chunk]) -> list[Chunk]:
        """The chunks to hand on: as they came, but for a usage that had to be estimated."""
        if len(chunks) == 1 and type(only := chunks[0]) is TextDelta and self._first_token_ms is not None:
            self._output_chars += len(only.text)  # most batches of most streams
            return chunks
        for at, chunk in enumerate(chunks):
            match chunk:
                case TextDelta(text) | RefusalDelta(text):
                    self._output_chars += len(text)
                case ThinkingDelta(text):
                    self._output_chars += len(text)
                    self._thoughts_shown = True
                case ToolCallStarted(name=text, arguments=arguments):
                    self._output_chars += len(text) + len(arguments)
                case ToolCallDelta(arguments=arguments):
                    self._output_chars += len(arguments)
                case Started(usage=usage):
                    self._said_at_start = usage
                case Finished(usage=usage, service_tier=tier):
                    chunks[at] = replace(chunk, usage=self._complete(usage, tier))
                case Completed(response):
                    self._output_chars += sum(map(_chars, response.parts))
                    self._thoughts_shown = any(isinstance(p, Thinking) and p.text for p in response.parts)
                    usage = self._complete(response.usage, response.service_tier)
                    chunks[at] = Completed(replace(response, usage=usage))
                case _:
                    pass
        if self._first_token_ms is None and not all(isinstance(c, Started) for c in chunks):
            self._first_token_ms = self._elapsed_ms()
        return chunks

    def record(self, status: Status, error: PolyvoxError | None = None) -> UsageRecord:
        """What the ledger keeps of it. A call that may have reached its provider is never free."""
        usage = self.usage
        if usage is None:
            is_free = not self.called or self._was_turned_down(error)
            usage = Usage() if is_free else self._estimate()
        self.recorded = True
        record = self._charged(status, usage, error)
        if record.cost_pico > self._held_pico:
            log.error("%s cost %d pico-USD, and %d were held", self.op_key, record.cost_pico, self._held_pico)
        return record

    def progress(self) -> UsageRecord:
        """What is to be charged if nobody ever tells how it ended."""
        return self._charged("expired", self.usage or self._estimate())

    def _charged(self, status: Status, usage: Usage, error: PolyvoxError | None = None) -> UsageRecord:
        cost = settled(usage, self._price, service_tier=self._service_tier)
        principal = self._caller.principal
        charged, discount = discounted(cost.total, principal.discount_basis_points)
        return UsageRecord(
            request_id=self._caller.request_id,
            attempt=self.number,
            tenant_id=principal.tenant_id,
            team_id=principal.team_id,
            user_id=principal.user_id,
            key_id=principal.key_id,
            conversation_id=self._caller.conversation_id or None,
            model_id=self.model.id,
            requested_model=self.request.model[:_MAX_NAME_CHARS].replace("\0", ""),
            provider=self.model.host,
            endpoint=self._caller.endpoint,
            stream=self.request.stream,
            status=status,
            input_tokens=usage.input + usage.audio_input + usage.image_input,
            cache_read_tokens=usage.cache_read + usage.cache_read_audio,
            cache_write_5m_tokens=usage.cache_write_5m,
            cache_write_1h_tokens=usage.cache_write_1h,
            output_tokens=usage.total_output,
            reasoning_tokens=usage.reasoning,
            service_tier=self._service_tier,
            cost_pico=charged,
            discount_pico=discount,
            saved_pico=saved_by_caches(usage, self._price, service_tier=self._service_tier),
            price_snapshot=self._snapshot,
            estimated=cost.estimated,
            response_time_ms=self._elapsed_ms(),
            first_token_ms=self._first_token_ms,
            error_code=error.code if error else None,
            usage_details=_details(usage),
            request_digest=self._caller.digest,
            created_at=self._began_at,
        )

    def _was_turned_down(self, error: PolyvoxError | None) -> bool:
        if error is None or self._first_token_ms is not None:
            return False
        return not error.sent or error.status is not None

    def _complete(self, usage: Usage, service_tier: str) -> Usage:
        """What is charged: the provider's word, unless it gave none or one that cannot be."""
        self._service_tier = service_tier.replace("\0", "")[:_MAX_NAME_CHARS]
        if not _is_plausible(usage) or (self._output_chars and not usage.total_output):
            self.usage = self._estimate(complete=True)
            return self.usage
        self.usage = usage
        self._estimator.learn(
            self.model.id,
            self._size,
            usage,
            shown_chars=self._output_chars,
            thoughts_shown=self._thoughts_shown,
        )
        return usage

    def _estimate(self, *, complete: bool = False) -> Usage:
        """The input as the provider counted it at the start, if it did; the output by what came of it."""
        output = min(
            self._estimated_output(complete=complete), self.request.max_tokens or self.model.max_output
        )
        said = self._said_at_start
        if said is not None and said.total_input and _is_plausible(said):
            return replace(said, output=max(output, said.output), estimated=True)
        return Usage(
            input=self._estimator.input_tokens(self.model, self._size), output=output, estimated=True
        )

    def _estimated_output(self, *, complete: bool) -> int:
        """Of what came; of a call that goes on when it is left, at least as much as others answer."""
        came = 0
        if self._output_chars:
            came = self._estimator.output_tokens(
                self.model.id, shown_chars=self._output_chars, thoughts_shown=self._thoughts_shown
            )
        if complete or (self.request.stream and not self.bills_on):
            return came
        return max(came, self._estimator.whole_answer_tokens(self.model.id))

    def _elapsed_ms(self) -> int:
        return round((time.monotonic() - self._began) * 1000)


async def first_content(chunks: AsyncIterator[list[Chunk]]) -> list[Chunk]:
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
    counts = usage.counts
    return not usage.estimated and min(counts) >= 0 and max(counts) <= _MAX_COUNT


def _details(usage: Usage) -> dict[str, int] | None:
    named = {name: getattr(usage, name) for name in _DETAILS} | dict(usage.tool_uses)
    return {name: count for name, count in named.items() if count} or None


def _chars(part: Part) -> int:
    if isinstance(part, ToolCall):
        return len(part.name) + len(part.arguments)
    return len(getattr(part, "text", ""))
