"""A small catalogue, and questions about it."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

from models.catalog import Catalog, load_catalog
from models.chat import ChatRequest, Message, Text
from models.routing.constraints import HostFacts
from models.routing.expectation import Beliefs, Performance
from models.routing.learner import Learned
from models.routing.plan import Plan
from models.routing.policy import Circumstances, Question, decide
from models.routing.quality import QualityPriors
from models.routing.task import Task, TaskPrediction
from models.routing.weights import WEIGHTS

DAY = date(2026, 11, 25)
ROW = """
[[models]]
id = "{id}"
host = "{host}"
tier = "{tier}"
window = {window}
max_input = {window}
max_output = 50_000
auto = {auto}
capabilities = {capabilities}
[[models.prices]]
from = 2026-01-01
source = "made up"
rates = [{{ input = "{input}", cache_read = "{cache_read}", output = "{output}" }}]
"""
MODELS: dict[str, dict[str, Any]] = {
    "small": {"tier": "small", "host": "google", "input": "0.2", "cache_read": "0.02", "output": "1"},
    "mid": {"tier": "mid", "host": "openai", "input": "2", "cache_read": "0.2", "output": "10"},
    "twin": {"tier": "mid", "host": "google", "input": "2", "cache_read": "0.2", "output": "10.1"},
    "flag": {"tier": "flagship", "host": "anthropic", "input": "10", "cache_read": "1", "output": "50"},
    "hidden": {
        "tier": "mid",
        "host": "openai",
        "input": "1",
        "cache_read": "1",
        "output": "1",
        "auto": "false",
    },
}
HOSTS: dict[str, HostFacts] = {
    "openai": HostFacts(region="us", trains_on_data=False, retention_days=30, source="made up"),
    "anthropic": HostFacts(region="eu", trains_on_data=False, retention_days=0, source="made up"),
    "google": HostFacts(region="global", trains_on_data=True, retention_days=55, source="made up"),
}
ALL = frozenset(MODELS)


def catalogue(folder: Path) -> Catalog:
    usual = {"window": 200_000, "auto": "true", "capabilities": '["tools", "streaming"]'}
    rows = [ROW.format(id=name, **(usual | row)) for name, row in MODELS.items()]
    path = folder / "overlay.toml"
    others = [f'[[models]]\nid = "{m}"\nauto = false\n' for m in load_catalog().models]
    path.write_text("".join(rows + others))
    return load_catalog(path)


def request(**fields: Any) -> ChatRequest:
    return ChatRequest(model="auto", messages=(Message("user", (Text("hi"),)),), **fields)


def task(name: Task = "analysis", confidence: float = 0.95, difficulty: float = 0.5) -> TaskPrediction:
    return TaskPrediction(task=name, confidence=confidence, difficulty=difficulty)


def question(**changes: Any) -> Question:
    mode = changes.get("mode", "balanced")
    fields: dict[str, Any] = {
        "request": request(),
        "mode": mode,
        "weights": WEIGHTS[mode],
        "task": task(),
        "input_tokens": 200,
    }
    return Question(**(fields | changes))


def circumstances(
    catalog: Catalog,
    *,
    learned: Learned | None = None,
    performance: Mapping[str, Performance] | None = None,
    available: frozenset[str] = ALL,
    cost_pressure: float = 1.0,
) -> Circumstances:
    return Circumstances(
        catalog=catalog,
        available=available,
        beliefs=Beliefs(QualityPriors.load(), learned),
        performance=performance or {},
        hosts=HOSTS,
        cost_pressure=cost_pressure,
    )


def decided(catalog: Catalog, asked: Question, **circumstance: Any) -> Plan:
    return decide(asked, circumstances(catalog, **circumstance), day=DAY)


def ids(plan: Plan) -> list[str]:
    return [candidate.model_id for candidate in plan.candidates]
