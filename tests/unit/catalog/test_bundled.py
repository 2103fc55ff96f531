"""What the bundled catalogue promises."""

import pickle
from collections import Counter
from datetime import UTC, date, datetime

import pytest

from models.catalog import Catalog, Model, load_catalog
from models.money import usd_text

PROVIDERS = ("openai", "anthropic", "google")


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


@pytest.mark.parametrize("provider", PROVIDERS)
def test_each_provider_has_models_of_every_tier(catalog: Catalog, provider: str) -> None:
    tiers = Counter(m.tier for m in catalog.models.values() if m.host == provider)
    assert tiers.total() >= 6
    assert set(tiers) == {"flagship", "mid", "small"}


@pytest.mark.parametrize("provider", PROVIDERS)
@pytest.mark.parametrize("tier", ["flagship", "mid", "small"])
def test_the_router_has_a_choice_everywhere(catalog: Catalog, provider: str, tier: str) -> None:
    assert any(m.auto for m in catalog.models.values() if (m.host, m.tier) == (provider, tier))


def test_only_enabled_hosts_are_there(catalog: Catalog) -> None:
    assert tuple(catalog.hosts) == PROVIDERS
    assert {m.host for m in catalog.models.values()} == set(PROVIDERS)
    assert all(catalog.hosts[p].protocol == p for p in PROVIDERS)


def test_no_model_is_about_to_retire(catalog: Catalog) -> None:
    assert all(m.retires is None or m.retires > date(2026, 12, 31) for m in catalog.models.values())


def test_every_price_has_a_source_and_is_above_zero(catalog: Catalog) -> None:
    for model in catalog.models.values():
        for price in model.prices:
            assert price.source
            for r in price.rates:
                assert 0 < r.cache_read <= r.input <= min(r.audio_input, r.image_input), model.id
                assert 0 < r.cache_read_audio <= r.audio_input, model.id
                if model.kind == "chat":
                    assert r.input < r.output <= min(r.reasoning, r.audio_output, r.image_output), model.id


def test_embedding_models_are_apart_from_those_that_chat(catalog: Catalog) -> None:
    embedding = [m for m in catalog.models.values() if m.kind == "embedding"]
    assert {m.host for m in embedding} == {"openai", "google"}
    for model in embedding:
        assert not model.auto
        assert model.max_output == 0
        assert catalog.resolve_embedding(model.id) == model
        assert all(r.output == 0 for price in model.prices for r in price.rates)


@pytest.mark.parametrize(
    ("model_id", "tools"),
    [
        ("gpt-6-luna", {"web_search": ("0.01", "use"), "code_execution": ("0.03", "use")}),
        ("claude-haiku-4-5", {"web_search": ("0.01", "use"), "web_fetch": ("0", "use")}),
        ("gemini-3.8-flash", {"web_search": ("0.014", "use"), "maps": ("0.014", "call")}),
        ("gemini-2.5-pro", {"web_search": ("0.035", "call"), "maps": ("0.025", "call")}),
        ("text-embedding-3-small", {}),
    ],
)
def test_what_a_provider_runs_itself_has_a_price(
    catalog: Catalog, model_id: str, tools: dict[str, tuple[str, str]]
) -> None:
    (price,) = catalog.models[model_id].prices
    assert {t.tool: (usd_text(t.pico), t.per) for t in price.tools} == tools


@pytest.mark.parametrize(
    ("model_id", "total_input", "usd_per_million"),
    [
        ("gpt-6.1-sol", 272_000, ("2", "10")),
        ("gpt-6.1-sol", 272_001, ("4", "15")),
        ("claude-sonnet-5-5", 900_000, ("2", "10")),
        ("claude-haiku-5-5", 100_001, ("0.5", "2.5")),
        ("gemini-3.8-flash", 1, ("0.75", "3.75")),
        ("gemini-2.5-pro", 200_001, ("2.5", "15")),
    ],
)
def test_rates_are_pico_usd_per_token_by_the_size_of_the_input(
    catalog: Catalog, model_id: str, total_input: int, usd_per_million: tuple[str, str]
) -> None:
    price = catalog.price_at(catalog.models[model_id], datetime(2026, 11, 23, tzinfo=UTC))
    rates = price.rates_for("standard", total_input=total_input)
    assert rates is not None
    assert (rates.input, rates.output) == tuple(round(float(usd) * 1_000_000) for usd in usd_per_million)


@pytest.mark.parametrize(
    ("service", "usd_per_million"),
    [("standard", ("0.3", "0.03")), ("batch", ("0.15", "0.15")), ("priority", ("0.54", "0.54"))],
)
def test_sound_has_rates_of_its_own_where_the_provider_lists_them(
    catalog: Catalog, service: str, usd_per_million: tuple[str, str]
) -> None:
    rates = catalog.models["gemini-2.5-flash-lite"].prices[0].rates_for(service, total_input=1)
    assert rates is not None
    assert (rates.audio_input, rates.cache_read_audio) == tuple(
        round(float(usd) * 1_000_000) for usd in usd_per_million
    )


def test_it_survives_a_process_boundary_and_cannot_be_changed(catalog: Catalog) -> None:
    copy = pickle.loads(pickle.dumps(catalog))  # noqa: S301 - made on the line itself
    assert copy.snapshot == catalog.snapshot == load_catalog().snapshot
    assert copy.models == catalog.models
    model = catalog.models["gpt-6-luna"]
    with pytest.raises(AttributeError):
        model.tier = "mid"  # type: ignore[misc]
    with pytest.raises(TypeError):
        catalog.models["x"] = model  # type: ignore[index]
    assert isinstance(copy.resolve("gpt-6-luna"), Model)
