"""Whether a candidate for the classifier goes on, stays, or goes back: stages and guards, without I/O.

Everything that is guarded is a figure of which less is better. A candidate goes back when it is worse beyond
doubt, and may go on when it is no worse, within a margin, beyond doubt.
"""

import math
from collections.abc import Callable, Sequence
from hashlib import blake2b
from typing import Literal

from msgspec import Struct

from models.routing.evaluation import Z95, Estimate

Stage = Literal["shadow", "canary", "full"]
Action = Literal["stay", "advance", "rollback"]

ENOUGH = 200
"""Of each side, before a candidate may go on."""
FEW = 30
"""Of each side, before it is sent back for a figure."""
Z_ROLLBACK = 3.3
"""The guards are asked every few seconds: one look in a thousand that is wrong is enough."""


class Sums(Struct, frozen=True):
    """Of values that were seen one by one."""

    number: int = 0
    total: float = 0.0
    squares: float = 0.0

    def __add__(self, other: "Sums") -> "Sums":
        return Sums(self.number + other.number, self.total + other.total, self.squares + other.squares)


class Figures(Struct, frozen=True, kw_only=True):
    """What one classifier came to."""

    classified: int = 0
    abstained: int = 0
    failed: int = 0
    cpu_ms: Sums = Sums()
    """For a text."""
    requests: int = 0
    """Of the decisions that it was asked for, those that are kept."""
    errors: int = 0
    """Of these, how many ended without an answer."""
    dissatisfaction: Sums = Sums()
    """1 less what an answer was worth to its user, where that is known."""

    def __add__(self, other: "Figures") -> "Figures":
        return Figures(
            classified=self.classified + other.classified,
            abstained=self.abstained + other.abstained,
            failed=self.failed + other.failed,
            cpu_ms=self.cpu_ms + other.cpu_ms,
            requests=self.requests + other.requests,
            errors=self.errors + other.errors,
            dissatisfaction=self.dissatisfaction + other.dissatisfaction,
        )


class Evidence(Struct, frozen=True, kw_only=True):
    """Of a candidate, beside what it is to replace."""

    serving: Figures = Figures()
    candidate: Figures = Figures()
    compared: int = 0
    """Texts that both were asked about."""
    disagreed: int = 0
    skipped: int = 0
    """Texts that the candidate was to be shown, and was not, for want of time."""

    def __add__(self, other: "Evidence") -> "Evidence":
        return Evidence(
            serving=self.serving + other.serving,
            candidate=self.candidate + other.candidate,
            compared=self.compared + other.compared,
            disagreed=self.disagreed + other.disagreed,
            skipped=self.skipped + other.skipped,
        )


Measure = Callable[[Figures, float], Estimate | None]
"""With z for the interval; None where nothing was seen."""


class Guard(Struct, frozen=True, kw_only=True):
    name: str
    stages: tuple[Stage, ...]
    margin: float
    """By so much a candidate may be worse and still go on."""
    measure: Measure


class Check(Struct, frozen=True, kw_only=True):
    """One guard's figures; intervals are of 95 %."""

    name: str
    candidate: Estimate | None
    serving: Estimate | None
    difference: Estimate | None
    says: Action


class Verdict(Struct, frozen=True, kw_only=True):
    action: Action
    reasons: tuple[str, ...]
    checks: tuple[Check, ...] = ()


def share_of(events: int, number: int, z: float = Z95) -> Estimate | None:
    """Wilson's interval, which is none too narrow where an event has hardly been seen."""
    if number <= 0:
        return None
    share, shrink = events / number, 1 + z * z / number
    middle = (share + z * z / (2 * number)) / shrink
    half = z * math.sqrt(share * (1 - share) / number + z * z / (4 * number * number)) / shrink
    return Estimate(share, max(0.0, middle - half), min(1.0, middle + half), float(number))


def mean_of(sums: Sums, z: float = Z95) -> Estimate | None:
    if sums.number < 2:
        return None
    mean = sums.total / sums.number
    variance = max(0.0, sums.squares / sums.number - mean * mean) * sums.number / (sums.number - 1)
    half = z * math.sqrt(variance / sums.number)
    return Estimate(mean, mean - half, mean + half, float(sums.number))


def difference(one: Estimate, other: Estimate) -> Estimate:
    """`one` less `other`, by their own intervals (Newcombe's method)."""
    value = one.value - other.value
    low = math.hypot(one.value - one.low, other.high - other.value)
    high = math.hypot(one.high - one.value, other.value - other.low)
    return Estimate(value, value - low, value + high, min(one.effective, other.effective))


