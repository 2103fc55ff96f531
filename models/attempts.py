"""Attempts at providers: what each holds, answers and costs, and when one has begun."""

from collections.abc import AsyncIterator

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
from models.errors import DeadlineExceeded, PolyvoxError, ProviderTimeout, ReplicaLost
from models.ledger import Ask, UsageRecord
from models.ledger.estimates import Estimator, effort_of, quote, size_of
from models.ledger.usage import Status

_NOBODY_KNOWS = (DeadlineExceeded, ProviderTimeout, ReplicaLost)
"""After these a provider may have answered more than was heard of it."""

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
        task: str | None = None,
    ) -> None:
        """`task` is what the router takes the request to be for."""
        self.number = number
        self.model = model
        self.request = request
        """As it is sent: its `max_tokens` is what the budget affords, where that is less."""
        self.clamped_max_tokens: int | None = None
        self.usage: Usage | None = None
        """Set once the answer is complete."""
        self.called = False
        """Whether its provider may have been called."""
        self.ended: UsageRecord | None = None
        """What the ledger keeps of it, once that is known."""
        self.bills_on = catalog.hosts[model.host].bills_after_cancel
        """Whether leaving it saves nothing."""
        self._charge = Charge(
            caller,
            number,
            model,
            requested_model=request.model,
            stream=request.stream,
            catalog=catalog,
            task=task,
        )
        self.op_key = self._charge.op_key
        self._estimator = estimator
        self._size = size_of(request)
        self._effort = effort_of(request)
        self._quote = quote(request, self._size, model=model, price=self._charge.price)
        self._held_pico = self._quote.usual_pico
        self._sent_ms = 0
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
        self._sent_ms = round(self.age_s * 1000)
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
        self.ended = self._recorded(status, error)
        return self.ended

    def _recorded(self, status: Status, error: PolyvoxError | None) -> UsageRecord:
        if self.usage is not None:
            return self._charged(status, self.usage, error)
        nothing_came = self._first_token_ms is None
        if not self.called or (nothing_came and was_turned_down(error)):
            return self._charged(status, Usage(), error)
        goes_on = self.bills_on or not self.request.stream
        usage = self._estimate(is_whole=goes_on or (nothing_came and error is not None))
        in_doubt = error is not None and (nothing_came or isinstance(error, _NOBODY_KNOWS))
        return self._charged(status, usage, error, in_doubt=in_doubt)

    def progress(self) -> UsageRecord:
        """What is to be charged if nobody ever tells how it ended."""
        if self.usage is not None:
            return self._charged("expired", self.usage)
        return self._charged("expired", self._estimate(is_whole=True), in_doubt=True)

    def _charged(
        self, status: Status, usage: Usage, error: PolyvoxError | None = None, *, in_doubt: bool = False
    ) -> UsageRecord:
        """In doubt is what nobody can tell how far its provider got with: it is charged what it is likely to
        have cost, and counts against budgets as the worst, or they could be spent twice."""
        return self._charge.record(
            status,
            usage,
            at_worst_pico=self._at_worst() if in_doubt else 0,
            error=error,
            service_tier=self._service_tier,
            first_token_ms=self._first_token_ms,
        )

    def _complete(self, usage: Usage, service_tier: str) -> Usage:
        """What is charged: the provider's word, unless it gave none or one that cannot be."""
        self._service_tier = service_tier.replace("\0", "")[:_MAX_TIER_CHARS]
        if not is_plausible(usage) or (self._output_chars and not usage.total_output):
            self.usage = self._estimate()
            return self.usage
        self.usage = usage
        self._estimator.learn(
            self.model.id,
            self._size,
            usage,
            shown_chars=self._output_chars,
            thoughts_shown=self._thoughts_shown,
            effort=self._effort,
            waited_ms=self._waited_ms(),
        )
        return usage

    def _at_worst(self) -> int:
        """The list price of all that is held, up to what is rarely exceeded."""
        worst_pico = min(self._held_pico, self._quote.usual_pico)
        said = self._told_input()
        if said is None:
            return worst_pico
        output = max(0, worst_pico - self._quote.input_pico) // max(1, self._quote.output_rate_pico)
        used = replace(said, output=max(output, said.output))
        return self._charge.list_pico(used, service_tier=self._service_tier)

    def _estimate(self, *, is_whole: bool = False) -> Usage:
        """The input as the provider counted it at the start, if it did; the output by what came of it.

        If the provider may have made all of the answer, then at least as much as others answer.
        """
        output = self._estimator.output_tokens(
            self.model.id,
            shown_chars=self._output_chars,
            thoughts_shown=self._thoughts_shown,
            effort=self._effort,
            waited_ms=self._waited_ms(),
        )
        if is_whole:
            output = max(output, self._estimator.whole_answer_tokens(self.model.id, effort=self._effort))
        output = min(output, self.request.max_tokens or self.model.max_output)
        said = self._told_input()
        if said is not None:
            return replace(said, output=max(output, said.output), estimated=True)
        tokens = self._estimator.input_tokens(self.model, self._size)
        return Usage(input=tokens, output=output, estimated=True)

    def _waited_ms(self) -> int | None:
        """From its being sent to the first of a stream that can be seen, or until now."""
        if not self.request.stream or not self.called:
            return None
        seen_ms = round(self.age_s * 1000) if self._first_token_ms is None else self._first_token_ms
        return max(0, seen_ms - self._sent_ms)

    def _told_input(self) -> Usage | None:
        said = self._said_at_start
        return said if said is not None and said.total_input and is_plausible(said) else None


async def first_content(chunks: AsyncIterator[list[Chunk]], first: list[Chunk]) -> None:
    """Adds to `first` what comes up to the first content: until then another candidate may still answer."""
    while all(isinstance(chunk, Started) for chunk in first):
        batch = await anext(chunks, None)
        if batch is None:
            break
        first += batch


def _chars(part: Part) -> int:
    if isinstance(part, ToolCall):
        return len(part.name) + len(part.arguments)
    return len(getattr(part, "text", ""))
