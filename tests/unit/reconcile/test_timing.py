"""When buckets are looked at."""

from datetime import timedelta

import pytest

from models.reconcile import Timing


def test_m10_a_timing_under_which_nothing_is_ever_compared_is_refused() -> None:
    with pytest.raises(ValueError, match="looked back"):
        Timing(width="day", settle_lag=timedelta(days=2), lookback=timedelta(days=2))


def test_m10_by_itself_it_waits_a_day_and_looks_back_a_week() -> None:
    timing = Timing()
    assert (timing.width, timing.settle_lag, timing.lookback) == (
        "day",
        timedelta(days=1),
        timedelta(days=7),
    )
