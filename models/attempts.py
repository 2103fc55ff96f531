"""Attempts at providers: what each holds, answers and costs, when one has begun, and who is asked next."""

from collections.abc import AsyncIterator, Sequence

from msgspec.structs import replace

from models.caller import Caller
from models.catalog import Catalog, Model
from models.charge import Charge, is_plausible, was_turned_down
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
    DeadlineExceeded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
)
from models.ledger import Ask, UsageRecord
from models.ledger.estimates import Estimator, quote, size_of
from models.ledger.usage import Status

MAX_ATTEMPTS = 3

_NOBODY_KNOWS = (DeadlineExceeded, ProviderTimeout, ReplicaLost)
"""After these a provider may have answered more than was heard of it."""

_HOST_FAILURES = (ProviderAuthFailed, ProviderUnavailable, ProviderTimeout)
"""These say more of the host than of the model."""

_MAX_TIER_CHARS = 64


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
        self._charge = Charge(
            caller, number, model, requested_model=request.model, stream=request.stream, catalog=catalog
        )
        self.op_key = self._charge.op_key
        self._estimator = estimator
        self._size = size_of(request)
        self._quote = quote(request, self._size, model=model, price=self._charge.price)
        self._held_pico = self._quote.usual_pico
        self._service_tier = ""
        self._said_at_start: Usage | None = None
        self._output_chars = 0
        self._thoughts_shown = False
        self._first_token_ms: int | None = None

    @property
    def age_s(self) -> float:
        return self._charge.age_s

    def ask(self, *, wait_s: float) -> Ask:
        """What is to be held for it."""
        return self._charge.ask(self._quote, wait_s=wait_s, otherwise=self.progress())

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
            self._first_token_ms = round(self.age_s * 1000)
        return chunks

    def record(self, status: Status, error: PolyvoxError | None = None) -> UsageRecord:
        """What the ledger keeps of it. A call that may have reached its provider is never free."""
        usage = self.usage
        if usage is None:
            usage = self._so_far(error)
        self.recorded = True
        return self._charged(status, usage, error)

    def progress(self) -> UsageRecord:
        """What is to be charged if nobody ever tells how it ended."""
        return self._charged("expired", self.usage or self._at_worst())

    def _charged(self, status: Status, usage: Usage, error: PolyvoxError | None = None) -> UsageRecord:
        return self._charge.record(
            status,
            usage,
            error=error,
            service_tier=self._service_tier,
            first_token_ms=self._first_token_ms,
        )

    def _complete(self, usage: Usage, service_tier: str) -> Usage:
        """What is charged: the provider's word, unless it gave none or one that cannot be."""
        self._service_tier = service_tier.replace("\0", "")[:_MAX_TIER_CHARS]
        if not is_plausible(usage) or (self._output_chars and not usage.total_output):
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

    def _so_far(self, error: PolyvoxError | None) -> Usage:
        """Of an answer that did not end: what came of it, if that can be known."""
        nothing_came = self._first_token_ms is None
        if not self.called or (nothing_came and was_turned_down(error)):
            return Usage()
        if error is not None and (nothing_came or isinstance(error, _NOBODY_KNOWS)):
            return self._at_worst()
        return self._estimate()

    def _at_worst(self) -> Usage:
        """Where nobody can tell how far the provider got: all that is held, up to what is rarely exceeded.
        Less would let a budget be spent twice."""
        worst_pico = min(self._held_pico, self._quote.usual_pico)
        output = max(0, worst_pico - self._quote.input_pico) // max(1, self._quote.output_rate_pico)
        said = self._said_at_start
        if said is not None and said.total_input and is_plausible(said):
            return replace(said, output=max(output, said.output), estimated=True)
        return Usage(input=self._size.bound(self.model), output=output, estimated=True)

    def _estimate(self, *, complete: bool = False) -> Usage:
        """The input as the provider counted it at the start, if it did; the output by what came of it."""
        output = min(
            self._estimated_output(complete=complete), self.request.max_tokens or self.model.max_output
        )
        said = self._said_at_start
        if said is not None and said.total_input and is_plausible(said):
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


def _chars(part: Part) -> int:
    if isinstance(part, ToolCall):
        return len(part.name) + len(part.arguments)
    return len(getattr(part, "text", ""))
