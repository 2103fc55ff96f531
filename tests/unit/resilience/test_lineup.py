"""Who is asked, in which order, and who after one that failed."""

from collections.abc import Callable

import pytest

from models.allowance import Allowance
from models.catalog import Model, load_catalog
from models.errors import (
    ContextLengthExceeded,
    DeadlineExceeded,
    InvalidRequest,
    Overloaded,
    PolyvoxError,
    ProviderAuthFailed,
    ProviderGarbled,
    ProviderOverloaded,
    ProviderRateLimited,
    ProviderRefused,
    ProviderTimeout,
    ProviderUnavailable,
    ReplicaLost,
)
from models.lineup import MAX_ATTEMPTS, Lineup, Pause, foremost, retry_allowance
from tests.unit.resilience.clock import Clock

CATALOG = load_catalog().models
GPT, MINI, CLAUDE, GEMINI = (
    CATALOG[name] for name in ("gpt-6-sol", "gpt-5.4-mini", "claude-haiku-5-5", "gemini-3.5-flash")
)
ALL = (GPT, MINI, CLAUDE, GEMINI)


class Doors:
    """What is known of models, as the test says."""

    def __init__(self) -> None:
        self.shut: dict[str, float] = {}
        self.shut_for_last: dict[str, float] = {}
        self.doubtful: set[str] = set()
        self.usual: dict[str, float] = {}

    def wait_s(self, model: Model, *, last: bool = False) -> float:
        if last and model.id in self.shut_for_last:
            return self.shut_for_last[model.id]
        return self.shut.get(model.id, 0.0)

    def is_doubtful(self, model: Model) -> bool:
        return model.id in self.doubtful

    def usual_s(self, model: Model, *, stream: bool) -> float:
        assert stream
        return self.usual.get(model.id, 0.0)


class Scene:
    def __init__(self, *candidates: Model, retries: float = 100, draw: float = 0.5) -> None:
        self.doors = Doors()
        self.clock = Clock()
        self.retries = Allowance(0.2, at_first=retries, most=100, clock=self.clock)
        self.lineup = Lineup(
            candidates,
            self.doors,
            self.retries,
            until=self.clock.now + 600,
            stream=True,
            clock=self.clock,
            draw=lambda: draw,
        )
        self.waited_s = 0.0

    def next(self) -> Model:
        while isinstance(turn := self.lineup.next(), Pause):
            self.clock.pass_(turn.seconds)
            self.waited_s += turn.seconds
        return turn

    def asked_after(self, error: PolyvoxError) -> list[Model]:
        """Everybody, if all fail like that."""
        asked = [self.next()]
        while self.lineup.failed(asked[-1], error):
            asked.append(self.next())
        return asked


busy = ProviderOverloaded("busy", status=529)


@pytest.mark.parametrize(
    ("error", "asked"),
    [
        (busy, [GPT, MINI, CLAUDE]),
        (ProviderRateLimited("slow down", status=429, retry_after_s=1), [GPT, MINI, CLAUDE]),
        (ProviderGarbled("what?"), [GPT, MINI, CLAUDE]),
        (Overloaded("ours"), [GPT, MINI, CLAUDE]),
        (ProviderAuthFailed("the key", status=401), [GPT, CLAUDE]),
        (ProviderAuthFailed("the key", status=403), [GPT, CLAUDE]),
        (ProviderUnavailable("no connection", sent=False), [GPT, CLAUDE, CLAUDE]),
        (ProviderUnavailable("broken", status=500), [GPT, CLAUDE, MINI]),
        (ProviderTimeout("silence"), [GPT, CLAUDE, MINI]),
        (ProviderRefused("it is gone", status=404), [GPT, MINI, CLAUDE]),
        (ProviderRefused("your request is wrong", status=400), [GPT]),
        (ProviderRefused("your request is wrong", status=422), [GPT]),
        (InvalidRequest("no"), [GPT]),
        (DeadlineExceeded("too late"), [GPT]),
        (ReplicaLost("died"), [GPT, GPT, MINI]),
        (ProviderRefused("flagged", status=400, provider_code="content_policy_violation"), [GPT, CLAUDE]),
        (ProviderRefused("Output blocked by content filtering policy", status=400), [GPT, CLAUDE]),
        (ProviderRefused("content_policy, in the middle of an answer"), [GPT]),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.status}" if isinstance(value, PolyvoxError) else "",
)
def test_u1_who_is_asked_after_whom(error: PolyvoxError, asked: list[Model]) -> None:
    """Auth failures and lost connections go to other hosts; what is wrong with a request goes nowhere."""
    assert Scene(GPT, MINI, CLAUDE).asked_after(error) == asked


