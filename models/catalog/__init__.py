"""Who can be called, which models they have, what those can do and what they cost: data, checked on load."""

from models.catalog.catalog import Auto, Catalog, Mode, Resolved
from models.catalog.live import LiveCatalog, ReloadOutcome
from models.catalog.load import load_catalog
from models.catalog.model import (
    Capability,
    Host,
    Kind,
    Model,
    Price,
    Protocol,
    Rates,
    Service,
    Tier,
    ToolPrice,
)
from models.catalog.rows import CatalogError

__all__ = [
    "Auto",
    "Capability",
    "Catalog",
    "CatalogError",
    "Host",
    "Kind",
    "LiveCatalog",
    "Mode",
    "Model",
    "Price",
    "Protocol",
    "Rates",
    "ReloadOutcome",
    "Resolved",
    "Service",
    "Tier",
    "ToolPrice",
    "load_catalog",
]
