"""Calls that nobody waits for, priced at a slower service tier of the same model."""

from collections.abc import Iterable, Sequence
from typing import Literal

from models.reports.advice.optimization import (
    LEAST_SAVING_PICO,
    CostOptimization,
    Line,
    count,
    dollars,
    saved,
)
from models.reports.rates import Rater, Reckon, service_of
from models.reports.rows import Shape

Slower = Literal["flex", "batch"]

_TERMS: dict[Slower, str] = {
    "flex": "Answers at the flex tier may take minutes, and are refused while the provider has no room.",
    "batch": "A batch is sent as a whole and answered within 24 hours.",
}


def slower_tiers(shapes: Sequence[Shape], *, rater: Rater, reckon: Reckon) -> list[CostOptimization]:
    """One for `flex` and one for `batch`: a model that lists both is advised the former, which is a parameter
    of the same call."""
    found = []
    taken: set[str] = set()
    for tier in ("flex", "batch"):
        moves = _moves(tier, shapes, taken, rater=rater, reckon=reckon)
        taken |= moves.keys()
        if sum(billed - would for _, billed, would in moves.values()) >= LEAST_SAVING_PICO:
            found.append(_advice(tier, moves, rater))
    return found


def _moves(
    tier: Slower, shapes: Iterable[Shape], taken: set[str], *, rater: Rater, reckon: Reckon
) -> dict[str, tuple[int, int, int]]:
    """Calls, what was billed and what would have been, by model."""
    moves: dict[str, tuple[int, int, int]] = {}
    for shape in shapes:
        model = rater.catalog.models.get(shape.model_id)
        if model is None or model.id in taken or not shape.unattended:
            continue
        if service_of(shape.service_tier) != "standard":
            continue
        rates = rater.rates(model, tier, shape.size)
        if rates is not None and (would := reckon(shape.tokens, rates)) < shape.list_pico:
            calls, billed, before = moves.get(model.id, (0, 0, 0))
            moves[model.id] = (calls + shape.calls, billed + shape.list_pico, before + would)
    return moves


def _advice(tier: Slower, moves: dict[str, tuple[int, int, int]], rater: Rater) -> CostOptimization:
    calls, billed, would = (sum(column) for column in zip(*moves.values(), strict=True))
    lines = []
    for model_id, (of_model, was, is_) in sorted(moves.items()):
        lines += [
            Line(f"Background calls of {model_id}", f"{of_model:,}"),
            Line("As billed", dollars(was)),
            Line(f"The same tokens at {tier} rates", dollars(is_)),
        ]
    return CostOptimization(
        kind="service_tier",
        title=f"Send background calls at the {tier} tier",
        summary=(
            f"Nobody seems to wait for {count(calls, 'call')}; at the {tier} tier they would have cost"
            f" {dollars(would)} instead of {dollars(billed)}."
        ),
        arithmetic=(*lines, saved(billed - would)),
        savings_pico=billed - would,
        confidence="low",
        assumptions=(
            "Background are the calls of keys that streamed no answer in this time, and of named endpoints.",
            _TERMS[tier],
            f"List prices of {rater.when:%Y-%m-%d}, before volume discounts.",
        ),
        models=tuple(sorted(moves)),
        instead=tier,
    )
