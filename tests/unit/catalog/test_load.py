"""Overlay files: what they add, what they override, and what is refused."""

import pickle
from contextlib import suppress
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from models.catalog import CatalogError, Model, load_catalog
from models.errors import UnknownPrice

MODEL = """
[[models]]
id = "llama"
host = "{host}"
tier = "small"
window = 1000
max_input = 1000
max_output = 100
capabilities = ["streaming"]
[[models.prices]]
from = 2026-01-01
source = "own hardware"
rates = [{{ input = "0", output = "0" }}]
"""
LLAMA = MODEL.format(host="openai")
MAPS = '{ tool = "maps", usd_per_1000 = "1" }'


def _overlay(folder: Path, text: str) -> Path:
    path = folder / "overlay.toml"
    path.write_text(text)
    return path


def test_two_lines_enable_a_host_and_its_models(tmp_path: Path) -> None:
    catalog = load_catalog(_overlay(tmp_path, '[[hosts]]\nid = "ollama"\nenabled = true\n'))
    model = catalog.resolve("ollama/gpt-oss-20b")
    assert isinstance(model, Model)
    assert (model.wire_name, model.protocol) == ("gpt-oss:20b", "openai")
    assert not catalog.hosts["ollama"].key_required
    assert catalog.snapshot != load_catalog().snapshot


def test_a_new_host_is_a_row(tmp_path: Path) -> None:
    host = """
[[hosts]]
id = "groq"
label = "Groq"
protocol = "openai"
base_url = "https://api.groq.com/openai/v1"
base_url_env = "GROQ_BASE_URL"
key_env = ["GROQ_API_KEY"]
"""
    alias = '[aliases]\nquick = "llama"\n'
    catalog = load_catalog(_overlay(tmp_path, alias + host + MODEL.format(host="groq")))
    assert catalog.resolve("groq/llama") == catalog.resolve("quick") == catalog.models["llama"]


def test_an_override_changes_only_the_fields_it_names(tmp_path: Path) -> None:
    catalog = load_catalog(_overlay(tmp_path, '[[models]]\nid = "gpt-6-luna"\nauto = false\n'))
    before, after = load_catalog().models["gpt-6-luna"], catalog.models["gpt-6-luna"]
    assert (before.auto, after.auto) == (True, False)
    assert before.prices == after.prices


def test_an_alias_can_be_pointed_elsewhere(tmp_path: Path) -> None:
    catalog = load_catalog(_overlay(tmp_path, '[aliases]\ngpt = "gpt-6-luna"\n'))
    assert catalog.resolve("gpt") == catalog.models["gpt-6-luna"]


def test_a_price_holds_from_its_day_on(tmp_path: Path) -> None:
    later = """
[[models.prices]]
from = 2026-06-01
source = "a new price"
rates = [{ input = "1", output = "2" }]
"""
    catalog = load_catalog(_overlay(tmp_path, LLAMA + later))
    llama = catalog.models["llama"]
    assert catalog.price_at(llama, date(2026, 5, 31)).source == "own hardware"
    assert catalog.price_at(llama, datetime(2026, 6, 1, tzinfo=UTC)).source == "a new price"
    with pytest.raises(UnknownPrice):
        catalog.price_at(llama, date(2025, 12, 31))


def test_absent_cache_rates_are_the_input_rate(tmp_path: Path) -> None:
    text = LLAMA.replace('input = "0", output = "0"', 'input = "1", cache_write_5m = "2", output = "3"')
    price = load_catalog(_overlay(tmp_path, text)).models["llama"].prices[0]
    rates = price.rates[0]
    assert (rates.cache_read, rates.cache_write_5m, rates.cache_write_1h) == (1_000_000, 2_000_000, 2_000_000)


