"""`choose`: which of some models should answer each of some prompts, for scorers and notebooks."""

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, date, datetime

from models.catalog import Catalog, Mode, Model, load_catalog
from models.chat import ChatRequest, Message, Text
from models.errors import PolyvoxError
from models.routing.classifier import classify as bundled_classifier
from models.routing.constraints import Constraints, bundled_hosts
from models.routing.expectation import Beliefs, Performance
from models.routing.learner import Learned
from models.routing.policy import Circumstances, Question, decide
from models.routing.quality import QualityPriors
from models.routing.task import TaskPrediction, unknown_task
from models.routing.tokens import estimate_input_tokens
from models.routing.weights import WEIGHTS, Weights

log = logging.getLogger(__name__)

Classify = Callable[[Sequence[str]], Sequence[TaskPrediction]]


def choose(
    prompts: Sequence[str],
    models: Sequence[str],
    mode: Mode | Weights = "balanced",
    *,
    classify: Classify = bundled_classifier,
    learned: Learned | None = None,
    corrections: Sequence[Mapping[str, float]] | None = None,
    catalog: Catalog | None = None,
    performance: Mapping[str, Performance] | None = None,
    day: date | None = None,
) -> list[str]:
    """A model's name, as it stands in `models`, for each prompt. `corrections`, one for each prompt, are
    added to the models' qualities.

    Raises UnknownModel for a name that the catalogue does not have, ValueError where no model can answer.
    """
    catalog = catalog or load_catalog()
    names = {_named(catalog, name).id: name for name in models}
    at = Circumstances(
        catalog=catalog,
        available=frozenset(names),
        beliefs=Beliefs(QualityPriors.load(), learned),
        performance=performance or {},
        hosts=bundled_hosts(),
    )
    tasks = _tasks(prompts, classify)
    weights = mode if isinstance(mode, Weights) else WEIGHTS[mode]
    chosen = []
    for prompt, task, corrected in zip(prompts, tasks, corrections or [{}] * len(prompts), strict=True):
        request = ChatRequest(model="auto", messages=(Message("user", (Text(prompt),)),))
        question = Question(
            request=request,
            mode="balanced" if isinstance(mode, Weights) else mode,
            weights=weights,
            task=task,
            input_tokens=estimate_input_tokens(request),
            constraints=Constraints(models=frozenset(names)),
            corrections=corrected,
        )
        plan = decide(question, at, day=day or datetime.now(UTC).date())
        if not plan.candidates:
            raise ValueError(f"none of {', '.join(models)} can answer")
        chosen.append(names[plan.candidates[0].model_id])
    return chosen


def _tasks(prompts: Sequence[str], classify: Classify) -> Sequence[TaskPrediction]:
    """Unknown where the classifier fails: a choice is made all the same."""
    try:
        return classify(prompts)
    except PolyvoxError as error:
        log.warning("the prompts were not classified: %s", error)
        return [unknown_task()] * len(prompts)


def _named(catalog: Catalog, name: str) -> Model:
    found = catalog.resolve(name)
    if not isinstance(found, Model):
        raise ValueError(f"{name} is no model")
    return found
