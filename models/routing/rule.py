"""The stated rule, for when no learned policy is at hand: the cheapest fitting model of the mode's tier.

Within a tier by price of this request (its estimated input, and what it may answer), ties by id; then the
neighbouring tiers, in the mode's order. Pure: it reads nothing but its arguments.
"""

from collections.abc import Container
from dataclasses import dataclass
from datetime import UTC, date, datetime

from models.catalog import Capability, Catalog, Mode, Model, Price, Tier
from models.chat import ChatRequest
from models.errors import UnknownPrice
from models.routing.needs import ASSUMED_OUTPUT_TOKENS, needs
from models.routing.plan import Candidate, Dropped, Plan

_TIERS: dict[Mode, tuple[Tier, Tier, Tier]] = {
    "cheap": ("small", "mid", "flagship"),
    "fast": ("small", "mid", "flagship"),
    "balanced": ("mid", "flagship", "small"),
    "quality": ("flagship", "mid", "small"),
}

_CONFIDENCE_IN_TIER = 1.0
_CONFIDENCE_BESIDE_TIER = 0.5
_TYPICAL_OUTPUT_TOKENS = 512


@dataclass(frozen=True, order=True, slots=True)
class _Fit:
    tier_rank: int
    weight: int
    model_id: str


def plan(
    request: ChatRequest,
    *,
    mode: Mode,
    catalog: Catalog,
    available: Container[str],
    estimated_input_tokens: int,
    when: datetime | None = None,
) -> Plan:
    """Candidates among the models that the catalogue leaves to the router.

    `available` holds the ids of models that may be called now. `when` (aware) picks the prices and says which
    models are retired; without it the newest prices count and no model is retired.
    """
    day = None if when is None else when.astimezone(UTC).date()
    needed = needs(request)
    fits: list[_Fit] = []
    dropped: list[Dropped] = []
    for model in catalog.models.values():
        if not model.auto:
            continue
        drop = misfit(
            model, request, needed=needed, available=available, input_tokens=estimated_input_tokens, day=day
        )
        price = _price(catalog, model, day)
        if drop is None and price is not None:
            weight = _weight(price, input_tokens=estimated_input_tokens, max_tokens=request.max_tokens)
            fits.append(_Fit(_TIERS[mode].index(model.tier), weight, model.id))
        else:
            dropped.append(drop or Dropped(model_id=model.id, reason="unpriced"))
    fits.sort()
    return Plan(
        mode=mode,
        needs=tuple(sorted(needed)),
        estimated_input_tokens=estimated_input_tokens,
        candidates=tuple(_candidate(catalog.models[fit.model_id], fit) for fit in fits),
        dropped=tuple(dropped),
        confidence=_CONFIDENCE_IN_TIER if fits and fits[0].tier_rank == 0 else _CONFIDENCE_BESIDE_TIER,
    )


def misfit(
    model: Model,
    request: ChatRequest,
    *,
    needed: frozenset[Capability],
    available: Container[str],
    input_tokens: int,
    day: date | None = None,
) -> Dropped | None:
    """Why `model` cannot serve the request, or None."""
    if model.id not in available:
        return Dropped(model_id=model.id, reason="unavailable")
    if day is not None and model.retires is not None and model.retires <= day:
        return Dropped(model_id=model.id, reason="retired")
    missing = needed - model.capabilities
    if missing:
        return Dropped(model_id=model.id, reason="missing_capability", missing=tuple(sorted(missing)))
    output = request.max_tokens or ASSUMED_OUTPUT_TOKENS
    if output > model.max_output:
        return Dropped(model_id=model.id, reason="output_too_long")
    if input_tokens > model.max_input or input_tokens + output > model.window:
        return Dropped(model_id=model.id, reason="input_too_long")
    return None


def _price(catalog: Catalog, model: Model, day: date | None) -> Price | None:
    if day is None:
        return model.prices[-1]
    try:
        return catalog.price_at(model, day)
    except UnknownPrice:
        return None


def _weight(price: Price, *, input_tokens: int, max_tokens: int | None) -> int:
    """What models are ranked by: the list price of the prompt and a typical answer. Nobody pays it."""
    rates = price.rates_for("standard", total_input=input_tokens)
    assert rates is not None
    output = min(max_tokens or _TYPICAL_OUTPUT_TOKENS, _TYPICAL_OUTPUT_TOKENS)
    return rates.input * input_tokens + rates.output * output


def _candidate(model: Model, fit: _Fit) -> Candidate:
    where = "" if fit.tier_rank == 0 else ", a neighbouring tier"
    reason = f"by price among {model.tier} models that fit{where}"
    return Candidate(
        model_id=model.id, provider=model.host, tier=model.tier, reason=reason, cost_pico=fit.weight
    )