def test_what_is_too_long_goes_to_a_larger_window_only() -> None:
    windows = {model.id: model.window for model in ALL}
    smallest, *_, largest = sorted(ALL, key=lambda model: model.window)
    assert windows[smallest.id] < windows[largest.id]
    too_long = ContextLengthExceeded("too long", status=400)
    assert Scene(smallest, smallest, largest).asked_after(too_long) == [smallest, largest]
    assert Scene(largest, smallest).asked_after(too_long) == [largest]


@pytest.mark.parametrize(
    ("error", "times"),
    [
        (ProviderRateLimited("slow down", status=429), 2),
        (busy, 2),
        (ProviderUnavailable("broken", status=500), 2),
        (ProviderTimeout("gateway timeout", status=504), 2),
        (ProviderUnavailable("no connection", sent=False), 2),
        (ProviderUnavailable("broke before an answer"), 1),
        (ProviderTimeout("silence"), 1),
        (ProviderGarbled("what?"), 1),
        (ProviderAuthFailed("the key", status=401), 1),
        (ProviderRefused("wrong", status=400), 1),
        (Overloaded("ours", sent=False), 1),
    ],
    ids=lambda value: f"{type(value).__name__}-{value.status}" if isinstance(value, PolyvoxError) else "",
)
def test_u1_the_same_model_is_asked_once_more_only_where_it_turned_the_call_down(
    error: PolyvoxError, times: int
) -> None:
    assert Scene(GPT).asked_after(error) == [GPT] * times


@pytest.mark.parametrize(("draw", "waited_s"), [(0.0, 0.0), (0.5, 0.0125), (1.0, 0.025)])
def test_a_second_attempt_at_the_same_model_waits_a_jittered_moment(draw: float, waited_s: float) -> None:
    scene = Scene(GPT, draw=draw)
    scene.asked_after(busy)
    assert scene.waited_s == pytest.approx(waited_s)


def test_u1_a_retry_after_is_waited_for_if_it_is_short_and_told_if_it_is_not() -> None:
    scene = Scene(GPT)
    assert len(scene.asked_after(ProviderRateLimited("", status=429, retry_after_s=1.5))) == 2
    assert scene.waited_s == 1.5
    scene = Scene(GPT)
    assert len(scene.asked_after(ProviderRateLimited("", status=429, retry_after_s=3))) == 1


def test_no_more_than_three_attempts() -> None:
    assert len(Scene(*ALL).asked_after(busy)) == MAX_ATTEMPTS == 3


def test_u1_attempts_are_no_more_than_a_fifth_above_requests_whatever_fails() -> None:
    """Every call fails and no breaker helps."""
    retries = retry_allowance(Clock())
    attempts = 0
    for _ in range(1_000):
        retries.earn()
        scene = Scene(GPT, CLAUDE, GEMINI)
        lineup = Lineup(
            ALL, scene.doors, retries, until=scene.clock.now + 600, stream=True, clock=scene.clock
        )
        model = lineup.next()
        while isinstance(model, Model) and lineup.failed(model, busy):
            model = lineup.next()
        attempts += lineup.attempts
    assert 1_190 <= attempts <= 1_210


def test_candidates_with_open_breakers_are_passed_over() -> None:
    scene = Scene(GPT, CLAUDE, GEMINI)
    scene.doors.shut = {GPT.id: 5.0}
    assert scene.next() is CLAUDE
    assert scene.lineup.failed(CLAUDE, busy)
    assert scene.next() is GEMINI


def test_those_in_doubt_come_after_the_others() -> None:
    scene = Scene(GPT, CLAUDE, GEMINI)
    scene.doors.doubtful = {GPT.id}
    assert scene.next() is CLAUDE
    scene.doors.doubtful = {GPT.id, GEMINI.id}
    assert scene.lineup.failed(CLAUDE, busy)
    assert scene.next() is GPT


def test_the_last_one_is_the_probe() -> None:
    scene = Scene(GPT, CLAUDE)
    scene.doors.shut = {GPT.id: 5.0, CLAUDE.id: 4.0}
    scene.doors.shut_for_last = {GPT.id: 0.0, CLAUDE.id: 0.5}
    assert scene.next() is GPT
    assert scene.waited_s == 0


