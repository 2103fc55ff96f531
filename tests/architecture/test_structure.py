"""Layers, sizes and names that the tools do not check by themselves."""

import importlib.util
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCES = [p for package in ("models", "deployments") for p in (ROOT / package).rglob("*.py")]
MAX_LINES = 400


@pytest.mark.parametrize("name", ["models", "deployments"])
def test_names_that_pypi_knows_too_mean_ours(name: str) -> None:
    spec = importlib.util.find_spec(name)
    assert spec is not None
    assert spec.origin is not None
    assert Path(spec.origin).is_relative_to(ROOT)


def test_no_module_is_longer_than_the_cap() -> None:
    long = {
        str(p.relative_to(ROOT)): n for p in SOURCES if (n := len(p.read_text().splitlines())) > MAX_LINES
    }
    assert long == {}


def test_every_module_says_what_it_is() -> None:
    mute = [str(p.relative_to(ROOT)) for p in SOURCES if not p.read_text().lstrip().startswith(('"""', "#!"))]
    assert mute == []


def test_only_the_discovery_of_lanes_calls_a_deployment_handle() -> None:
    callers = {str(p.relative_to(ROOT)) for p in SOURCES if re.search(r"\.remote\(", p.read_text())}
    assert callers == {"deployments/lane/discovery.py"}


def test_nothing_is_unpickled() -> None:
    pattern = re.compile(r"\bpickle\.loads?\(|joblib\.load\(|\beval\(|\bexec\(")
    assert [str(p.relative_to(ROOT)) for p in SOURCES if pattern.search(p.read_text())] == []


def test_no_sql_is_built_from_strings() -> None:
    pattern = re.compile(r"""f["'][^"']*\b(SELECT|INSERT|UPDATE|DELETE)\b""")
    assert [str(p.relative_to(ROOT)) for p in SOURCES if pattern.search(p.read_text())] == []
