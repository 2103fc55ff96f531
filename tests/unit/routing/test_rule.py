"""The stated rule, case by case, on a small catalogue of its own."""

from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import msgspec
import pytest

from models.catalog import Catalog, Mode, load_catalog
from models.chat import ChatRequest, File, Image, Message, Part, ResponseFormat, Text, Tool, ToolResult
from models.routing import Candidate, Dropped, Plan, needs, plan

EVERYTHING = '["tools", "vision", "pdf", "audio", "structured_output", "streaming"]'
ROW = """
[[models]]
id = "{id}"
host = "openai"
tier = "{tier}"
window = {window}
max_input = {max_input}
max_output = 50_000
retires = 2027-01-01
capabilities = {capabilities}
[[models.prices]]
from = 2026-01-01
source = "made up"
rates = [
  {{ input = "{input}", output = "{output}" }},
  {{ above = 60_000, input = "{above}", output = "{output}" }},
]
"""
DEFAULTS: dict[str, Any] = {
    "window": 100_000,
    "max_input": 100_000,
    "capabilities": EVERYTHING,
    "output": "1",
    "above": "9",
}
MODELS: dict[str, dict[str, Any]] = {
    "small-dear": {"tier": "small", "input": "0.3"},
    "small-cheap": {"tier": "small", "input": "0.1", "capabilities": '["streaming"]'},
    "mid-b": {"tier": "mid", "input": "1"},
    "mid-a": {"tier": "mid", "input": "1"},
    "mid-long": {"tier": "mid", "input": "2", "window": 1_000_000, "max_input": 900_000, "above": "2"},
    "flag-dear": {"tier": "flagship", "input": "8"},
    "flag-terse": {"tier": "flagship", "input": "9", "output": "0.1"},
}


@pytest.fixture(scope="module")
def catalog(tmp_path_factory: pytest.TempPathFactory) -> Catalog:
    rows = [ROW.format(id=name, **(DEFAULTS | row)) for name, row in MODELS.items()]
    path: Path = tmp_path_factory.mktemp("catalog") / "overlay.toml"
    others = [f'[[models]]\nid = "{m}"\nauto = false\n' for m in load_catalog().models]
    path.write_text("".join(rows + others))
    return load_catalog(path)


def _request(*parts: Part, **fields: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=(Message("user", parts or (Text("hi"),)),), **fields)


def _plan(catalog: Catalog, request: ChatRequest, mode: Mode, tokens: int = 1_000, **options: Any) -> Plan:
    options = {"available": frozenset(MODELS)} | options
    return plan(request, mode=mode, catalog=catalog, estimated_input_tokens=tokens, **options)


def _ids(decision: Plan) -> list[str]:
    return [c.model_id for c in decision.candidates]


SMALL, MID, FLAG = ["small-cheap", "small-dear"], ["mid-a", "mid-b", "mid-long"], ["flag-dear", "flag-terse"]
TOOLS = (Tool("t"),)
JSON = ResponseFormat("json_schema", schema={})


@pytest.mark.parametrize(
    ("mode", "order"),
    [
        ("cheap", SMALL + MID + FLAG),
        ("fast", SMALL + MID + FLAG),
        ("balanced", MID + FLAG + SMALL),
        ("quality", FLAG + MID + SMALL),
    ],
)
def test_the_tier_of_the_mode_first_then_its_neighbours_by_price_and_id(
    catalog: Catalog, mode: Mode, order: list[str]
) -> None:
    decision = _plan(catalog, _request(), mode)
    assert _ids(decision) == order
    assert decision.dropped == ()
    assert decision.confidence == 1.0


@pytest.mark.parametrize(
    ("request_", "first"),
    [
        (_request(), "small-cheap"),
        (_request(tools=TOOLS), "small-dear"),
        (_request(response_format=JSON), "small-dear"),
        (_request(Image(data="x")), "small-dear"),
        (_request(File(data="x", media_type="application/pdf")), "small-dear"),
        (_request(File(text="plain")), "small-cheap"),
        (_request(ToolResult("c", (Image(data="x"),))), "small-dear"),
        (_request(stream=True), "small-cheap"),
        (_request(response_format=ResponseFormat("json_object")), "small-cheap"),
    ],
)
def test_a_model_that_lacks_what_is_needed_is_not_asked(
    catalog: Catalog, request_: ChatRequest, first: str
) -> None:
    assert _ids(_plan(catalog, request_, "cheap"))[0] == first