def test_where_all_are_shut_a_request_waits_for_a_moment() -> None:
    scene = Scene(GPT, CLAUDE)
    scene.doors.shut = {GPT.id: 5.0, CLAUDE.id: 0.5}
    pause = scene.lineup.next()
    assert isinstance(pause, Pause)
    assert 0.5 <= pause.seconds <= 0.525
    scene.doors.shut = {GPT.id: 5.0}
    assert scene.next() is CLAUDE


def test_and_if_that_takes_too_long_it_is_told_at_once_when_to_come_back() -> None:
    scene = Scene(GPT, CLAUDE)
    scene.doors.shut = {GPT.id: 50.0, CLAUDE.id: 4.0}
    with pytest.raises(Overloaded) as refused:
        scene.next()
    assert refused.value.retry_after_s == pytest.approx(4, abs=0.1)
    assert scene.waited_s == 0
    assert not refused.value.sent


def test_patience_is_for_all_of_a_request() -> None:
    scene = Scene(GPT)
    scene.doors.shut = {GPT.id: 0.9}
    with pytest.raises(Overloaded):
        scene.next()
    assert 0.9 < scene.waited_s <= 2.0


def test_who_failed_is_said_where_nobody_else_may_be_asked() -> None:
    scene = Scene(GPT, CLAUDE)
    scene.doors.shut = {CLAUDE.id: 30.0}
    assert scene.lineup.failed(scene.next(), busy)
    with pytest.raises(ProviderOverloaded) as refused:
        scene.next()
    assert refused.value.retry_after_s == pytest.approx(30, abs=0.1)


def test_u3_nobody_is_asked_who_usually_takes_longer_than_there_is_time() -> None:
    scene = Scene(GPT, CLAUDE)
    scene.doors.usual = {GPT.id: 30.0, CLAUDE.id: 2.0}
    scene.clock.pass_(590)
    assert scene.next() is CLAUDE
    scene.clock.pass_(9)
    scene.lineup.failed(CLAUDE, busy)
    with pytest.raises(ProviderOverloaded):
        scene.next()


def test_a_request_whose_time_is_up_asks_nobody() -> None:
    scene = Scene(GPT)
    scene.clock.pass_(600)
    with pytest.raises(DeadlineExceeded):
        scene.next()


def test_one_that_was_not_asked_for_want_of_money_costs_no_attempt() -> None:
    scene = Scene(GPT, CLAUDE)
    assert scene.lineup.not_asked(scene.next())
    assert scene.lineup.attempts == 0
    assert not scene.lineup.not_asked(scene.next())


@pytest.mark.parametrize(
    ("candidates", "besides"),
    [((GPT, CLAUDE), CLAUDE), ((GPT,), GPT)],
)
def test_u9_who_is_asked_besides(candidates: tuple[Model, ...], besides: Model) -> None:
    scene = Scene(*candidates)
    assert scene.lineup.besides(scene.next()) is besides
    assert scene.lineup.attempts == 2


def spoil_breaker(doors: Doors) -> None:
    doors.shut = {GPT.id: 1.0, CLAUDE.id: 1.0}


def spoil_belief(doors: Doors) -> None:
    doors.doubtful = {GPT.id, CLAUDE.id}


@pytest.mark.parametrize("spoil", [spoil_breaker, spoil_belief])
def test_u9_nobody_who_may_be_in_trouble_is_asked_besides(spoil: Callable[[Doors], None]) -> None:
    scene = Scene(GPT, CLAUDE)
    first = scene.next()
    spoil(scene.doors)
    assert scene.lineup.besides(first) is None


@pytest.mark.parametrize(
    ("error", "goes_on"),
    [
        (ProviderUnavailable("the connection broke in the middle of the answer"), True),
        (ProviderTimeout("nothing came any more"), True),
        (ProviderOverloaded("busy", status=529), True),
        (ProviderGarbled("nonsense"), True),
        (ReplicaLost("died"), True),
        (ProviderRefused("flagged", status=400), False),
        (ProviderAuthFailed("the key", status=401), False),
    ],
)
def test_u5_the_same_model_may_go_on_with_an_answer_where_there_is_no_other(
    error: PolyvoxError, goes_on: bool
) -> None:
    scene = Scene(GPT)
    assert scene.lineup.failed(scene.next(), error, has_begun=True) is goes_on
    if goes_on:
        assert scene.next() is GPT


def test_a_conversation_is_fitted_to_those_who_may_be_asked() -> None:
    doors = Doors()
    doors.shut = {GPT.id: 5.0}
    assert foremost(ALL, doors, 3) == [MINI, CLAUDE, GEMINI]
    assert foremost(ALL, doors, 4) == [MINI, CLAUDE, GEMINI, GPT]
