"""What tokens are worth that no call can be named for."""

from datetime import datetime
from typing import Protocol

from models.catalog import Catalog
from models.errors import UnknownPrice
from models.reconcile.report import Tokens


class Prices(Protocol):
    def worth(self, model_id: str, tokens: Tokens, at: datetime) -> int | None:
        """Pico-USD, negative for negative counts; None where there is no price."""
        ...


class CataloguePrices:
    """At the standard rates of the day: which service or size of call the tokens were of, nobody says."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    def worth(self, model_id: str, tokens: Tokens, at: datetime) -> int | None:
        if not tokens:
            return 0
        model = self._catalog.models.get(model_id)
        if model is None:
            return None
        try:
            rates = self._catalog.price_at(model, at).rates_for("standard", total_input=0)
        except UnknownPrice:
            return None
        if rates is None:
            return None
        return (
            tokens.input * rates.input
            + tokens.cache_read * rates.cache_read
            + tokens.cache_write_5m * rates.cache_write_5m
            + tokens.cache_write_1h * rates.cache_write_1h
            + tokens.output * rates.output
        )
