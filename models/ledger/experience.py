"""What calls have come to, from which it is judged what one came to that was not seen to its end."""

_FORGET_AT_UNITS = 4_000_000
_FORGET_AT_CALLS = 20_000
_PRIOR_CALLS = 0.1
_ENOUGH_CALLS = 20
_TELLING = 0.3
"""Share of the differences between calls that the time has to account for before it is gone by (r²)."""


class Ratio:
    """Tokens per unit (a byte, a character)."""

    def __init__(self, prior: float, *, prior_units: float) -> None:
        self._tokens = prior * prior_units
        self._units = prior_units

    def learn(self, tokens: int, units: int) -> None:
        self._tokens += tokens
        self._units += units
        if self._units > _FORGET_AT_UNITS:
            self._tokens /= 2
            self._units /= 2

    def of(self, units: int) -> float:
        return units * self._tokens / self._units


class ByEffort:
    """Tokens of a call, for each effort; one of which little is known is as the model usually is."""

    def __init__(self, prior: float) -> None:
        self._usual = _Calls(prior)
        self._efforts: dict[str, _Calls] = {}

    def learn(self, tokens: int, effort: str, *, waited_ms: int | None = None) -> None:
        """`waited_ms` is how long there was nothing to be seen, where that may tell how many there are."""
        self._usual.learn(tokens, waited_ms)
        calls = self._efforts.get(effort)
        if calls is None:
            calls = self._efforts[effort] = _Calls(self._usual.mean)
        calls.learn(tokens, waited_ms)

    def of(self, effort: str, *, waited_ms: int | None = None) -> float:
        calls = self._known(effort)
        told = None if waited_ms is None else calls.told_by(waited_ms)
        return calls.mean if told is None else told

    def so_far(self, effort: str, *, waited_ms: int) -> float:
        """While there is nothing to be seen yet: what the time tells, which may be nothing."""
        return self._known(effort).told_by(waited_ms) or 0.0

    def _known(self, effort: str) -> "_Calls":
        calls = self._efforts.get(effort, self._usual)
        return calls if calls.number >= _ENOUGH_CALLS else self._usual


class _Calls:
    """Their mean, and the straight line that comes nearest to their tokens by the time that was waited."""

    __slots__ = (
        "_products",
        "_seconds",
        "_seconds_2",
        "_timed",
        "_timed_tokens",
        "_tokens",
        "_tokens_2",
        "number",
    )

    def __init__(self, prior: float) -> None:
        self.number = _PRIOR_CALLS
        self._tokens = prior * _PRIOR_CALLS
        # Sums over those whose wait is known; squares end in `_2`.
        self._timed = self._seconds = self._timed_tokens = 0.0
        self._seconds_2 = self._tokens_2 = self._products = 0.0

    @property
    def mean(self) -> float:
        return self._tokens / self.number

    def learn(self, tokens: int, waited_ms: int | None) -> None:
        self.number += 1
        self._tokens += tokens
        if waited_ms is not None:
            seconds = waited_ms / 1_000
            self._timed += 1
            self._seconds += seconds
            self._timed_tokens += tokens
            self._seconds_2 += seconds * seconds
            self._tokens_2 += tokens * tokens
            self._products += seconds * tokens
        if self.number > _FORGET_AT_CALLS:
            for name in self.__slots__:
                setattr(self, name, getattr(self, name) / 2)

    def told_by(self, waited_ms: int) -> float | None:
        """None where the time has not been seen to tell."""
        if self._timed < _ENOUGH_CALLS:
            return None
        seconds, tokens = self._seconds / self._timed, self._timed_tokens / self._timed
        variance_s = self._seconds_2 / self._timed - seconds * seconds
        variance = self._tokens_2 / self._timed - tokens * tokens
        covariance = self._products / self._timed - seconds * tokens
        if min(covariance, variance_s) <= 0 or covariance * covariance < _TELLING * variance_s * variance:
            return None
        return max(0.0, tokens + covariance / variance_s * (waited_ms / 1_000 - seconds))
