from pathlib import Path

import pytest

from models.providers.profiles import Profile, Profiles, WireProvider

PROFILES = Profiles.load()

ACCEPTED: list[tuple[WireProvider, str, dict[str, object]]] = [
    ("openai", "gpt-4o", {"max_tokens_field": "max_completion_tokens", "reasoning": "none", "stops_max": 4}),
    ("openai", "gpt-5.5", {"sampling": {"seed"}, "reasoning": "effort", "stops_max": 0, "verbosity": True}),
    ("openai", "gpt-5", {"efforts": ("minimal", "low", "medium", "high")}),
    ("openai", "o3-mini", {"efforts": ("low", "medium", "high"), "verbosity": False}),
    ("openai", "gpt-5.6-sol", {"cache_breakpoints": 3}),
    ("openai", "llama3.2:latest", {"first_party": False, "max_tokens_field": "max_tokens"}),
    ("openai", "openai/gpt-oss-20b", {"first_party": False, "reasoning": "effort"}),
    ("anthropic", "claude-3-5-haiku-20241022", {"reasoning": "none", "prefill": True}),
    ("anthropic", "claude-haiku-4-5", {"reasoning": "budget", "prefill": True, "mid_system": False}),
    ("anthropic", "claude-sonnet-4-6", {"reasoning": "adaptive", "prefill": False, "forced_tools": True}),
    ("anthropic", "claude-opus-4-7", {"sampling": set(), "mid_system": False}),
    ("anthropic", "claude-opus-4-8", {"mid_system": True, "binds_thinking": False}),
    ("anthropic", "claude-sonnet-5", {"mid_system": False, "forced_tools": True, "binds_thinking": False}),
    ("anthropic", "claude-opus-5-5", {"forced_tools": False, "binds_thinking": True, "always_reasons": True}),
    (
        "anthropic",
        "claude-haiku-5-5",
        {"forced_tools": True, "binds_thinking": True, "always_reasons": False},
    ),
    ("google", "gemini-2.0-flash", {"structured": "subset", "reasoning": "none"}),
    ("google", "gemini-2.5-pro", {"budget_min": 128, "signed_calls": False, "call_ids": False}),
    ("google", "gemini-3.5-flash", {"reasoning": "level", "signed_calls": True, "call_ids": True}),
    ("google", "gemini-3.7-flash", {"sampling": set()}),
]


@pytest.mark.parametrize(("provider", "model", "expected"), ACCEPTED)
def test_a_model_accepts(provider: WireProvider, model: str, expected: dict[str, object]) -> None:
    profile = PROFILES.for_model(provider, model)
    assert {field: getattr(profile, field) for field in expected} == expected


@pytest.mark.parametrize("provider", ["openai", "anthropic", "google"])
def test_a_model_nobody_described_gets_the_default(provider: WireProvider) -> None:
    profile = PROFILES.for_model(provider, "brand-new-1")
    assert isinstance(profile, Profile)
    assert len(profile.rows) == 1


DEFAULT = """
[[row]]
name = "first"
provider = "openai"
source = "a page"
sampling = []
temperature_max = 1.0
stops_max = 0
max_tokens_field = "max_tokens"
reasoning = "none"
structured = "none"
forced_tools = true
prefill = true
mid_system = true
tool_name = ".+"
tool_name_max = 1
tool_id_max = 1
"""
SECOND = '[[row]]\nname = "second"\nprovider = "openai"\nsource = "a page"\n'

WRONG = [
    ('[[row]]\nname = "lone"\nprovider = "openai"\n', r"row 1 \(lone\): source is missing"),
    (DEFAULT.replace("prefill = true\n", ""), r"row 1 \(first\): .*`prefill`"),
    (DEFAULT + SECOND, r"row 2 \(second\): a provider's first row, and only it, has no match"),
    (DEFAULT + SECOND + 'match = "("\n', r"row 2 \(second\): bad pattern"),
    (DEFAULT + SECOND + 'match = "x"\nreasonning = "none"\n', r"row 2 \(second\): .*reasonning"),
    (DEFAULT + SECOND + 'match = "x"\nreasoning = "deep"\n', r"row 2 \(second\): .*deep"),
]


@pytest.mark.parametrize(("text", "complaint"), WRONG)
def test_a_wrong_row_is_named(tmp_path: Path, text: str, complaint: str) -> None:
    table = tmp_path / "profiles.toml"
    table.write_text(text)
    with pytest.raises(ValueError, match=complaint):
        Profiles.load(table)


@pytest.mark.parametrize(
    ("model", "provider"),
    [
        ("gpt-5.5", "openai"),
        ("openai/o3", "openai"),
        ("claude-opus-5-5", "anthropic"),
        ("gemini-2.5-pro", "google"),
        ("llama3", None),
        ("", None),
    ],
)
def test_whose_model_it_is(model: str, provider: str | None) -> None:
    assert Profiles.load().maker(model) == provider