def test_short_answers_weigh_less_than_prompts(catalog: Catalog) -> None:
    assert _ids(_plan(catalog, _request(max_tokens=500), "quality", tokens=100))[0] == "flag-terse"


def test_the_price_is_the_one_for_this_size_of_input(catalog: Catalog) -> None:
    assert _ids(_plan(catalog, _request(), "balanced", tokens=70_000))[0] == "mid-long"


@pytest.mark.parametrize(
    ("request_", "options", "drop"),
    [
        (_request(), {"available": {"mid-a"}}, Dropped(model_id="mid-b", reason="unavailable")),
        (_request(), {"tokens": 96_000}, Dropped(model_id="mid-b", reason="input_too_long")),
        (_request(max_tokens=50_000), {"tokens": 50_001}, Dropped(model_id="mid-b", reason="input_too_long")),
        (_request(max_tokens=50_001), {}, Dropped(model_id="mid-b", reason="output_too_long")),
        (_request(), {"when": datetime(2027, 1, 1, tzinfo=UTC)}, Dropped(model_id="mid-b", reason="retired")),
        (
            _request(),
            {"when": datetime(2025, 1, 1, tzinfo=UTC)},
            Dropped(model_id="mid-b", reason="unpriced"),
        ),
        (
            _request(Image(data="x"), tools=TOOLS),
            {},
            Dropped(model_id="small-cheap", reason="missing_capability", missing=("tools", "vision")),
        ),
        (
            _request(File(data="x", media_type="video/mp4")),
            {},
            Dropped(model_id="mid-b", reason="missing_capability", missing=("video",)),
        ),
    ],
)
def test_what_falls_is_named_with_its_reason(
    catalog: Catalog, request_: ChatRequest, options: dict[str, Any], drop: Dropped
) -> None:
    decision = _plan(catalog, request_, "balanced", **options)
    assert drop in decision.dropped
    assert drop.model_id not in _ids(decision)


def test_every_model_of_the_router_is_a_candidate_or_dropped(catalog: Catalog) -> None:
    decision = _plan(catalog, _request(tools=TOOLS), "balanced", tokens=200_000)
    assert _ids(decision) == ["mid-long"]
    assert {d.model_id for d in decision.dropped} | set(_ids(decision)) == set(MODELS)


def test_where_nothing_fits_there_is_no_candidate(catalog: Catalog) -> None:
    decision = _plan(catalog, _request(), "cheap", available=frozenset())
    assert decision.candidates == ()
    assert decision.selection() is None


def test_a_neighbouring_tier_is_less_sure(catalog: Catalog) -> None:
    decision = _plan(catalog, _request(), "quality", available={"mid-a", "mid-b"})
    selection = decision.selection()
    assert selection is not None
    shown = msgspec.to_builtins(selection)
    assert (shown["modelId"], shown["provider"], shown["confidence"]) == ("mid-a", "openai", 0.5)
    assert [a["modelId"] for a in shown["alternatives"]] == ["mid-b"]
    assert "neighbouring" in shown["reasoning"]


def test_a_decision_crosses_process_boundaries(catalog: Catalog) -> None:
    decision = _plan(catalog, _request(tools=TOOLS), "balanced")
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(decision), type=Plan) == decision
    assert isinstance(decision.candidates[0], Candidate)


def test_the_bundled_catalogue_gives_every_mode_a_first_choice() -> None:
    bundled = load_catalog()
    on_the_day = datetime.combine(date(2026, 11, 23), datetime.min.time(), UTC)
    modes: tuple[Mode, ...] = ("cheap", "balanced", "quality")
    plans = [_plan(bundled, _request(), mode, available=bundled.models, when=on_the_day) for mode in modes]
    assert [p.candidates[0].tier for p in plans] == ["small", "mid", "flagship"]


@pytest.mark.parametrize(
    ("media_type", "needed"),
    [
        ("application/pdf", {"pdf"}),
        ("", {"pdf"}),
        ("audio/wav", {"audio"}),
        ("video/mp4", {"video"}),
        ("image/png", {"vision"}),
        ("text/csv", set()),
        ("application/json", set()),
    ],
)
def test_files_need_what_their_type_says(media_type: str, needed: set[str]) -> None:
    assert needs(_request(File(data="x", media_type=media_type))) == needed
