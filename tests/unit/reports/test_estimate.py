"""What a message will cost, by the made-up prices."""

import asyncio
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

import pytest
from msgspec.structs import replace

from models.catalog import Model, Price
from models.chat import ChatRequest, Message, Text
from models.errors import (
    ContextLengthExceeded,
    InvalidRequest,
    Overloaded,
    PolyvoxError,
    UnknownModel,
    UnknownPrice,
)
from models.reports import CachedHistory, CostEstimate, CostEstimator, Owner
from models.reports.doubles import ScriptedReports
from models.reports.estimate import ASSUMED_OUTPUT, Range
from models.reports.rows import OutputLengths
from tests.unit.reports.made_up import (
    BIG,
    CATALOG,
    EVERY,
    MID,
    NOW,
    SMALL,
    TINY,
    catalog,
    model,
    rates,
    reckon,
)

ANN = Owner("acme", "ann")
ACME = Owner("acme")


def lengths(model_id: str, calls: int, p10: int, mean: int, p90: int) -> OutputLengths:
    return OutputLengths(model_id=model_id, calls=calls, p10=p10, mean=mean, p90=p90)


def asked(name: str = "auto", words: int = 100, **changes: Any) -> ChatRequest:
    return ChatRequest(model=name, messages=(Message("user", (Text("word " * words),)),), **changes)


def count_input(request: ChatRequest) -> int:
    """Words; the tests' texts have nothing else."""
    return sum(len(part.text.split()) for m in request.messages for part in m.parts if isinstance(part, Text))


def held(_: ChatRequest, of: Model, __: Price) -> int:
    return 10**15 + of.max_output


def no_tools_on_tiny(of: Model, request: ChatRequest, _: int) -> str | None:
    return "tools are missing" if of is TINY and request.stream else None


def estimator(store: ScriptedReports | None = None, **changes: Any) -> CostEstimator:
    fields: dict[str, Any] = {
        "catalog": lambda: CATALOG,
        "available": lambda: EVERY,
        "history": CachedHistory(store or ScriptedReports(), clock=lambda: NOW),
        "count_input": count_input,
        "ceiling": held,
        "reckon": reckon,
        "clock": lambda: NOW,
        "misfit": no_tools_on_tiny,
    }
    return CostEstimator(**{**fields, **changes})


async def one(request: ChatRequest, store: ScriptedReports | None = None, **changes: Any) -> CostEstimate:
    found = await estimator(store, **changes).estimate(request, owner=ANN)
    assert isinstance(found, CostEstimate)
    return found


async def test_input_and_a_range_of_output_are_priced() -> None:
    found = await one(asked("mid"))
    assert found == CostEstimate(
        model_id="mid",
        provider="openai",
        input_tokens=100,
        output_tokens=ASSUMED_OUTPUT,
        # $2 per million in, $10 out.
        cost_pico=Range(200_000_000 + 640_000_000, 200_000_000 + 5_120_000_000, 200_000_000 + 40_960_000_000),
        maximum_pico=10**15 + 10_000,
        assumptions=found.assumptions,
        price_snapshot="a snapshot",
    )
    assert any("64, 512 and 4,096 output tokens are assumed" in said for said in found.assumptions)


@pytest.mark.parametrize(
    ("own", "others", "expected", "source"),
    [
        (lengths("mid", 20, 5, 50, 500), lengths("mid", 900, 1, 2, 3), Range(5, 50, 500), "your own last 20"),
        (lengths("mid", 19, 5, 50, 500), lengths("mid", 900, 1, 2, 3), Range(1, 2, 3), "organisation's last"),
        (lengths("big", 99, 5, 50, 500), lengths("mid", 19, 1, 2, 3), ASSUMED_OUTPUT, "Too few answers"),
        (lengths("mid", 20, 5, 900, 500), lengths("mid", 9, 1, 2, 3), Range(5, 500, 500), "your own"),
        (lengths("mid", 20, 5, 50, 90_000), lengths("mid", 9, 1, 2, 3), Range(5, 50, 10_000), "your own"),
    ],
    ids=["own", "too few of one's own", "too few", "a mean beyond the range", "beyond what the model gives"],
)
async def test_answers_are_as_long_as_they_have_been(
    own: OutputLengths, others: OutputLengths, expected: Range, source: str
) -> None:
    store = ScriptedReports()
    store.lengths = {ANN: [own], ACME: [others]}
    found = await one(asked("mid"), store)
    assert found.output_tokens == expected
    assert any(source in said for said in found.assumptions)


async def test_the_limit_of_the_request_bounds_the_range() -> None:
    found = await one(asked("mid", max_tokens=300))
    assert found.output_tokens == Range(64, 300, 300)
    assert any("No more than 300" in said for said in found.assumptions)


