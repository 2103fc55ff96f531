"""The same request sent again within a day, which a cache of answers would have served."""

from collections.abc import Sequence

from models.reports.advice.optimization import (
    LEAST_SAVING_PICO,
    CostOptimization,
    Line,
    count,
    dollars,
    saved,
)
from models.reports.rows import Repeats


def repeated_prompts(repeats: Sequence[Repeats]) -> list[CostOptimization]:
    """At most one, over all models."""
    avoidable = sum(row.avoidable_pico for row in repeats)
    if avoidable < LEAST_SAVING_PICO:
        return []
    rows = sorted(repeats, key=lambda row: (-row.avoidable_pico, row.model_id))
    prompts = sum(row.prompts for row in rows)
    calls = sum(row.calls for row in rows)
    spend = sum(row.spend_pico for row in rows)
    lines = []
    for row in rows:
        lines += [
            Line(f"Requests sent more than once to {row.model_id}", f"{row.prompts:,}, {row.calls:,} times"),
            Line("Spent on them", dollars(row.spend_pico)),
            Line("On all but one call of each", dollars(row.avoidable_pico)),
            Line("Such as", ", ".join(row.examples)),
        ]
    return [
        CostOptimization(
            kind="duplicate_prompts",
            title="Answer repeated requests from a cache",
            summary=(
                f"{count(prompts, 'request')} came more than once within a day, {calls:,} times in all for"
                f" {dollars(spend)}; a cache of answers would have saved {dollars(avoidable)}."
            ),
            arithmetic=(*lines, saved(avoidable)),
            savings_pico=avoidable,
            confidence="high",
            assumptions=(
                "Requests are the same to the byte, of the same user, to the same model.",
                "The dearest call of each is the one that has to be made; days are those of UTC, so that a"
                " request before and after midnight does not count: what is saved is a lower bound.",
                "The first answer may be given again: that holds for look-ups, not where variety is wanted.",
            ),
            models=tuple(row.model_id for row in rows),
            instead="response cache",
        )
    ]
