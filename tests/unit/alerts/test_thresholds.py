"""What is said of a budget that has reached something."""

import pytest
from msgspec.structs import replace

from models.alerts.thresholds import THRESHOLDS, Reached, alert_of

FULL = Reached(
    budget_id="b",
    tenant_id="t",
    scope="team",
    owner="o",
    name="research",
    period="month",
    hard=True,
    window_start="2026-11-01 00:00:00+00",
    limit_pico=10 * 10**12,
    posted_pico=7_999_999_999_999,
    pending_pico=500_000_000_000,
    kind="threshold_50",
    percent=50,
    overage_pico=None,
)


def test_a_threshold_is_told_with_exact_amounts() -> None:
    alert = alert_of(FULL)
    assert alert.subject == {"budget_id": "b", "scope": "team", "owner": "o"}
    assert alert.payload == {
        "budget_name": "research",
        "period": "month",
        "hard": True,
        "limit_usd": "10",
        "spent_usd": "7.999999999999",
        "held_usd": "0.5",
        "percentage_used": "79.99",
        "threshold": 50,
        "window_start": "2026-11-01 00:00:00+00",
    }


@pytest.mark.parametrize(
    ("percent", "severity"), [(50, "info"), (80, "warning"), (95, "critical"), (100, "critical")]
)
def test_the_closer_to_the_limit_the_more_severe(percent: int, severity: str) -> None:
    assert alert_of(replace(FULL, kind=f"threshold_{percent}", percent=percent)).severity == severity


def test_every_threshold_has_a_severity_and_they_rise() -> None:
    assert list(THRESHOLDS) == [50, 80, 95, 100]


def test_a_projected_overage_is_a_warning_with_its_amount() -> None:
    alert = alert_of(replace(FULL, kind="projected_overage", percent=None, overage_pico=2_500_000_000_000))
    assert alert.severity == "warning"
    assert alert.payload["projected_overage_usd"] == "2.5"
    assert "threshold" not in alert.payload


def test_a_rolling_window_has_no_start() -> None:
    alert = alert_of(replace(FULL, period="rolling", window_start="-infinity"))
    assert alert.window_start == "-infinity"
    assert "window_start" not in alert.payload
