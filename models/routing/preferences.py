"""What one user's own feedback adds to what everybody's says: by model and task, fading, and shrunk."""

from collections.abc import Iterable, Mapping

from msgspec import Struct

from models.routing.task import TASKS, Task, TaskPrediction

HALF_LIFE_S = 45 * 86_400.0
SHRINKAGE = 8.0
"""So many outcomes of the user's own weigh as much as everybody's."""
TASK_SHRINKAGE = 4.0
"""So many of a task weigh as much as the user's opinion of the model at large."""
MOST = 0.2
"""Of quality, that a taste adds or takes."""


class Taste(Struct, frozen=True, kw_only=True):
    """What a user has said of a model at a task: sums, as of a moment."""

    model_id: str
    task: Task
    weight: float
    gain: float
    """Sum of how much better than usual each answer was taken, by weight: a reward less what was believed."""
    updated_at: float
    """Seconds since the epoch."""

    def faded(self, now: float) -> "Taste":
        kept = 0.5 ** (max(0.0, now - self.updated_at) / HALF_LIFE_S)
        return Taste(
            model_id=self.model_id,
            task=self.task,
            weight=self.weight * kept,
            gain=self.gain * kept,
            updated_at=now,
        )

    def with_outcome(self, gain: float, *, weight: float, now: float) -> "Taste":
        faded = self.faded(now)
        return Taste(
            model_id=self.model_id,
            task=self.task,
            weight=faded.weight + weight,
            gain=faded.gain + weight * gain,
            updated_at=now,
        )

    @property
    def score(self) -> float:
        """From -1 to 1: what `user_model_preferences` shows."""
        return max(-1.0, min(1.0, self.gain / (SHRINKAGE + self.weight)))


def preferences(tastes: Iterable[Taste], task: TaskPrediction, *, now: float) -> Mapping[str, float]:
    """What is to be added to each model's quality for this user and request."""
    shares = dict(zip(TASKS, task.distribution(), strict=True))
    by_model: dict[str, list[Taste]] = {}
    for taste in tastes:
        by_model.setdefault(taste.model_id, []).append(taste.faded(now))
    added = {model: _added(of_model, shares) for model, of_model in by_model.items()}
    return {model: amount for model, amount in added.items() if abs(amount) >= 0.001}


def _added(tastes: list[Taste], shares: Mapping[Task, float]) -> float:
    weight, gain = sum(t.weight for t in tastes), sum(t.gain for t in tastes)
    at_large = gain / (SHRINKAGE + weight)
    known = {taste.task: taste for taste in tastes}
    total = 0.0
    for task, share in shares.items():
        taste = known.get(task)
        if taste is None:
            total += share * at_large
        else:
            total += share * (at_large * TASK_SHRINKAGE + taste.gain) / (TASK_SHRINKAGE + taste.weight)
    own = weight / (SHRINKAGE + weight)
    return max(-MOST, min(MOST, total * own))
