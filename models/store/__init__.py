"""PostgreSQL: bounded pool, numbered migrations, named queries."""

from models.store.pool import Database
from models.store.queries import load_queries
from models.store.runner import MigrationError, migrate
from models.store.single import SingleConnection

__all__ = ["Database", "MigrationError", "SingleConnection", "load_queries", "migrate"]
