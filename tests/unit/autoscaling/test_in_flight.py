"""How many replicas the requests in flight and the CPU ask for."""

from types import SimpleNamespace
from typing import Any

import pytest

from deployments.autoscaling import in_flight


def context(*, held: list[float], cpu: list[float], now: int = 3, target: float = 100) -> Any:
    by_replica = {"in_flight": dict(enumerate(held)), "cpu": dict(enumerate(cpu))}
    config = SimpleNamespace(get_target_ongoing_requests=lambda: target)
    return SimpleNamespace(aggregated_metrics=by_replica, target_num_replicas=now, config=config)


@pytest.mark.parametrize(
    ("held", "cpu", "replicas"),
    [
        ([0, 0], [0.0, 0.0], 1),
        ([100], [0.1], 1),
        ([101], [0.1], 2),
        ([150, 150, 150], [0.1, 0.1, 0.1], 5),
        ([1], [0.9], 2),
        ([10, 10], [0.95, 0.95], 3),
        ([500], [0.9], 5),
    ],
)
def test_whichever_asks_for_more(held: list[float], cpu: list[float], replicas: int) -> None:
    assert in_flight(context(held=held, cpu=cpu))[0] == replicas


def test_without_a_report_nothing_changes() -> None:
    assert in_flight(context(held=[], cpu=[], now=7))[0] == 7
