"""A conversation's account of its answers: which models gave them, and what they took."""

from collections.abc import Iterable
from typing import NamedTuple

from msgspec.structs import replace

from models.conversations.conversation import CostTracking, ModelRun, Spent
from models.conversations.message import Producer

MAX_RUNS = 100
"""The newest are kept: the account is read and written with every turn."""
MAX_MODELS = 100
OTHERS = "others"
"""What the models beyond the first took."""


class Answer(NamedTuple):
    branch: int
    seq: int
    producer: Producer


def with_runs(history: tuple[ModelRun, ...], answers: Iterable[Answer]) -> tuple[ModelRun, ...]:
    runs = list(history)
    for answer in answers:
        if runs and _goes_on(runs[-1], answer):
            runs[-1] = replace(runs[-1], last_seq=answer.seq, answers=runs[-1].answers + 1)
        else:
            runs.append(_run(answer))
    return tuple(runs[-MAX_RUNS:])


def with_costs(tracked: CostTracking, answers: Iterable[Answer]) -> CostTracking:
    total, models = tracked.total, dict(tracked.models)
    for _, _, producer in answers:
        name = producer.model if producer.model in models or len(models) < MAX_MODELS else OTHERS
        total = _plus(total, producer)
        models[name] = _plus(models.get(name, Spent()), producer)
    return CostTracking(total, models)


def _goes_on(run: ModelRun, answer: Answer) -> bool:
    made = (answer.producer.model, answer.producer.provider, answer.producer.api, answer.branch)
    return made == (run.model, run.provider, run.api, run.branch)


def _run(answer: Answer) -> ModelRun:
    return ModelRun(
        model=answer.producer.model,
        provider=answer.producer.provider,
        api=answer.producer.api,
        branch=answer.branch,
        first_seq=answer.seq,
        last_seq=answer.seq,
        answers=1,
    )


def _plus(spent: Spent, producer: Producer) -> Spent:
    return Spent(
        answers=spent.answers + 1,
        input_tokens=spent.input_tokens + producer.input_tokens,
        output_tokens=spent.output_tokens + producer.output_tokens,
        cost_pico=str(int(spent.cost_pico) + producer.cost_pico),
    )
