"""Simple calls of dear models, priced on the cheapest smaller one that can do all that theirs can."""

from collections.abc import Callable, Container, Iterable, Sequence
from itertools import groupby

from msgspec import Struct

from models.catalog import Model, Tier
from models.reports.advice.optimization import (
    LEAST_SAVING_PICO,
    CostOptimization,
    Line,
    dollars,
    percent,
    saved,
)
from models.reports.rates import Rater, Reckon, service_of
from models.reports.rows import Shape, Simple

Evidence = Callable[[str, str], str | None]
"""What is known of the answers' quality when the second model replaces the first on simple calls."""

NO_EVIDENCE = "none yet"


def no_evidence(_: str, __: str) -> None:
    return None


_SMALLER: dict[Tier, tuple[Tier, ...]] = {"flagship": ("mid", "small"), "mid": ("small",), "small": ()}


class _Move(Struct, frozen=True):
    """All simple calls of one model to one other."""

    source: Model
    target: Model
    calls: int
    billed_pico: int
    would_pico: int
    shapes: tuple[Shape, ...]

    @property
    def saves(self) -> int:
        return self.billed_pico - self.would_pico


def downgrades(
    shapes: Sequence[Shape],
    *,
    rater: Rater,
    available: Container[str],
    reckon: Reckon,
    simple: Simple,
    evidence: Evidence,
) -> list[CostOptimization]:
    """One for each tier and the model that would replace its models.

    Only calls at the standard service tier move: who asked for another one had a reason. The replacement can
    be called now, is one that the router may choose, takes the inputs, and has every capability of the model
    that it replaces, since what a call needed is not recorded.
    """
    moves = [
        move
        for model in rater.catalog.models.values()
        if (move := _cheapest_move(model, shapes, rater=rater, available=available, reckon=reckon))
        and move.saves > 0
    ]
    moves.sort(key=lambda move: (move.source.tier, move.target.id, -move.saves, move.source.id))
    found = []
    for (tier, _), group in groupby(moves, key=lambda move: (move.source.tier, move.target.id)):
        parts = list(group)
        if sum(move.saves for move in parts) >= LEAST_SAVING_PICO:
            calls_of_tier = _calls_of_tier(tier, shapes, rater)
            found.append(_advice(tier, parts, calls_of_tier, rater=rater, simple=simple, evidence=evidence))
    return found


def _cheapest_move(
    source: Model, shapes: Iterable[Shape], *, rater: Rater, available: Container[str], reckon: Reckon
) -> _Move | None:
    moving = [s for s in shapes if s.model_id == source.id and s.simple and _is_standard(s)]
    if not moving:
        return None
    costs = [
        (would, target.id)
        for target in rater.catalog.models.values()
        if target.id in available
        and _can_replace(target, source, rater)
        and (would := _cost_on(target, moving, rater=rater, reckon=reckon)) is not None
    ]
    if not costs:
        return None
    would, target_id = min(costs)
    return _Move(
        source,
        rater.catalog.models[target_id],
        calls=sum(shape.calls for shape in moving),
        billed_pico=sum(shape.list_pico for shape in moving),
        would_pico=would,
        shapes=tuple(moving),
    )


def _is_standard(shape: Shape) -> bool:
    return service_of(shape.service_tier) == "standard"


def _can_replace(target: Model, source: Model, rater: Rater) -> bool:
    return (
        target.kind == source.kind
        and target.auto
        and target.tier in _SMALLER[source.tier]
        and target.capabilities >= source.capabilities
        and (target.retires is None or target.retires > rater.when.date())
    )


def _cost_on(target: Model, shapes: Iterable[Shape], *, rater: Rater, reckon: Reckon) -> int | None:
    total = 0
    for shape in shapes:
        rates = rater.rates(target, "standard", shape.size)
        if rates is None:
            return None
        total += reckon(shape.tokens, rates)
    return total


def _calls_of_tier(tier: Tier, shapes: Iterable[Shape], rater: Rater) -> int:
    known = rater.catalog.models
    return sum(s.calls for s in shapes if s.model_id in known and known[s.model_id].tier == tier)


def _advice(
    tier: Tier,
    moves: Sequence[_Move],
    calls_of_tier: int,
    *,
    rater: Rater,
    simple: Simple,
    evidence: Evidence,
) -> CostOptimization:
    target = moves[0].target
    calls = sum(move.calls for move in moves)
    billed = sum(move.billed_pico for move in moves)
    would = sum(move.would_pico for move in moves)
    known = [said for move in moves if (said := evidence(move.source.id, target.id))]
    lines = [Line(f"Calls of {tier} models", f"{calls_of_tier:,}")]
    for move in moves:
        lines += _lines(move)
    return CostOptimization(
        kind="model_downgrade",
        title=f"Have {target.id} answer simple calls of {tier} models",
        summary=(
            f"{percent(calls, calls_of_tier)} of your {tier} calls were classified simple; on {target.id}"
            f" they would have cost {dollars(would)} instead of {dollars(billed)}."
        ),
        arithmetic=(*lines, saved(billed - would)),
        savings_pico=billed - would,
        confidence="medium" if len(known) == len(moves) else "low",
        evidence=" ".join(known) or NO_EVIDENCE,
        assumptions=(
            simple.text,
            "The other model reads and writes as many tokens, and caches serve as large a part of its input.",
            f"List prices of {rater.when:%Y-%m-%d}, before volume discounts.",
            "Calls at another service tier than standard are left out, and so are those with sound,"
            " pictures or tools that the provider runs.",
        ),
        models=tuple(move.source.id for move in moves),
        instead=target.id,
    )


def _lines(move: _Move) -> list[Line]:
    tokens = [shape.tokens for shape in move.shapes]
    new = sum(part.input for part in tokens)
    cached = sum(part.total_input for part in tokens) - new
    output = sum(part.output for part in tokens)
    return [
        Line(f"Simple calls of {move.source.id}", f"{move.calls:,}"),
        Line("Their tokens", f"{new:,} new and {cached:,} cached input, {output:,} output"),
        Line(f"As billed on {move.source.id}", dollars(move.billed_pico)),
        Line(f"The same tokens on {move.target.id}", dollars(move.would_pico)),
    ]
