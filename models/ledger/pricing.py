"""The one place of cost arithmetic. Everything is an integer of pico-USD, so nothing is ever rounded."""

from collections.abc import Collection
from operator import attrgetter
from typing import Literal, get_args

from msgspec import Struct

from models.catalog import Price, Rates
from models.chat import ServerTool, Usage
from models.errors import UnknownPrice
from models.money import Pico

InputKind = Literal[
    "input",
    "audio_input",
    "image_input",
    "cache_read",
    "cache_read_audio",
    "cache_write_5m",
    "cache_write_1h",
]
OutputKind = Literal["output", "reasoning", "audio_output", "image_output"]
Component = InputKind | OutputKind | Literal["tools"]

INPUT_KINDS: tuple[InputKind, ...] = get_args(InputKind)
OUTPUT_KINDS: tuple[OutputKind, ...] = get_args(OutputKind)

ToolUses = tuple[tuple[ServerTool, int], ...]

_STANDARD_NAMES = frozenset({"", "auto", "default", "standard", "standard_only", "on_demand", "unspecified"})
"""What providers call the service tier of the plain list price."""

_amounts = attrgetter(*INPUT_KINDS, *OUTPUT_KINDS, "tools")


class Cost(Struct, frozen=True, kw_only=True):
    """Pico-USD by what it was paid for."""

    input: int = 0
    audio_input: int = 0
    image_input: int = 0
    cache_read: int = 0
    cache_read_audio: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    """Without reasoning, sound and pictures."""
    reasoning: int = 0
    audio_output: int = 0
    image_output: int = 0
    tools: int = 0
    estimated: bool = False
    """The counts or the rates are not the provider's word."""

    @property
    def total(self) -> Pico:
        return Pico(sum(_amounts(self)))


class Line(Struct, frozen=True):
    """One line of a bill: `quantity` tokens, or uses of a tool, at `rate_pico` each."""

    component: Component
    quantity: int
    rate_pico: int
    cost_pico: int
    tool: ServerTool | None = None


def cost(usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False) -> Cost:
    """The exact cost of a call.

    `service_tier` is the provider's word for what it served (from the answer, not the request). The size of
    the whole input, cached tokens included, decides the rates of every token of the call.
    Raises UnknownPrice where the price lists no such tier at this size, or not a tool that was used.
    """
    rates = _listed(price, _service(service_tier, batch=batch), usage.total_input)
    tools = _tools(usage.tool_uses, price) if usage.tool_uses else 0
    return _cost(usage, rates, tools=tools, estimated=usage.estimated)


def settled(usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False) -> Cost:
    """As `cost`, for a call that has been made and has to be charged whatever the provider named.

    An unlisted service tier is charged at the standard rates, an unlisted tool as the dearest listed one:
    both are estimates to be reconciled.
    """
    try:
        return cost(usage, price, service_tier=service_tier, batch=batch)
    except UnknownPrice:
        rates = _listed_or_standard(price, _service(service_tier, batch=batch), usage.total_input)
        tools = sum(line.cost_pico for line in _tool_lines(usage.tool_uses, price))
        return _cost(usage, rates, tools=tools, estimated=True)


def reckon(usage: Usage, rates: Rates) -> Pico:
    """The tokens at these rates, tools apart. Linear: of a sum of calls it is the sum of their costs."""
    return _cost(usage, rates, tools=0, estimated=usage.estimated).total


def bill(
    usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False
) -> tuple[Line, ...]:
    """The lines that `cost` is the sum of, without those of nothing. Raises UnknownPrice."""
    paid = cost(usage, price, service_tier=service_tier, batch=batch)
    rates = _listed(price, _service(service_tier, batch=batch), usage.total_input)
    thought = min(usage.reasoning, usage.output)
    used = {"output": usage.output - thought, "reasoning": thought}
    lines = [
        Line(kind, quantity, getattr(rates, kind), getattr(paid, kind))
        for kind in (*INPUT_KINDS, *OUTPUT_KINDS)
        if (quantity := used.get(kind, getattr(usage, kind)))
    ]
    return (*lines, *_tool_lines(usage.tool_uses, price))


