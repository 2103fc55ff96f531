"""What is held bounds what a call can cost; what is estimated comes near it."""

from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.catalog import load_catalog
from models.chat import (
    ChatRequest,
    Citation,
    Effort,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Reasoning,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from models.ledger import cost
from models.ledger.estimates import LEAST_OUTPUT_TOKENS, Estimator, Quote, effort_of, quote, size_of

CATALOG = load_catalog()
MINI = CATALOG.models["gpt-5.4-mini"]


def request(*parts: object, **changes: object) -> ChatRequest:
    message = Message("user", parts)  # type: ignore[arg-type]
    return ChatRequest(model="m", messages=(message,), **changes)  # type: ignore[arg-type]


def quoted(of: ChatRequest, model_id: str = "gpt-5.4-mini") -> Quote:
    model = CATALOG.models[model_id]
    return quote(of, size_of(of), model=model, price=model.prices[-1])


@given(st.text(max_size=300))
def test_m7_no_text_has_more_tokens_than_the_bound(text: str) -> None:
    assert size_of(request(Text(text))).bound(MINI) > len(text.encode("utf-8", "surrogatepass"))


@pytest.mark.parametrize("model_id", [m.id for m in CATALOG.models.values() if m.kind == "chat"])
@pytest.mark.parametrize("kind", ["input", "cache_read", "cache_write_5m"])
def test_m7_no_call_of_the_size_costs_more_than_is_held(model_id: str, kind: str) -> None:
    of = request(Text("x" * 500_000), max_tokens=2_000)
    model = CATALOG.models[model_id]
    bound = size_of(of).bound(model)
    for tokens in (1, bound // 2, bound):
        usage = replace(Usage(output=min(2_000, model.max_output), reasoning=1_000), **{kind: tokens})
        assert cost(usage, model.prices[-1]).total <= quoted(of, model_id).most_pico


def test_m7_an_hour_long_cache_is_held_for() -> None:
    of = request(Text("x" * 10_000, cache="1h"), max_tokens=10)
    usage = Usage(cache_write_1h=size_of(of).bound(MINI), output=10)
    assert cost(usage, CATALOG.models["claude-sonnet-5"].prices[-1]).total <= (
        quoted(of, "claude-sonnet-5").most_pico
    )


@pytest.mark.parametrize(
    ("parts", "whole_window"),
    [
        ([Text("hi")], False),
        ([Image(url="https://example.com/a.png")], False),
        ([File(text="plain")], False),
        ([File(url="https://example.com/a.pdf", media_type="application/pdf")], True),
        ([File(data="AAAA", media_type="audio/wav")], True),
        ([ToolCall("c", "look", "{}")], False),
        ([ToolResult("c", (File(file_id="f"),))], True),
    ],
)
def test_what_cannot_be_measured_may_fill_the_window(parts: list[object], whole_window: bool) -> None:
    assert (size_of(request(*parts)).bound(MINI) == MINI.max_input) is whole_window


ARTEFACT = Opaque("anthropic", "block", "x" * 7_000)


@pytest.mark.parametrize(
    "part",
    [
        Native(ARTEFACT),
        Thinking(opaque=(ARTEFACT,)),
        Text("hi", opaque=(ARTEFACT,)),
        Text("hi", citations=(Citation(opaque=ARTEFACT),)),
        Refusal("no", opaque=(ARTEFACT,)),
        ToolCall("c", "look", "{}", opaque=(ARTEFACT,)),
        ToolResult("c", (Native(ARTEFACT),)),
        ToolResult("c", opaque=(ARTEFACT,)),
    ],
    ids=lambda part: type(part).__name__,
)
def test_m7_what_goes_home_verbatim_counts_by_its_length(part: object) -> None:
    assert 7_000 < size_of(request(part)).bound(MINI) < MINI.max_input


def test_m7_sound_that_its_provider_keeps_may_fill_the_window() -> None:
    assert size_of(request(Native(Opaque("openai", "audio", "audio_1")))).bound(MINI) == MINI.max_input


def test_a_dearer_service_tier_is_held_for() -> None:
    plain = request(Text("hi"))
    assert quoted(request(Text("hi"), service_tier="priority")).most_pico > quoted(plain).most_pico
    assert quoted(request(Text("hi"), service_tier="auto")).most_pico > quoted(plain).most_pico
    assert quoted(request(Text("hi"), service_tier="flex")).most_pico == quoted(plain).most_pico


def test_a_limit_of_the_callers_is_all_that_is_held() -> None:
    limited = quoted(request(Text("hi"), max_tokens=100))
    assert limited.usual_pico == limited.most_pico
    assert limited.most_pico - limited.input_pico == 100 * limited.output_rate_pico
    assert limited.max_tokens(limited.most_pico) is None
    assert limited.max_tokens(limited.most_pico - 1) == 99
    assert limited.max_tokens(limited.least_pico) == LEAST_OUTPUT_TOKENS
    assert quoted(request(Text("hi"), max_tokens=3)).least_pico < limited.least_pico


def test_tools_count_by_their_schemas() -> None:
    tool = Tool("look", "looks", {"type": "object", "properties": {"at": {"type": "string"}}})
    assert size_of(request(Text("hi"), tools=(tool,))).bound(MINI) > 1_000


def test_an_estimate_learns_how_many_bytes_a_token_has() -> None:
    estimator, size = Estimator(), size_of(request(Text("x" * 1_000)))
    assert estimator.input_tokens(MINI, size) == 250
    for _ in range(1_000):
        usage = Usage(input=500, output=100, reasoning=40)
        estimator.learn(MINI.id, size, usage, shown_chars=120, thoughts_shown=False)
    assert estimator.input_tokens(MINI, size) == pytest.approx(500, abs=2)
    assert estimator.output_tokens(MINI.id, shown_chars=120, thoughts_shown=False) == pytest.approx(
        100, abs=2
    )
    assert estimator.output_tokens(MINI.id, shown_chars=120, thoughts_shown=True) == pytest.approx(60, abs=2)
    assert estimator.whole_answer_tokens(MINI.id) == pytest.approx(100, abs=2)
    assert estimator.input_tokens(CATALOG.models["gpt-5.5"], size) == 250


def test_m7_an_estimate_of_the_input_stays_within_the_bound() -> None:
    estimator, small = Estimator(), size_of(request(Text("hi")))
    for _ in range(10_000):  # what surrounds a short text is more than the text
        estimator.learn(MINI.id, small, Usage(input=30, output=1), shown_chars=4, thoughts_shown=False)
    large = size_of(request(Text("x" * 10_000)))
    assert estimator.input_tokens(MINI, large) == large.bound(MINI)


@pytest.mark.parametrize(
    ("reasoning", "effort"),
    [
        (None, ""),
        (Reasoning(), ""),
        (Reasoning(effort="high"), "high"),
        (Reasoning(budget_tokens=4_000), "12"),
        (Reasoning(budget_tokens=2_100), "12"),
    ],
)
def test_efforts_have_few_names(reasoning: Reasoning | None, effort: str) -> None:
    assert effort_of(request(reasoning=reasoning)) == effort


def hidden(estimator: Estimator, effort: str, *, chars: int = 4, waited_ms: int | None = None) -> int:
    """Of a stream that was cut; a token of it was seen, if any."""
    tokens = estimator.output_tokens(
        MINI.id, shown_chars=chars, thoughts_shown=False, effort=effort, waited_ms=waited_ms
    )
    return tokens - chars // 4


def taught(thoughts: Callable[[str, int], int], *, waits: Callable[[int, int], int]) -> Estimator:
    """By 300 streams of each effort; `waits` for so many hidden tokens."""
    estimator, size = Estimator(), size_of(request(Text("hi")))
    efforts: tuple[Effort, ...] = ("low", "high")
    for n in range(300):
        for effort in efforts:
            reasoning = thoughts(effort, n)
            usage = Usage(input=1, output=50 + reasoning, reasoning=reasoning)
            estimator.learn(
                MINI.id,
                size,
                usage,
                shown_chars=200,
                thoughts_shown=False,
                effort=effort,
                waited_ms=waits(reasoning, n),
            )
    return estimator


def test_hidden_thoughts_are_judged_by_the_effort_that_was_asked_for() -> None:
    estimator = taught(lambda e, n: (100 if e == "low" else 900) + n % 3, waits=lambda _, n: 300 + n % 7)
    assert hidden(estimator, "low", waited_ms=900) == pytest.approx(101, abs=1)
    assert hidden(estimator, "high", waited_ms=900) == pytest.approx(901, abs=1)
    assert hidden(estimator, "an effort never seen", waited_ms=900) == pytest.approx(501, abs=1)
    assert hidden(estimator, "low", chars=0, waited_ms=900) == 0
    assert estimator.whole_answer_tokens(MINI.id, effort="low") == pytest.approx(151, abs=1)
    assert estimator.whole_answer_tokens(MINI.id) == pytest.approx(551, abs=1)


def test_hidden_thoughts_are_judged_by_the_wait_where_it_tells() -> None:
    estimator = taught(
        lambda e, n: (100 if e == "low" else 900) + n,
        waits=lambda tokens, n: 200 + 10 * tokens + 50 * (n % 3),  # a hundred a second, more or less
    )
    assert hidden(estimator, "low", waited_ms=250 + 10 * 350) == pytest.approx(350, abs=5)
    assert hidden(estimator, "high", waited_ms=250 + 10 * 1_500) == pytest.approx(1_500, abs=15)
    assert hidden(estimator, "high", waited_ms=0) == 0
    assert hidden(estimator, "low", chars=0, waited_ms=250 + 10 * 200) == pytest.approx(200, abs=5)
    assert hidden(estimator, "low", waited_ms=None) == pytest.approx(250, abs=5)


def test_thoughts_that_are_shown_say_nothing_of_hidden_ones() -> None:
    estimator, size = Estimator(), size_of(request(Text("hi")))
    for shown in (True, False) * 50:
        usage = Usage(input=1, output=150, reasoning=100)
        chars = 600 if shown else 200
        estimator.learn(MINI.id, size, usage, shown_chars=chars, thoughts_shown=shown)
    assert hidden(estimator, "") == pytest.approx(100, abs=1)
