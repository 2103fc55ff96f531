"""What is held bounds what a call can cost; what is estimated comes near it."""

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from models.catalog import load_catalog
from models.chat import (
    ChatRequest,
    Citation,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    ToolResult,
    Usage,
)
from models.ledger import cost
from models.ledger.estimates import LEAST_OUTPUT_TOKENS, Estimator, Quote, quote, size_of

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
