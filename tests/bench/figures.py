"""The arithmetic of a run."""

from collections.abc import Iterable, Sequence


def quantile(ordered: Sequence[float], q: float) -> float:
    """Nearest rank, upwards: the value that at least a share `q` does not exceed. `ordered` ascends."""
    if not ordered:
        return float("nan")
    return ordered[min(int(q * len(ordered)), len(ordered) - 1)]


def most_at_once(spans: Iterable[tuple[float, float]]) -> int:
    """How many of the spans (from, to) overlap at the fullest moment."""
    changes = sorted(change for start, end in spans for change in ((start, 1), (end, -1)))
    most = now = 0
    for _, change in changes:
        now += change
        most = max(most, now)
    return most
