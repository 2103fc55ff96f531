"""What providers' prompt caches would have saved on what conversations send again with every turn."""

from collections.abc import Iterable, Sequence
from datetime import timedelta
from itertools import groupby

from models.catalog import Model, Protocol
from models.chat import Usage
from models.reports.advice.optimization import (
    LEAST_SAVING_PICO,
    Confidence,
    CostOptimization,
    Line,
    dollars,
    percent,
    saved,
)
from models.reports.rates import Rater, Reckon, service_of
from models.reports.rows import Turns

KEPT_FOR = timedelta(minutes=5)
"""The shortest time that a provider keeps a prompt."""
SHORTEST_TOKENS = 1_024
"""Providers cache no prompt that is shorter."""

_UNASKED = "It caches unasked what begins the same to the letter: have no times or ids in the beginning."
_HOW: dict[Protocol, str] = {
    "openai": _UNASKED,
    "anthropic": "It caches what is marked: set `cache_control` at the end of what stays the same.",
    "google": _UNASKED,
}


def prompt_caching(turns: Sequence[Turns], *, rater: Rater, reckon: Reckon) -> list[CostOptimization]:
    """One for each model whose conversations miss its provider's cache, by what that costs."""
    found = []
    for model_id, group in groupby(sorted(turns, key=lambda t: t.model_id), key=lambda t: t.model_id):
        rows = list(group)
        model = rater.catalog.models.get(model_id)
        if model is None or "prompt_cache" not in model.capabilities:
            continue
        reading = sum(_reading(model, row, rater, reckon) for row in rows)
        writing = sum(_writing(model, row, rater, reckon) for row in rows)
        if reading - writing >= LEAST_SAVING_PICO:
            found.append(_advice(model, rows, reading=reading, writing=writing, rater=rater))
    return sorted(found, key=lambda advice: -advice.savings_pico)


def _reading(model: Model, row: Turns, rater: Rater, reckon: Reckon) -> int:
    rates = rater.rates(model, service_of(row.service_tier), row.size)
    if rates is None:
        return 0
    return reckon(Usage(input=row.missed), rates) - reckon(Usage(cache_read=row.missed), rates)


def _writing(model: Model, row: Turns, rater: Rater, reckon: Reckon) -> int:
    """What storing costs beyond sending."""
    rates = rater.rates(model, service_of(row.service_tier), row.size)
    if rates is None:
        return 0
    return reckon(Usage(cache_write_5m=row.unwritten), rates) - reckon(Usage(input=row.unwritten), rates)


def _advice(
    model: Model, rows: Iterable[Turns], *, reading: int, writing: int, rater: Rater
) -> CostOptimization:
    rows = list(rows)
    followups = sum(row.followups for row in rows)
    total = sum(row.total_input for row in rows)
    read = sum(row.read for row in rows)
    missed = sum(row.missed for row in rows)
    confidence: Confidence = "medium" if read * 10 >= total else "low"
    return CostOptimization(
        kind="prompt_cache",
        title=f"Have {model.host} cache what conversations with {model.id} send again",
        summary=(
            f"{model.host}'s cache served {percent(read, total)} of the input of {followups:,} follow-ups;"
            f" {percent(missed, total)} more had probably been sent minutes before, and would have cost"
            f" {dollars(reading - writing)} less from the cache. {_HOW[model.protocol]}"
        ),
        arithmetic=(
            Line("Turns within 5 minutes of the one before", f"{followups:,}"),
            Line("Their input tokens", f"{total:,}"),
            Line("Read from the cache", f"{read:,}"),
            Line("Sent again as new input", f"{missed:,}"),
            Line("New input less cached input, at the model's rates", dollars(reading)),
            Line("Storing it in the cache, beyond sending it", dollars(writing)),
            saved(reading - writing),
        ),
        savings_pico=reading - writing,
        confidence=confidence,
        assumptions=(
            "A turn begins with all that the turn before sent, or repeats its beginning where that was"
            " longer, as conversations do that are sent whole: sizes are known, texts are not.",
            f"The provider keeps a prompt for {KEPT_FOR.seconds // 60} minutes and caches it from"
            f" {SHORTEST_TOKENS:,} tokens on; some models ask for up to 4,096.",
            f"List prices of {rater.when:%Y-%m-%d}, before volume discounts.",
        ),
        models=(model.id,),
        instead="prompt cache",
    )
