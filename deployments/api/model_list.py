"""`GET /v1/models`: the catalogue in OpenAI's shape, with windows, prices and capabilities beside it."""

from datetime import UTC, datetime
from typing import Any, get_args

import msgspec
from msgspec import Raw

from models.catalog import Catalog, Mode, Model
from models.errors import UnknownPrice
from models.money import usd_text


def model_list(catalog: Catalog, available: frozenset[str], sandboxed: frozenset[str]) -> bytes:
    """Models that can be called now, and the `auto` modes. Prices are USD per token, as plain decimals."""
    rows = [
        _row(catalog, m, simulated=m.host in sandboxed) for m in catalog.models.values() if m.id in available
    ]
    modes = ["auto", *(f"auto:{mode}" for mode in get_args(Mode))]
    rows += [{"id": mode, "object": "model", "created": 0, "owned_by": "polyvox"} for mode in modes]
    return msgspec.json.encode({"object": "list", "data": rows})


def _row(catalog: Catalog, model: Model, *, simulated: bool) -> dict[str, Any]:
    start = model.prices[0].start
    row: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": int(datetime(start.year, start.month, start.day, tzinfo=UTC).timestamp()),
        "owned_by": model.host,
        "kind": model.kind,
        "context_length": model.window,
        "capabilities": sorted(model.capabilities),
    }
    if model.kind == "chat":
        row |= {"tier": model.tier, "max_output_tokens": model.max_output}
    if simulated:
        row["simulated"] = True
    try:
        rates = catalog.price_at(model, datetime.now(UTC)).rates_for("standard", total_input=0)
    except UnknownPrice:
        rates = None
    if rates is not None:
        prices = {"prompt": rates.input}
        if model.kind == "chat":
            prices |= {"completion": rates.output, "input_cache_read": rates.cache_read}
        row["pricing"] = {name: Raw(usd_text(rate).encode()) for name, rate in prices.items()}
    return row