GUARDS: tuple[Guard, ...] = (
    Guard(
        name="abstention",
        stages=("shadow", "canary"),
        margin=0.05,
        measure=lambda of, z: share_of(of.abstained, of.classified, z),
    ),
    Guard(
        name="cpu_ms",
        stages=("shadow", "canary"),
        margin=5.0,
        measure=lambda of, z: mean_of(of.cpu_ms, z),
    ),
    Guard(
        name="errors",
        stages=("canary", "full"),
        margin=0.02,
        measure=lambda of, z: share_of(of.errors, of.requests, z),
    ),
    Guard(
        name="dissatisfaction",
        stages=("canary", "full"),
        margin=0.05,
        measure=lambda of, z: mean_of(of.dissatisfaction, z),
    ),
)

MOST_DISAGREEMENT = 0.4
"""Of a shadow's answers. A better classifier says something else now and then; one that says something else
most of the time is broken, or was meant for something else."""


def decide(stage: Stage, evidence: Evidence, guards: Sequence[Guard] = GUARDS) -> Verdict:
    """`advance` from `full` does not exist: there it is `stay` at best."""
    if evidence.candidate.failed:
        return Verdict(action="rollback", reasons=(f"it failed {evidence.candidate.failed} times",))
    checks = [_checked(guard, evidence) for guard in guards if stage in guard.stages]
    if stage == "shadow":
        checks.append(_disagreement(evidence))
    worse = [check for check in checks if check.says == "rollback"]
    unsure = [check for check in checks if check.says == "stay"]
    if worse:
        return Verdict(
            action="rollback", reasons=tuple(f"worse: {_told(c)}" for c in worse), checks=tuple(checks)
        )
    if unsure:
        return Verdict(
            action="stay", reasons=tuple(f"not known yet: {_told(c)}" for c in unsure), checks=tuple(checks)
        )
    action: Action = "stay" if stage == "full" else "advance"
    return Verdict(action=action, reasons=("no worse in anything that is guarded",), checks=tuple(checks))


def chosen_for(key: str, candidate: str, share: float) -> bool:
    """Whether this key is one of the candidate's share: always the same for the same candidate, and others
    for another one."""
    digest = blake2b(f"{candidate}\0{key}".encode("utf-8", "surrogatepass"), digest_size=8).digest()
    return int.from_bytes(digest) < share * 2**64


def _checked(guard: Guard, evidence: Evidence) -> Check:
    ours, theirs = guard.measure(evidence.candidate, Z95), guard.measure(evidence.serving, Z95)
    if ours is None or theirs is None:
        return Check(name=guard.name, candidate=ours, serving=theirs, difference=None, says="stay")
    gap = difference(ours, theirs)
    says: Action = "stay"
    if gap.effective >= FEW and _worst(guard, evidence).low > guard.margin:
        says = "rollback"
    elif gap.effective >= ENOUGH and gap.high <= guard.margin:
        says = "advance"
    return Check(name=guard.name, candidate=ours, serving=theirs, difference=gap, says=says)


def _worst(guard: Guard, evidence: Evidence) -> Estimate:
    ours, theirs = guard.measure(evidence.candidate, Z_ROLLBACK), guard.measure(evidence.serving, Z_ROLLBACK)
    assert ours is not None
    assert theirs is not None
    return difference(ours, theirs)


def _disagreement(evidence: Evidence) -> Check:
    seen = share_of(evidence.disagreed, evidence.compared)
    careful = share_of(evidence.disagreed, evidence.compared, Z_ROLLBACK)
    says: Action = "stay"
    if seen is not None and careful is not None:
        if seen.effective >= FEW and careful.low > MOST_DISAGREEMENT:
            says = "rollback"
        elif seen.effective >= ENOUGH and seen.high <= MOST_DISAGREEMENT:
            says = "advance"
    return Check(name="disagreement", candidate=seen, serving=None, difference=None, says=says)


def _told(check: Check) -> str:
    def shown(estimate: Estimate | None) -> str:
        if estimate is None:
            return "nothing"
        return f"{estimate.value:.3f} ({estimate.low:.3f} to {estimate.high:.3f}, n={estimate.effective:.0f})"

    beside = "" if check.name == "disagreement" else f" beside {shown(check.serving)}"
    return f"{check.name} {shown(check.candidate)}{beside}"
