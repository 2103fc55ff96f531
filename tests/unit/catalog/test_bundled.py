"""What the bundled catalogue promises."""

import pickle
from collections import Counter
from datetime import UTC, date, datetime

import pytest

from models.catalog import Catalog, Model, load_catalog

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
            assert all(0 < r.cache_read <= r.input < r.output for r in price.rates), model.id


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