RATES = {"input": 1, "output": 2}


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {"reasoning": 2, "audio_input": 1, "image_input": 1, "cache_read_audio": 1, "audio_output": 2}),
        ({"cache_read": 9}, {"cache_read_audio": 9}),
        ({"cache_read": 9, "audio_input": 8}, {"audio_input": 8, "cache_read_audio": 8, "image_input": 1}),
        ({"audio_input": 8, "cache_read_audio": 3}, {"cache_read_audio": 3}),
        ({"reasoning": 7, "image_output": 6}, {"reasoning": 7, "image_output": 6, "audio_output": 2}),
        ({"audio_input": 0, "reasoning": 0}, {"audio_input": 0, "cache_read_audio": 0, "reasoning": 0}),
    ],
)
def test_an_absent_rate_is_that_of_what_it_is_a_special_case_of(
    tmp_path: Path, given: dict[str, int], expected: dict[str, int]
) -> None:
    row = ", ".join(f'{kind} = "{rate}"' for kind, rate in {**RATES, **given}.items())
    text = LLAMA.replace('input = "0", output = "0"', row)
    rates = load_catalog(_overlay(tmp_path, text)).models["llama"].prices[0].rates[0]
    assert {kind: getattr(rates, kind) // 10**6 for kind in expected} == expected


def test_tools_are_priced_by_the_thousand(tmp_path: Path) -> None:
    tools = """
tools = [
  { tool = "web_search", usd_per_1000 = "0.000000001" },
  { tool = "maps", usd_per_1000 = "7", per = "call" },
]
"""
    catalog = load_catalog(_overlay(tmp_path, LLAMA + tools))
    searches, maps = catalog.models["llama"].prices[0].tools
    assert (searches.tool, searches.pico, searches.per) == ("web_search", 1, "use")
    assert (maps.tool, maps.pico, maps.per) == ("maps", 7_000_000_000, "call")


EMBEDDING = LLAMA.replace('tier = "small"', 'tier = "small"\nkind = "embedding"\nauto = false').replace(
    "max_output = 100", "max_output = 0"
)


def test_an_embedding_model_is_a_row_too(tmp_path: Path) -> None:
    catalog = load_catalog(_overlay(tmp_path, EMBEDDING))
    assert catalog.resolve_embedding("openai/llama") == catalog.models["llama"]


@pytest.mark.parametrize(
    ("text", "row", "field"),
    [
        ("not toml", "file", "file"),
        ("x = " + "[" * 100_000, "file", "file"),
        ("x = " + "9" * 10_000, "file", "file"),
        (EMBEDDING.replace("auto = false", "auto = true"), "llama", "row"),
        (EMBEDDING.replace("max_output = 0", "max_output = 1"), "llama", "row"),
        (LLAMA.replace("max_output = 100", "max_output = 0"), "llama", "row"),
        (LLAMA.replace("window = 1000", f"window = {10**30}"), "llama", "window"),
        (LLAMA.replace('input = "0"', 'input = "1e999999999"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "1e-999999999"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "10000000"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "1.0000000000000000000000000001"'), "llama", "prices.0.rates"),
        (LLAMA.replace('input = "0"', 'input = "1", audio = "1"'), "llama", "prices.0.rates.0.audio"),
        (LLAMA + 'tools = [{ tool = "sing", usd_per_1000 = "1" }]', "llama", "prices.0.tools.0.tool"),
        (LLAMA + 'tools = [{ tool = "maps" }]', "llama", "prices.0.tools.0.usd_per_1000"),
        (LLAMA + f"tools = [{', '.join([MAPS] * 2)}]", "llama", "prices.0"),
        ("[other]", "file", "other"),
        ("models = 1", "file", "models"),
        ('[[models]]\nhost = "openai"', "models", "id"),
        (LLAMA + LLAMA, "llama", "id"),
        (LLAMA.replace('"openai"', '"nobody"'), "llama", "host"),
        (LLAMA.replace('tier = "small"', 'tier = "tiny"'), "llama", "tier"),
        (LLAMA.replace("window = 1000", 'window = "1000"'), "llama", "window"),
        (LLAMA.replace("window = 1000", "window = -1"), "llama", "window"),
        (LLAMA.replace("window = 1000", "window = 10"), "llama", "row"),
        (LLAMA.replace("window", "windows"), "llama", "window"),
        (LLAMA.replace('"streaming"', '"flying"'), "llama", "capabilities.0"),
        (LLAMA.replace('source = "own hardware"', ""), "llama", "prices.0.source"),
        (LLAMA.replace("2026-01-01", '"2026-01-01"'), "llama", "prices.0.from"),
        (LLAMA.replace('input = "0"', "input = 0.1"), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "-1"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "NaN"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "0.0000001"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace('input = "0"', 'input = "1 USD"'), "llama", "prices.0.rates.0.input"),
        (LLAMA.replace("{ input", '{ service = "batch", input'), "llama", "prices.0"),
        (LLAMA.replace("{ input", "{ above = 5, input"), "llama", "prices.0"),
        (LLAMA + '[[hosts]]\nid = "openai"\nbase_url = "file:///etc"', "openai", "base_url"),
        (LLAMA + '[[hosts]]\nid = "openai"\nbase_url = "https://user:pw@host/"', "openai", "base_url"),
        ('[aliases]\nx = "nobody"', "aliases", "x"),
        ('[aliases]\n"gpt-6-luna" = "gpt-6.1-sol"', "aliases", "gpt-6-luna"),
        ('[aliases]\n"auto:cheap" = "gpt-6.1-sol"', "aliases", "auto:cheap"),
        ("[aliases]\nx = 1", "aliases", "x"),
        (LLAMA.replace("window", 'aliases = ["claude-haiku-4-5-20251001"]\nwindow', 1), "llama", "aliases"),
    ],
)
def test_what_is_wrong_is_refused_by_file_row_and_field(
    tmp_path: Path, text: str, row: str, field: str
) -> None:
    with pytest.raises(CatalogError) as raised:
        load_catalog(_overlay(tmp_path, text))
    error = raised.value
    assert error.file in (str(tmp_path / "overlay.toml"), "catalogue")
    assert error.row == row
    assert error.field.startswith(field)
    copy = pickle.loads(pickle.dumps(error))  # noqa: S301 - made on the line itself
    assert (str(copy), copy.row, copy.field) == (str(error), error.row, error.field)


WHOLE = (LLAMA + f"tools = [{MAPS}]\n" + '[[hosts]]\nid = "ollama"\nenabled = true\n').encode()
cuts = st.integers(min_value=0, max_value=len(WHOLE))


@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(start=cuts, end=cuts, put=st.binary(max_size=8))
def test_m6_a_damaged_file_is_a_catalogue_or_an_error_of_its_own_kind(
    tmp_path: Path, start: int, end: int, put: bytes
) -> None:
    path = tmp_path / "overlay.toml"
    path.write_bytes(WHOLE[:start] + put + WHOLE[end:])
    with suppress(CatalogError):
        assert load_catalog(path).models["gpt-6-luna"].prices


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CatalogError, match="cannot be read"):
        load_catalog(tmp_path / "nothing.toml")
