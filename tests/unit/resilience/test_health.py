"""Hosts that nobody calls are asked how they are; those that are called are not."""

from models.errors import ReplicaLost
from models.health import QUIET_S, Health, HealthWatch
from tests.unit.resilience.clock import Clock


class Hosts:
    def __init__(self) -> None:
        self.clock = Clock()
        self.asked: list[str] = []
        self.said: dict[str, Health] = {"a": "healthy", "b": "unavailable"}
        self.watch = HealthWatch(self._check, lambda: list(self.said), clock=self.clock, draw=lambda: 0.5)

    async def _check(self, host: str) -> Health:
        self.asked.append(host)
        if host == "lost":
            raise ReplicaLost("our own")
        return self.said[host]


async def test_every_host_is_asked_once_in_a_while() -> None:
    hosts = Hosts()
    assert hosts.watch.of("a") == "unknown"
    for _ in range(3):
        await hosts.watch.run_once()
    assert hosts.asked == ["a", "b"]
    assert (hosts.watch.of("a"), hosts.watch.of("b")) == ("healthy", "unavailable")
    hosts.clock.pass_(QUIET_S)
    await hosts.watch.run_once()
    assert hosts.asked == ["a", "b"] * 2


async def test_a_host_that_answers_calls_is_not_asked() -> None:
    hosts = Hosts()
    for _ in range(20):
        hosts.watch.answered("b")
        await hosts.watch.run_once()
        hosts.clock.pass_(QUIET_S / 2)
    assert "b" not in hosts.asked
    assert hosts.watch.of("b") == "healthy"


async def test_a_way_that_is_broken_on_our_side_says_nothing_of_the_host() -> None:
    hosts = Hosts()
    hosts.said = {"lost": "unavailable"}
    await hosts.watch.run_once()
    assert hosts.watch.of("lost") == "unknown"


async def test_a_call_that_goes_well_meanwhile_counts_for_more() -> None:
    hosts = Hosts()

    async def check(host: str) -> Health:
        watch.answered(host)
        return "unavailable"

    watch = HealthWatch(check, lambda: ["a"], clock=hosts.clock)
    await watch.run_once()
    assert watch.of("a") == "healthy"


async def test_hosts_that_are_gone_are_forgotten() -> None:
    hosts = Hosts()
    await hosts.watch.run_once()
    del hosts.said["b"]
    await hosts.watch.run_once()
    assert hosts.watch.of("b") == "unknown"
