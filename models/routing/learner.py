"""What outcomes teach: a table of models and tasks that forgets, and doubts a model that has changed.

A state is a value and `absorb` is pure: whoever has the same state and the same outcomes has the same table.
"""

from collections.abc import Iterable, Mapping
from typing import Literal

from msgspec import Struct, field
from msgspec.structs import replace

from models.routing.task import Task

FORGETTING = 0.998
"""What a cell keeps of its evidence for each outcome of its task."""
POOLING = 40.0
"""So many outcomes at other tasks move a model half as far as they differ from what was expected."""
ALARM_SLACK = 0.13
"""A model may do worse than it did by so much without being said to have changed."""
ALARM_AT = 7.0
"""Disappointments beyond the slack, summed up, that say it has."""
ALARM_KNOWN = 12.0
"""Evidence that there has to be of what a model did before."""
AFTER_ALARM = 6.0
"""What evidence from before a change counts for afterwards, at most."""
USER_SHARE = 0.1
USER_FREE = 5.0
"""Outcomes of one user that count in full, whatever share they are."""
ENOUGH_OTHERS = 20.0
"""Outcomes of others before a share means anything: until then one user's are all there is."""
MAX_USERS = 1_000
MAX_BATCHES = 64

Kind = Literal["explicit", "implicit", "measured"]
WEIGHTS: Mapping[Kind, float] = {"explicit": 1.0, "implicit": 0.3, "measured": 1.0}


class Outcome(Struct, frozen=True, kw_only=True):
    """How an answer was taken."""

    model_id: str
    task: Task
    reward: float
    """From 0 to 1."""
    kind: Kind = "explicit"
    user_id: str = ""


class Evidence(Struct, frozen=True):
    weight: float = 0.0
    reward: float = 0.0
    """Sum over the outcomes, by weight."""
    at: float = 0.0
    """The count of its task up to which it has forgotten."""

    def faded(self, now: float) -> "Evidence":
        kept = FORGETTING ** max(0.0, now - self.at)
        return Evidence(self.weight * kept, self.reward * kept, now)


class Drift(Struct, frozen=True):
    """How a model does lately against what it did before: a one-sided CUSUM."""

    sum: float = 0.0
    outcomes: int = 0
    """Since the sum was last nothing."""
    offset: float = 0.0
    """By how much changes that were noticed have moved it from its prior."""
    alarms: int = 0


class Learned(Struct, frozen=True, kw_only=True):
    cells: dict[str, dict[Task, Evidence]] = field(default_factory=dict)
    """By model and task."""
    counts: dict[Task, float] = field(default_factory=dict)
    """Outcomes of each task so far, by weight."""
    drifts: dict[str, Drift] = field(default_factory=dict)
    users: dict[str, float] = field(default_factory=dict)
    """How much of each user counts now; the last to be heard of comes last."""
    batches: tuple[str, ...] = ()
    """What was absorbed last: the same again changes nothing."""
    version: int = 0

    def evidence(self, model_id: str, task: Task) -> Evidence:
        cell = self.cells.get(model_id, {}).get(task)
        return Evidence() if cell is None else cell.faded(self.counts.get(task, 0.0))

    def mean(self, model_id: str, task: Task, *, prior: float, prior_weight: float) -> float:
        found = self.evidence(model_id, task)
        start = self.start(model_id, prior)
        return (start * prior_weight + found.reward) / (prior_weight + found.weight)

    def believed(
        self, model_id: str, priors: Mapping[Task, float], *, prior_weight: float
    ) -> dict[Task, tuple[float, float]]:
        """Of each task the mean and its weight. What a model does at other tasks, beyond what was expected
        there, moves where it starts from at this one."""
        known = {task: self.evidence(model_id, task) for task in priors}
        starts = {task: self.start(model_id, prior) for task, prior in priors.items()}
        gains = {task: known[task].reward - known[task].weight * start for task, start in starts.items()}
        gain, weight = sum(gains.values()), sum(evidence.weight for evidence in known.values())
        found = {}
        for task, start in starts.items():
            evidence = known[task]
            elsewhere = (gain - gains[task]) / (weight - evidence.weight + POOLING)
            moved = min(0.99, max(0.01, start + elsewhere))
            total = prior_weight + evidence.weight
            found[task] = (moved * prior_weight + evidence.reward) / total, total
        return found

    def start(self, model_id: str, prior: float) -> float:
        """The prior, moved by what was noticed."""
        drift = self.drifts.get(model_id)
        return prior if drift is None else min(0.99, max(0.01, prior + drift.offset))