async def test_a_history_that_is_away_leaves_the_assumption() -> None:
    store = ScriptedReports()
    store.away = Overloaded("away")
    assert (await one(asked("mid"), store)).output_tokens == ASSUMED_OUTPUT


async def test_all_models_that_can_serve_it_come_by_expected_cost() -> None:
    found = await estimator().estimate(asked("auto:quality"), owner=ANN)
    assert isinstance(found, list)
    assert [estimate.model_id for estimate in found] == ["tiny", "small", "mid", "big"]


@pytest.mark.parametrize(
    ("request_", "changes", "left"),
    [
        (asked(words=60_000), {}, ["tiny", "mid", "big"]),
        (asked(stream=True), {}, ["small", "mid", "big"]),
        (asked(service_tier="flex"), {}, ["big"]),
        (asked(), {"available": lambda: frozenset({"mid"})}, ["mid"]),
        (asked(), {"catalog": lambda: catalog(replace(BIG, kind="embedding"), SMALL)}, ["small"]),
        (asked(words=250_000), {}, []),
    ],
    ids=["too long for one", "misfit", "no such tier", "not callable", "no chat model", "too long for all"],
)
async def test_models_that_cannot_serve_it_are_left_out(
    request_: ChatRequest, changes: Mapping[str, Any], left: list[str]
) -> None:
    found = await estimator(**changes).estimate(request_, owner=ANN)
    assert isinstance(found, list)
    assert [estimate.model_id for estimate in found] == left


@pytest.mark.parametrize(
    ("request_", "error"),
    [
        (asked("no-such"), UnknownModel),
        (asked("small", words=50_001), ContextLengthExceeded),
        (asked("tiny", stream=True), InvalidRequest),
        (asked("mid", service_tier="flex"), UnknownPrice),
        (asked("future"), UnknownPrice),
    ],
)
async def test_a_named_model_that_cannot_serve_it_is_an_error(
    request_: ChatRequest, error: type[PolyvoxError]
) -> None:
    future = model("future", "mid", rates("standard", 0, 1, 1))
    future = replace(future, prices=(replace(future.prices[0], start=(NOW + timedelta(days=1)).date()),))
    with pytest.raises(error):
        await one(request_, catalog=lambda: catalog(MID, SMALL, TINY, future))


async def test_the_band_of_the_input_decides_the_rates() -> None:
    cheap, dear = await one(asked("mid", words=100_000)), await one(asked("mid", words=100_001))
    assert cheap.cost_pico.low == 100_000 * 2_000_000 + 64 * 10_000_000
    assert dear.cost_pico.low == 100_001 * 4_000_000 + 64 * 15_000_000


async def test_a_model_that_cannot_be_called_now_is_estimated_and_said_so() -> None:
    found = await one(asked("mid"), available=frozenset)
    assert found.assumptions[-1] == "openai cannot be called now."


class Clock:
    def __init__(self) -> None:
        self.now = NOW

    def __call__(self) -> datetime:
        return self.now


async def test_history_is_asked_for_once_a_minute_however_many_ask() -> None:
    store, clock = ScriptedReports(), Clock()
    store.lengths = {ANN: [lengths("mid", 20, 1, 2, 3)]}
    history = CachedHistory(store, clock=clock)
    found = await asyncio.gather(*(history.output_lengths(ANN) for _ in range(20)))
    assert {len(answer) for answer in found} == {1}
    clock.now += timedelta(seconds=59)
    await history.output_lengths(ANN)
    assert store.asked == [ANN]
    clock.now += timedelta(seconds=1)
    await history.output_lengths(ANN)
    await history.output_lengths(ACME)
    assert store.asked == [ANN, ANN, ACME]


async def test_a_failure_is_not_remembered() -> None:
    store = ScriptedReports()
    history = CachedHistory(store, clock=lambda: NOW)
    store.away = Overloaded("away")
    for _ in range(2):
        with pytest.raises(Overloaded):
            await history.output_lengths(ANN)
    store.away = None
    assert await history.output_lengths(ANN) == {}


async def test_who_leaves_does_not_take_the_answer_from_the_others() -> None:
    store = ScriptedReports()
    history = CachedHistory(store, clock=lambda: NOW)
    leaves, stays = (asyncio.create_task(history.output_lengths(ANN)) for _ in range(2))
    await asyncio.sleep(0)
    leaves.cancel()
    assert await stays == {}
    assert store.asked == [ANN]


async def test_history_is_bounded() -> None:
    store = ScriptedReports()
    history = CachedHistory(store, clock=lambda: NOW)
    for number in range(1_001):
        await history.output_lengths(Owner("acme", str(number)))
    await history.output_lengths(Owner("acme", "1000"))
    await history.output_lengths(Owner("acme", "0"))
    assert len(store.asked) == 1_002
