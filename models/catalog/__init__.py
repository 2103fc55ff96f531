"""Who can be called, which models they have, what those can do and what they cost: data, checked on load."""

from models.catalog.catalog import Auto, Catalog, Mode, Resolved
from models.catalog.load import load_catalog
from models.catalog.model import Capability, Host, Model, Price, Protocol, Rates, Service, Tier
from models.catalog.rows import CatalogError

__all__ = [
    "Auto",
    "Capability",
    "Catalog",
    "CatalogError",
    "Host",
    "Mode",
    "Model",
    "Price",
    "Protocol",
    "Rates",
    "Resolved",
    "Service",
    "Tier",
    "load_catalog",
]