def absorb(state: Learned, outcomes: Iterable[Outcome], *, batch: str = "") -> Learned:
    """`batch` names these outcomes: absorbed again they change nothing."""
    if batch and batch in state.batches:
        return state
    work = _Work(state)
    for outcome in outcomes:
        work.take(outcome)
    return Learned(
        cells=work.cells,
        counts=work.counts,
        drifts=work.drifts,
        users=dict(list(work.users.items())[-MAX_USERS:]),
        batches=((*state.batches, batch) if batch else state.batches)[-MAX_BATCHES:],
        version=state.version + 1,
    )


class _Work:
    """A copy that is written to."""

    def __init__(self, state: Learned) -> None:
        self.cells = {model: dict(cells) for model, cells in state.cells.items()}
        self.counts, self.drifts, self.users = dict(state.counts), dict(state.drifts), dict(state.users)

    def take(self, outcome: Outcome) -> None:
        reward = min(1.0, max(0.0, outcome.reward))
        weight = WEIGHTS[outcome.kind] * self._share(outcome.user_id)
        if weight <= 0:
            return
        now = self.counts[outcome.task] = self.counts.get(outcome.task, 0.0) + weight
        cells = self.cells.setdefault(outcome.model_id, {})
        known = cells.get(outcome.task, Evidence()).faded(now)
        if known.weight >= ALARM_KNOWN:
            self._watch(outcome.model_id, weight * (known.reward / known.weight - reward), weight)
        known = self.cells[outcome.model_id].get(outcome.task, Evidence()).faded(now)
        self.cells[outcome.model_id][outcome.task] = Evidence(
            known.weight + weight, known.reward + weight * reward, now
        )

    def _share(self, user_id: str) -> float:
        """Less than 1 for who speaks more often than all of the others can outweigh."""
        if not user_id:
            return 1.0
        counted = self.users.pop(user_id, 0.0)
        others = sum(self.users.values())
        allowed = max(USER_FREE, USER_SHARE * others)
        share = 1.0 if others < ENOUGH_OTHERS else min(1.0, max(0.0, allowed - counted))
        self.users[user_id] = min(counted + share, 2 * allowed)
        return share

    def _watch(self, model_id: str, disappointment: float, weight: float) -> None:
        drift = self.drifts.get(model_id, Drift())
        total = drift.sum + disappointment - weight * ALARM_SLACK
        if total <= 0:
            self.drifts[model_id] = replace(drift, sum=0.0, outcomes=0)
        elif total < ALARM_AT:
            self.drifts[model_id] = replace(drift, sum=total, outcomes=drift.outcomes + 1)
        else:
            drop = ALARM_SLACK + total / (drift.outcomes + 1)
            self.drifts[model_id] = Drift(offset=max(-0.9, drift.offset - drop), alarms=drift.alarms + 1)
            self.cells[model_id] = {
                task: _lowered(cell, drop) for task, cell in self.cells[model_id].items() if cell.weight
            }


def _lowered(cell: Evidence, drop: float) -> Evidence:
    mean = max(0.0, cell.reward / cell.weight - drop)
    weight = min(cell.weight, AFTER_ALARM)
    return Evidence(weight, weight * mean, cell.at)
