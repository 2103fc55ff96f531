"""What a running period will come to, from the spend of the days before.

A level for each weekday and a damped trend. Spend has a working week in it, which a plain trend misses and
which a seasonal-naive forecast repeats, yet without the growth of a product that is being taken up; and
growth that goes on as it did overshoots more often than not, so each further day adds a little less of it
(Gardner and McKenzie's damping). The trend is the median of the slopes between equal weekdays (the seasonal
Kendall slope): the week does not disturb it and neither does one dear day.

The interval is an 80 % one: normal errors of the days, as correlated as neighbouring days were, with the
uncertainty of level and trend, Student's t for few days. It is then stretched so that it also holds what
comes if the trend stops now, and what comes if it goes on undamped. Below a week of whole days nothing is
said, below two there is neither week nor trend, only the mean; nor is anything said of a future more than
twice as long as the past.
"""

from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import pairwise
from math import sqrt
from statistics import fmean, median

from msgspec import Struct

from models.reports.time_range import TimeRange, begin_of

CONFIDENCE = 0.8
HISTORY_DAYS = 56

_WEEK = 7
_DAMPING = 0.97
"""A trend of 1 a day adds 20 within 30 days and never more than 32."""
_Z = 1.2816
_MOST_CORRELATED = 0.8
_DAY = timedelta(days=1)


class Projection(Struct, frozen=True):
    """Sums over the days to come."""

    expected: float
    low: float
    high: float


class Forecast(Struct, frozen=True, kw_only=True):
    """What the whole of a running range will have cost, in pico-USD."""

    expected_pico: int
    low_pico: int
    high_pico: int
    spent_pico: int
    """So far: the part of the above that is known."""
    history_days: int
    method: str


def forecast(
    daily_pico: Sequence[int], *, spent_pico: int, time_range: TimeRange, now: datetime
) -> Forecast | None:
    """`daily_pico` is what the whole days before today (UTC) cost, oldest first.

    None where nothing can be said. Days before the first that cost anything are not history, but the time
    before there was any use.
    """
    started = next((day for day, pico in enumerate(daily_pico) if pico), len(daily_pico))
    history = daily_pico[started:]
    projection = project(history, shares_to_come(time_range, now))
    if projection is None:
        return None
    return Forecast(
        expected_pico=spent_pico + round(projection.expected),
        low_pico=spent_pico + round(projection.low),
        high_pico=spent_pico + round(projection.high),
        spent_pico=spent_pico,
        history_days=len(history),
        method="weekday levels and damped trend" if len(history) >= 2 * _WEEK else "mean of the days",
    )


def shares_to_come(time_range: TimeRange, now: datetime) -> list[float]:
    """How much of today, tomorrow and so on lies in the range and ahead; none if it does not hold `now`."""
    if not time_range.start <= now < time_range.end:
        return []
    shares = []
    day = begin_of("day", now)
    while day < time_range.end:
        ahead = min(time_range.end, day + _DAY) - max(now, day)
        shares.append(ahead / _DAY)
        day += _DAY
    return shares


def project(history: Sequence[int], shares: Sequence[float]) -> Projection | None:
    """The sum of the days after `history`, each counted by its share."""
    if len(history) < _WEEK or not shares or len(shares) > 2 * len(history):
        return None
    model = _Model(history[-(len(history) // _WEEK) * _WEEK :] if len(history) >= 2 * _WEEK else history)
    expected = model.total(shares, _DAMPING)
    error = model.error_of_total(shares)
    trends = [expected, model.total(shares, 0.0), model.total(shares, 1.0)]
    return Projection(expected, max(0.0, min(trends) - error), max(trends) + error)


class _Model:
    """Levels of weekdays as of the last day, and a slope a day."""

    def __init__(self, history: Sequence[int]) -> None:
        self._days = len(history)
        self._season = _WEEK if self._days >= 2 * _WEEK else 1
        self._slope = _seasonal_slope(history) if self._season == _WEEK else 0.0
        last = self._days - 1
        level = [value + self._slope * (last - day) for day, value in enumerate(history)]
        self._levels = [fmean(level[start :: self._season]) for start in range(self._season)]
        residuals = [value - self._levels[day % self._season] for day, value in enumerate(level)]
        freedom = self._days - self._season - (self._season == _WEEK)
        self._variance = sum(r * r for r in residuals) / freedom * _inflation(residuals)
        self._quantile = _Z + (_Z**3 + _Z) / (4 * freedom)

    def total(self, shares: Sequence[float], damping: float) -> float:
        total = 0.0
        for ahead, (share, trend) in enumerate(zip(shares, _damped(len(shares), damping), strict=True)):
            total += share * max(0.0, self._level(ahead) + self._slope * trend)
        return total

    def error_of_total(self, shares: Sequence[float]) -> float:
        """Half the interval: errors of the days, of the levels they share, and of the slope."""
        of_level = [0.0] * self._season
        for ahead, share in enumerate(shares):
            of_level[(self._days + ahead) % self._season] += share
        own = sum(share * share for share in shares)
        shared = sum(share * share for share in of_level) * self._season / self._days
        leverage = 0.0
        if self._season == _WEEK:
            trends = _damped(len(shares), _DAMPING)
            leverage = sum(s * (self._days / 2 + t) for s, t in zip(shares, trends, strict=True))
        of_slope = 12 * leverage * leverage / self._days**3
        return self._quantile * sqrt(self._variance * (own + shared + of_slope))

    def _level(self, ahead: int) -> float:
        return self._levels[(self._days + ahead) % self._season]


def _seasonal_slope(history: Sequence[int]) -> float:
    return median(
        (history[later] - history[earlier]) / (later - earlier)
        for earlier in range(len(history))
        for later in range(earlier + _WEEK, len(history), _WEEK)
    )


def _damped(days: int, damping: float) -> list[float]:
    """How often the slope has been added by each day to come."""
    sums, total, step = [], 0.0, 1.0
    for _ in range(days):
        step *= damping
        total += step
        sums.append(total)
    return sums


def _inflation(residuals: Sequence[float]) -> float:
    """How much more sums vary than with independent days, by the correlation of neighbours."""
    square = sum(r * r for r in residuals)
    if not square:
        return 1.0
    correlation = sum(a * b for a, b in pairwise(residuals)) / square
    correlation = min(max(correlation, 0.0), _MOST_CORRELATED)
    return (1 + correlation) / (1 - correlation)
