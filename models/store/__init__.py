"""PostgreSQL: bounded pool, numbered migrations, named queries."""

from models.store.pool import Database
from models.store.queries import load_queries
from models.store.runner import MigrationError, migrate

__all__ = ["Database", "MigrationError", "load_queries", "migrate"]