def saved_by_caches(
    usage: Usage, price: Price, *, service_tier: str = "standard", batch: bool = False
) -> int:
    """What the call would have cost more without caches; below 0 where storing cost more than it saved."""
    rates = _listed_or_standard(price, _service(service_tier, batch=batch), usage.total_input)
    return (
        usage.cache_read * (rates.input - rates.cache_read)
        + usage.cache_read_audio * (rates.audio_input - rates.cache_read_audio)
        + usage.cache_write_5m * (rates.input - rates.cache_write_5m)
        + usage.cache_write_1h * (rates.input - rates.cache_write_1h)
    )


def ceiling(
    price: Price,
    *,
    input_tokens: int,
    max_tokens: int,
    service_tier: str = "standard",
    batch: bool = False,
    input_kinds: Collection[InputKind] = INPUT_KINDS,
    output_kinds: Collection[OutputKind] = OUTPUT_KINDS,
    tool_uses: ToolUses = (),
) -> Pico:
    """The most that a call can cost with up to so many tokens and uses: every token at its dearest rate.

    Who knows that some kinds of tokens cannot occur (sound, hour-long caching) leaves them out of the kinds.
    Raises UnknownPrice where a call up to this size may have none.
    """
    service = _service(service_tier, batch=batch)
    tools = _tools(tool_uses, price)
    sizes = [
        r.above for r in price.rates if r.service == "standard" and (not r.above or r.above < input_tokens)
    ]
    bands = [_listed(price, service, above + 1 if above else 0) for above in sizes]
    dearest_input = max(getattr(rates, kind) for rates in bands for kind in input_kinds)
    dearest_output = max(getattr(rates, kind) for rates in bands for kind in output_kinds)
    return Pico(dearest_input * input_tokens + dearest_output * max_tokens + tools)


def _listed(price: Price, service: str, total_input: int) -> Rates:
    rates = price.rates_for(service, total_input=total_input)
    if rates is None:
        raise UnknownPrice(
            f"{price.model_id} has no {service[:40]!r} price for {total_input} input tokens.",
            model=price.model_id,
        )
    return rates


def _listed_or_standard(price: Price, service: str, total_input: int) -> Rates:
    return price.rates_for(service, total_input=total_input) or _listed(price, "standard", total_input)


def _service(tier: str, *, batch: bool) -> str:
    if batch:
        return "batch"
    name = tier.lower()
    return "standard" if name in _STANDARD_NAMES else name


def _cost(usage: Usage, rates: Rates, *, tools: int, estimated: bool) -> Cost:
    thought = min(usage.reasoning, usage.output)
    return Cost(
        input=usage.input * rates.input,
        audio_input=usage.audio_input * rates.audio_input,
        image_input=usage.image_input * rates.image_input,
        cache_read=usage.cache_read * rates.cache_read,
        cache_read_audio=usage.cache_read_audio * rates.cache_read_audio,
        cache_write_5m=usage.cache_write_5m * rates.cache_write_5m,
        cache_write_1h=usage.cache_write_1h * rates.cache_write_1h,
        output=(usage.output - thought) * rates.output,
        reasoning=thought * rates.reasoning,
        audio_output=usage.audio_output * rates.audio_output,
        image_output=usage.image_output * rates.image_output,
        tools=tools,
        estimated=estimated,
    )


def _tools(uses: ToolUses, price: Price) -> int:
    listed = {listed.tool for listed in price.tools}
    for tool, _ in uses:
        if tool not in listed:
            raise UnknownPrice(f"{price.model_id} has no price for {tool}.", model=price.model_id)
    return sum(line.cost_pico for line in _tool_lines(uses, price))


def _tool_lines(uses: ToolUses, price: Price) -> list[Line]:
    """An unlisted tool at the price of the dearest listed one."""
    lines = []
    for tool, used in uses:
        listed = next((p for p in price.tools if p.tool == tool), None)
        charged = listed or max(price.tools, key=attrgetter("pico"), default=None)
        times = min(used, 1) if charged and charged.per == "call" else used
        pico = charged.pico if charged else 0
        lines.append(Line("tools", times, pico, times * pico, tool))
    return lines
