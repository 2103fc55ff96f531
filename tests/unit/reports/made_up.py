"""A catalogue of round prices, and arithmetic of its own to check against."""

from datetime import UTC, date, datetime
from typing import Any

from models.catalog import Catalog, Host, Model, Price, Protocol, Rates, Service, Tier
from models.catalog.model import Capability
from models.chat import Usage
from models.reports.rates import Rater, sizes_of
from models.reports.rows import Outcome, Repeats, Shape, Turns

NOW = datetime(2026, 11, 24, 12, tzinfo=UTC)
"""A Tuesday."""
MICRO = 10**6
"""Pico-USD per token is USD per million tokens times this."""
USD = 10**12

ALL: frozenset[Capability] = frozenset({"tools", "vision", "streaming", "prompt_cache"})


def rates(service: Service, above: int, usd_in: float, usd_out: float) -> Rates:
    """Cached input costs a tenth of new, storing it a quarter more."""
    new, out = round(usd_in * MICRO), round(usd_out * MICRO)
    return Rates(
        service=service,
        above=above,
        input=new,
        cache_read=new // 10,
        cache_write_5m=new * 5 // 4,
        cache_write_1h=new * 2,
        output=out,
        reasoning=out,
        audio_input=new,
        image_input=new,
        cache_read_audio=new // 10,
        audio_output=out,
        image_output=out,
    )


def reckon(usage: Usage, at: Rates) -> int:
    return (
        usage.input * at.input
        + usage.cache_read * at.cache_read
        + usage.cache_write_5m * at.cache_write_5m
        + usage.cache_write_1h * at.cache_write_1h
        + usage.output * at.output
    )


def model(
    model_id: str,
    tier: Tier,
    *quotes: Rates,
    host: Protocol = "openai",
    capabilities: frozenset[Capability] = ALL,
    **changes: Any,
) -> Model:
    fields: dict[str, Any] = {
        "id": model_id,
        "kind": "chat",
        "host": host,
        "protocol": host,
        "wire_name": model_id,
        "tier": tier,
        "auto": True,
        "window": 200_000,
        "max_input": 200_000,
        "max_output": 10_000,
        "capabilities": capabilities,
        "retires": None,
        "prices": (Price(model_id=model_id, start=date(2026, 1, 1), source="made up", rates=quotes),),
    }
    return Model(**{**fields, **changes})


def catalog(*models: Model) -> Catalog:
    protocols: tuple[Protocol, ...] = ("openai", "anthropic", "google")
    hosts: dict[str, Host] = {
        name: Host(
            id=name,
            label=name,
            protocol=name,
            base_url="https://example.com",
            base_url_env="URL",
            key_env=("KEY",),
            key_required=True,
        )
        for name in protocols
    }
    return Catalog(
        hosts=hosts, models={m.id: m for m in models}, aliases={}, prefixes={}, snapshot="a snapshot"
    )


BIG = model("big", "flagship", rates("standard", 0, 10, 50), rates("flex", 0, 5, 25))
MID = model(
    "mid", "mid", rates("standard", 0, 2, 10), rates("standard", 100_000, 4, 15), rates("batch", 0, 1, 5)
)
SMALL = model("small", "small", rates("standard", 0, 1, 4), max_input=50_000)
TINY = model("tiny", "small", rates("standard", 0, 0.5, 2), capabilities=frozenset({"streaming"}))
CATALOG = catalog(BIG, MID, SMALL, TINY)
EVERY = frozenset(CATALOG.models)


def rater(of: Catalog = CATALOG) -> Rater:
    return Rater(of, NOW, sizes_of(of))


def shape(model_id: str, calls: int, list_pico: int, **changes: Any) -> Shape:
    fields: dict[str, Any] = {
        "service_tier": "default",
        "size": 0,
        "simple": True,
        "unattended": False,
        "input_tokens": 1_000 * calls,
        "output_tokens": 100 * calls,
    }
    return Shape(model_id=model_id, calls=calls, list_pico=list_pico, **{**fields, **changes})


def turns(model_id: str, **changes: int | str) -> Turns:
    fields: dict[str, Any] = {
        "service_tier": "",
        "size": 0,
        "followups": 100,
        "total_input": 1_000_000,
        "read": 0,
        "missed": 0,
        "unwritten": 0,
    }
    return Turns(model_id=model_id, **{**fields, **changes})


def repeats(model_id: str, **changes: Any) -> Repeats:
    fields: dict[str, Any] = {
        "prompts": 2,
        "calls": 5,
        "spend_pico": 5 * USD,
        "avoidable_pico": 3 * USD,
        "examples": ("req_1", "req_2"),
    }
    return Repeats(model_id=model_id, **{**fields, **changes})


def outcome(status: str, spend_pico: int, **changes: Any) -> Outcome:
    fields: dict[str, Any] = {"model_id": "big", "error_code": "", "calls": 10, "estimated_pico": 0}
    return Outcome(status=status, spend_pico=spend_pico, **{**fields, **changes})
