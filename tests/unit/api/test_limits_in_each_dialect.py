"""Over a limit, or while the gateway is busy: what each dialect's clients are told, at no cost."""

import asyncio
from typing import Any

import httpx2
import pytest

from models.chat import Text
from models.limits import Limit
from models.limits.limit import Measure
from tests.unit.api.ways_in import KEY, USAGE, Stage, says

HI = [{"role": "user", "content": "hi"}]
ASKS: dict[str, tuple[str, dict[str, Any]]] = {
    "chat": ("/v1/chat/completions", {"model": "gpt-5.4-mini", "messages": HI}),
    "responses": ("/v1/responses", {"model": "gpt-5.4-mini", "input": "hi", "store": False}),
    "messages": ("/v1/messages", {"model": "claude-haiku-4-5", "max_tokens": 50, "messages": HI}),
    "gemini": (
        "/v1beta/models/gemini-3.5-flash:generateContent",
        {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    ),
}


def _limited(amount: int, measure: Measure = "requests", script: Any = None, **fields: Any) -> Stage:
    stage = Stage(script or says(Text("Hello")))
    limit = Limit(
        id=f"l-{measure}",
        tenant_id="t",
        scope="key",
        measure=measure,
        amount=amount,
        burst=amount,
        **fields,
    )
    stage.book.use([limit])
    return stage


async def _ask(stage: Stage, dialect: str, **headers: str) -> httpx2.Response:
    path, body = ASKS[dialect]
    async with stage.http() as http:
        return await http.post(path, json=body, headers={"authorization": f"Bearer {KEY}", **headers})


@pytest.mark.parametrize("dialect", ASKS)
async def test_over_a_limit_nothing_is_called_and_clients_are_told_when_to_come_back(dialect: str) -> None:
    stage = _limited(2)
    assert [(await _ask(stage, dialect)).status_code for _ in range(2)] == [200, 200]
    refused = await _ask(stage, dialect)
    assert (refused.status_code, len(stage.providers.calls), len(stage.ledger.asks)) == (429, 2, 2)
    assert 29 <= int(refused.headers["retry-after"]) <= 31
    assert "limit of 2 requests per minute" in refused.text


@pytest.mark.parametrize(
    ("dialect", "names"),
    [
        (
            "chat",
            ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests"),
        ),
        ("responses", ("x-ratelimit-limit-requests", "x-ratelimit-remaining-requests")),
        (
            "messages",
            ("anthropic-ratelimit-requests-limit", "anthropic-ratelimit-requests-remaining"),
        ),
    ],
)
async def test_answers_say_how_the_limits_stand(dialect: str, names: tuple[str, ...]) -> None:
    answer = await _ask(_limited(10), dialect)
    assert [answer.headers[name] for name in names] == ["10", "9"]


@pytest.mark.parametrize("dialect", ["chat", "messages"])
async def test_tokens_are_claimed_before_a_call_and_put_right_after_it(dialect: str) -> None:
    stage = _limited(USAGE.total_input + USAGE.output + 20, "tokens")
    first = await _ask(stage, dialect)
    name = "x-ratelimit-limit-tokens" if dialect == "chat" else "anthropic-ratelimit-tokens-limit"
    assert first.headers[name] == str(USAGE.total_input + USAGE.output + 20)
    # The question is a few tokens; the answer said that it was some hundred. The next question still fits
    # what was left, the one after it does not.
    await stage.limits.run_once()
    answers = [(await _ask(stage, dialect)).status_code for _ in range(3)]
    assert answers[-1] == 429
    assert len(stage.providers.calls) < 4


async def test_of_another_model_limits_have_room() -> None:
    stage = _limited(1, model="gpt-5.4-mini")
    assert [(await _ask(stage, "chat")).status_code for _ in range(2)] == [200, 429]
    assert (await _ask(stage, "messages")).status_code == 200


async def test_a_place_is_free_again_when_the_answer_is_over() -> None:
    may_go_on = asyncio.Event()
    stage = _limited(1, "concurrent", script=lambda call: [may_go_on, *says(Text("Hello"))(call)])
    first = asyncio.create_task(_ask(stage, "chat"))
    while not stage.providers.calls:
        await asyncio.sleep(0.001)
    assert (await _ask(stage, "chat")).status_code == 429
    may_go_on.set()
    assert (await first).status_code == 200
    assert (await _ask(stage, "chat")).status_code == 200


@pytest.mark.parametrize("dialect", ASKS)
@pytest.mark.parametrize(
    ("pressure", "said", "passes"), [(0.8, "low", False), (0.8, "", True), (0.95, "", False)]
)
async def test_while_it_is_busy_what_can_wait_is_sent_away_at_once(
    dialect: str, pressure: float, said: str, passes: bool
) -> None:
    stage = Stage(says(Text("Hello")))
    stage.pressure = pressure
    answer = await _ask(stage, dialect, **({"x-polyvox-priority": said} if said else {}))
    if passes:
        assert answer.status_code == 200
        return
    assert answer.status_code in (503, 529)
    assert int(answer.headers["retry-after"]) >= 1
    assert stage.ledger.asks == []


async def test_a_priority_that_is_none_is_refused() -> None:
    answer = await _ask(Stage(says(Text("Hello"))), "chat", **{"x-polyvox-priority": "urgent"})
    assert (answer.status_code, "x-polyvox-priority" in answer.text) == (400, True)
