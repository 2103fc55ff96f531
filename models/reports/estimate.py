"""`CostEstimator`: what a call will probably cost, before it is made."""

from collections.abc import Callable, Container
from datetime import datetime
from typing import Protocol

from msgspec import Struct
from msgspec.structs import astuple

from models.catalog import Catalog, Model, Price, Rates
from models.chat import ChatRequest, Usage
from models.errors import ContextLengthExceeded, InvalidRequest, Overloaded, UnknownPrice
from models.reports.history import History, Lengths
from models.reports.rates import Reckon, service_of
from models.reports.selection import Owner

LEAST_CALLS = 20
"""Fewer say nothing of how long answers are."""


class Range(Struct, frozen=True):
    low: int
    expected: int
    high: int


ASSUMED_OUTPUT = Range(64, 512, 4_096)
"""Tokens of an answer, for a model of which nobody has had enough."""


Misfit = Callable[[Model, ChatRequest, int], str | None]
"""Why a model cannot serve a request with so many input tokens; None where it can."""


class Ceiling(Protocol):
    def __call__(self, request: ChatRequest, model: Model, price: Price, /) -> int:
        """What would be held for the call at most: pico-USD. Raises UnknownPrice."""
        ...


class CostEstimate(Struct, frozen=True, kw_only=True):
    model_id: str
    provider: str
    input_tokens: int
    output_tokens: Range
    cost_pico: Range
    maximum_pico: int
    """What would be held for the call: it never costs more."""
    assumptions: tuple[str, ...]
    price_snapshot: str


class CostEstimator:
    """Estimates by the catalogue of the moment and by how long the models' answers have been.

    `count_input` guesses the input tokens of a request, rather too many than too few.
    """

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        available: Callable[[], Container[str]],
        history: History,
        count_input: Callable[[ChatRequest], int],
        ceiling: Ceiling,
        reckon: Reckon,
        clock: Callable[[], datetime],
        misfit: Misfit,
    ) -> None:
        self._catalog = catalog
        self._available = available
        self._history = history
        self._count_input = count_input
        self._ceiling = ceiling
        self._reckon = reckon
        self._clock = clock
        self._misfit = misfit

    async def estimate(self, request: ChatRequest, *, owner: Owner) -> CostEstimate | list[CostEstimate]:
        """Of the model that the request names; for `auto` of all that can be called and could serve it, the
        cheapest first.

        Raises UnknownModel, UnknownPrice, ContextLengthExceeded, and InvalidRequest where the named model
        cannot serve the request.
        """
        catalog = self._catalog()
        named = catalog.resolve(request.model)
        call = _Call(request, self._count_input(request), await self._answers(owner), self._clock())
        if isinstance(named, Model):
            self._refuse(named, call)
            return self._estimate(named, catalog, call)
        found = [
            estimate
            for model in catalog.models.values()
            if (estimate := self._estimate_if_possible(model, catalog, call)) is not None
        ]
        return sorted(found, key=lambda e: (e.cost_pico.expected, e.cost_pico.high, e.model_id))

    def _refuse(self, model: Model, call: "_Call") -> None:
        if call.input_tokens > model.max_input:
            raise ContextLengthExceeded(
                f"{model.id} takes {model.max_input} input tokens, these are some {call.input_tokens}",
                param="message",
            )
        if reason := self._misfit(model, call.request, call.input_tokens):
            raise InvalidRequest(f"{model.id} cannot serve this: {reason}", param="modelId")

    def _estimate_if_possible(self, model: Model, catalog: Catalog, call: "_Call") -> CostEstimate | None:
        if model.kind != "chat" or model.id not in self._available() or call.input_tokens > model.max_input:
            return None
        if self._misfit(model, call.request, call.input_tokens) is not None:
            return None
        try:
            return self._estimate(model, catalog, call)
        except UnknownPrice:
            return None

    def _estimate(self, model: Model, catalog: Catalog, call: "_Call") -> CostEstimate:
        price = catalog.price_at(model, call.when)
        service = service_of(call.request.service_tier or "")
        rates = price.rates_for(service, total_input=call.input_tokens)
        if rates is None:
            raise UnknownPrice(
                f"{model.id} has no {service} price for {call.input_tokens} input tokens.", model=model.id
            )
        output, source = _output(model, call)
        return CostEstimate(
            model_id=model.id,
            provider=model.host,
            input_tokens=call.input_tokens,
            output_tokens=output,
            cost_pico=Range(*(self._cost(call.input_tokens, tokens, rates) for tokens in astuple(output))),
            maximum_pico=self._ceiling(call.request, model, price),
            assumptions=(
                "The input is counted by its characters, rather too high than too low; none of it comes"
                " from a cache.",
                source,
                f"List price of the {service} tier, before volume discounts.",
                *(() if model.id in self._available() else (f"{model.host} cannot be called now.",)),
            ),
            price_snapshot=catalog.snapshot,
        )

    def _cost(self, input_tokens: int, output_tokens: int, rates: Rates) -> int:
        return self._reckon(Usage(input=input_tokens, output=output_tokens), rates)

    async def _answers(self, owner: Owner) -> "list[tuple[str, Lengths]]":
        """The user's own and the tenant's, the better told first; none where they cannot be had: an estimate
        is worth more than a history."""
        try:
            own = await self._history.output_lengths(owner)
            others = await self._history.output_lengths(Owner(owner.tenant_id))
        except Overloaded:
            return []
        return [("your own", own), ("your organisation's", others)]


class _Call(Struct, frozen=True):
    request: ChatRequest
    input_tokens: int
    answers: list[tuple[str, Lengths]]
    when: datetime


def _output(model: Model, call: _Call) -> tuple[Range, str]:
    """How long the answer will be, and how that is known."""
    most = min(call.request.max_tokens or model.max_output, model.max_output)
    limit = f" No more than {most:,}, the limit of the request." if call.request.max_tokens else ""
    for whose, lengths in call.answers:
        known = lengths.get(model.id)
        if known is not None and known.calls >= LEAST_CALLS:
            spread = Range(known.p10, min(max(known.mean, known.p10), known.p90), known.p90)
            return _within(spread, most), (
                f"The output is as long as {whose} last {known.calls:,} answers of the model: tenth"
                f" percentile, mean and ninetieth percentile.{limit}"
            )
    assumed = ASSUMED_OUTPUT
    return _within(assumed, most), (
        f"Too few answers of the model are known: {assumed.low:,}, {assumed.expected:,} and {assumed.high:,}"
        f" output tokens are assumed.{limit}"
    )


def _within(spread: Range, most: int) -> Range:
    return Range(min(spread.low, most), min(spread.expected, most), min(spread.high, most))
