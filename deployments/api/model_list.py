"""`GET /v1/models`: the catalogue in its client's shape; in OpenAI's with windows, prices and capabilities.

Sources: OpenAI API reference, models; anthropic 2.12, types/model_info.py; google-genai 3.4, types.Model.
"""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from msgspec import Raw

from deployments.api.errors import Dialect
from models.catalog import Auto, Catalog, Mode, Model
from models.errors import UnknownModel, UnknownPrice
from models.money import usd_text

Json = dict[str, Any]

_GOOGLE_METHODS = ["generateContent", "streamGenerateContent", "countTokens"]
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def model_list(
    catalog: Catalog,
    available: frozenset[str],
    sandboxed: frozenset[str],
    *,
    dialect: Dialect = "openai",
) -> bytes:
    """Models that can be called now, and the `auto` modes. Prices are USD per token, as plain decimals."""
    shown: list[Model | str] = [m for m in catalog.models.values() if m.id in available]
    shown += _modes()
    if dialect == "openai":
        return _encode({"object": "list", "data": [_row(catalog, one, sandboxed) for one in shown]})
    chatting = [one for one in shown if isinstance(one, str) or one.kind == "chat"]
    if dialect == "google":
        return _encode({"models": [_googles(one) for one in chatting]})
    rows = [_anthropics(one) for one in chatting]
    ends = {"first_id": rows[0]["id"], "last_id": rows[-1]["id"]}
    return _encode({"data": rows, "has_more": False, **ends})


def one_model(
    name: str,
    catalog: Catalog,
    available: frozenset[str],
    sandboxed: frozenset[str],
    *,
    dialect: Dialect = "openai",
) -> bytes:
    """Raises UnknownModel also for one that cannot be called now."""
    found = catalog.models.get(name) or catalog.resolve(name)
    if isinstance(found, Model) and found.id not in available:
        raise UnknownModel(f"{found.id} cannot be called now", param="model", model=found.id)
    shown = name if isinstance(found, Auto) else found
    match dialect:
        case "anthropic":
            return _encode(_anthropics(shown))
        case "google":
            return _encode(_googles(shown))
        case _:
            return _encode(_row(catalog, shown, sandboxed))


_encode = msgspec.json.Encoder().encode


def _modes() -> list[str]:
    return ["auto", *(f"auto:{mode}" for mode in get_args(Mode))]


def _made(model: Model | str) -> datetime:
    if isinstance(model, str):
        return _EPOCH
    start = model.prices[0].start
    return datetime(start.year, start.month, start.day, tzinfo=UTC)


def _anthropics(model: Model | str) -> Json:
    id, created = _id(model), f"{_made(model):%Y-%m-%dT%H:%M:%SZ}"
    row: Json = {"type": "model", "id": id, "display_name": id, "created_at": created, "lifecycle": "active"}
    if isinstance(model, Model):
        row |= {"max_input_tokens": model.max_input, "max_tokens": model.max_output}
    return row


def _googles(model: Model | str) -> Json:
    id = _id(model)
    row: Json = {
        "name": f"models/{id}",
        "baseModelId": id,
        "version": "1",
        "displayName": id,
        "supportedGenerationMethods": _GOOGLE_METHODS,
    }
    if isinstance(model, Model):
        row |= {"inputTokenLimit": model.max_input, "outputTokenLimit": model.max_output}
    return row


def _id(model: Model | str) -> str:
    return model if isinstance(model, str) else model.id


def _row(catalog: Catalog, model: Model | str, sandboxed: frozenset[str]) -> Json:
    created = int(_made(model).timestamp())
    if isinstance(model, str):
        return {"id": model, "object": "model", "created": created, "owned_by": "polyvox"}
    row: Json = {
        "id": model.id,
        "object": "model",
        "created": created,
        "owned_by": model.host,
        "kind": model.kind,
        "context_length": model.window,
        "capabilities": sorted(model.capabilities),
    }
    if model.kind == "chat":
        row |= {"tier": model.tier, "max_output_tokens": model.max_output}
    if model.host in sandboxed:
        row["simulated"] = True
    if pricing := _pricing(catalog, model):
        row["pricing"] = pricing
    return row


def _pricing(catalog: Catalog, model: Model) -> Json:
    try:
        rates = catalog.price_at(model, datetime.now(UTC)).rates_for("standard", total_input=0)
    except UnknownPrice:
        return {}
    if rates is None:
        return {}
    prices = {"prompt": rates.input}
    if model.kind == "chat":
        prices |= {"completion": rates.output, "input_cache_read": rates.cache_read}
    return {name: Raw(usd_text(rate).encode()) for name, rate in prices.items()}
