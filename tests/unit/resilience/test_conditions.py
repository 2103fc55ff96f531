"""What is known of a model just now: its breaker, its host's health, what is left of limits, its speed."""

import pytest

from models.breaker import IN_A_ROW
from models.breakers import Breakers
from models.catalog import load_catalog
from models.conditions import Conditions
from models.errors import (
    ContextLengthExceeded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
)
from models.health import Health, HealthWatch
from models.limits.headroom import Headroom
from models.routing.performance import LivePerformance, Sample
from tests.unit.resilience.clock import Clock

CATALOG = load_catalog().models
GPT, CLAUDE = CATALOG["gpt-6-sol"], CATALOG["claude-haiku-5-5"]


class Scene:
    def __init__(self) -> None:
        self.clock = Clock(1_000_000.0)
        self.performance = LivePerformance(self.clock)
        self.breakers = Breakers(clock=self.clock, draw=lambda: 0.5)
        self.headroom = Headroom(clock=self.clock)
        self.healthy: Health = "healthy"
        self.health = HealthWatch(self._check, lambda: ["openai"], clock=self.clock)
        self.conditions = Conditions(
            self.performance,
            breakers=self.breakers,
            health=self.health,
            headroom=self.headroom,
            model=CATALOG.get,
            clock=self.clock,
        )

    async def _check(self, host: str) -> Health:
        assert host == "openai"
        return self.healthy

    def call(self, error: PolyvoxError | None = None, times: int = 1) -> None:
        for _ in range(times):
            self.conditions.ended(GPT, self.conditions.enter(GPT, stream=True), error)

    def measure(self, *first_token_ms: float) -> None:
        for each in first_token_ms:
            self.performance.record(
                Sample(model_id=GPT.id, ending="ok", response_ms=10 * each, first_token_ms=each)
            )


@pytest.mark.parametrize(
    ("error", "state"),
    [
        (ProviderUnavailable("broken", status=500), "open"),
        (ProviderOverloaded("busy", status=503), "open"),
        (ProviderTimeout("silence"), "open"),
        (ProviderAuthFailed("the key", status=401), "open"),
        (ProviderRateLimited("slow down", status=429), "open"),
        (ProviderRefused("your request is wrong", status=400), "closed"),
        (ContextLengthExceeded("too long", status=400), "closed"),
        (ReplicaLost("ours"), "closed"),
        (None, "closed"),
    ],
)
def test_which_failures_are_the_models(error: PolyvoxError | None, state: str) -> None:
    scene = Scene()
    scene.call(error, IN_A_ROW)
    assert scene.conditions.status(GPT.id).breaker == state
    assert scene.conditions.status(CLAUDE.id).breaker == "closed"
    assert (scene.conditions.wait_s(GPT) > 0) is (state == "open")


def test_a_refused_request_is_a_sign_of_life() -> None:
    scene = Scene()
    for _ in range(3):
        scene.call(ProviderUnavailable("broken", status=500), IN_A_ROW - 1)
        scene.call(ProviderRefused("your request is wrong", status=400))
    assert scene.conditions.wait_s(GPT) == 0


def test_a_retry_after_of_a_429_shuts_it_for_as_long() -> None:
    scene = Scene()
    scene.call(ProviderRateLimited("slow down", status=429, retry_after_s=7))
    assert scene.conditions.wait_s(GPT) == 7
    said = scene.conditions.status(GPT.id)
    assert (said.state, said.blocked_for_s) == ("unavailable", 7)


@pytest.mark.parametrize(("healthy", "state"), [("unavailable", "unavailable"), ("degraded", "degraded")])
async def test_the_health_of_its_host_is_in_its_status(healthy: Health, state: str) -> None:
    scene = Scene()
    scene.healthy = healthy
    await scene.health.run_once()
    said = scene.conditions.status(GPT.id)
    assert (said.state, said.health) == (state, healthy)
    assert scene.conditions.is_doubtful(GPT) is (healthy == "unavailable")
    assert not scene.conditions.is_doubtful(CLAUDE)
    scene.call()
    assert (scene.conditions.status(GPT.id).state, scene.conditions.is_doubtful(GPT)) == ("available", False)


def test_a_limit_that_is_near_steers_before_it_is_hit() -> None:
    scene = Scene()
    said = {"x-ratelimit-limit-requests": "100", "x-ratelimit-reset-requests": "30s"}
    scene.headroom.observe("openai", GPT.wire_name, said | {"x-ratelimit-remaining-requests": "25"})
    assert not scene.conditions.is_doubtful(GPT)
    assert scene.conditions.status(GPT.id).headroom == pytest.approx(0.25)
    scene.headroom.observe("openai", GPT.wire_name, said | {"x-ratelimit-remaining-requests": "0"})
    assert scene.conditions.is_doubtful(GPT)
    assert scene.conditions.wait_s(GPT) == 0  # it is a guess: where there is nobody else it is asked


def test_another_replicas_open_breaker_puts_it_behind_others() -> None:
    scene = Scene()
    scene.breakers.hint({GPT.id: 5.0})
    assert scene.conditions.is_doubtful(GPT)
    assert scene.conditions.wait_s(GPT) == 0
    scene.call(ProviderUnavailable("broken", status=500))
    assert scene.conditions.wait_s(GPT) == 5


def test_its_speed_says_when_to_hedge_and_how_long_it_usually_takes() -> None:
    scene = Scene()
    assert scene.conditions.hedge_after_s(GPT) is None
    assert scene.conditions.usual_s(GPT, stream=True) == 0
    scene.measure(*[400.0] * 18, 3_000.0, 3_000.0)
    scene.clock.pass_(6)
    assert scene.conditions.usual_s(GPT, stream=True) == pytest.approx(0.4, rel=0.2)
    assert scene.conditions.usual_s(GPT, stream=False) == pytest.approx(6.6, rel=0.2)
    hedge_after_s = scene.conditions.hedge_after_s(GPT)
    assert hedge_after_s == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize(
    ("first_token_ms", "waited_s", "is_open"),
    [(100.0, 1.4, False), (100.0, 1.6, True), (2_000.0, 4.0, False), (2_000.0, 8.0, True)],
)
def test_u2_slow_is_slow_for_the_model(first_token_ms: float, waited_s: float, is_open: bool) -> None:
    """A quick one that hangs is found out in less than two seconds."""
    scene = Scene()
    scene.measure(*[first_token_ms] * 20)
    for _ in range(IN_A_ROW):
        scene.conditions.enter(GPT, stream=True)
    scene.clock.pass_(waited_s)
    assert (scene.conditions.wait_s(GPT) > 0) is is_open


def test_the_book_of_breakers_is_bounded() -> None:
    breakers = Breakers(clock=Clock(), most=10)
    for number in range(100):
        breakers.of(f"m{number}").enter(slow_after_s=1).fails()
    assert len(breakers._breakers) == 10
    assert breakers.known("m99") is not None


def test_credentials_have_breakers_of_their_own() -> None:
    breakers = Breakers(clock=Clock(), draw=lambda: 0.5)
    for _ in range(IN_A_ROW):
        breakers.of("m", credential="second").enter(slow_after_s=1).fails()
    assert breakers.opened() == {"m|second": 5.0}
    assert breakers.of("m").state == "closed"
    breakers.hint({"m|first": 3.0})
    assert breakers.of("m", credential="first").hinted_s == 3
