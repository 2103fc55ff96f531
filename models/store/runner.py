"""Applies the numbered migrations, each once and in order, whoever else tries to at the same time."""

import re
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import NamedTuple

from psycopg import AsyncConnection, sql

from models.store.queries import load_queries

_FILE = re.compile(r"^(\d{4})_[a-z0-9_]+\.sql$")
_LOCK_TIMEOUT_S = 60


class MigrationError(Exception):
    """The migrations in the package and those in the database cannot be brought together."""


class Migration(NamedTuple):
    version: int
    name: str
    script: bytes
    checksum: str


async def migrate(url: str, *, folder: Traversable | None = None) -> list[str]:
    """Brings the database at `url` up to date and returns the names of what was applied.

    Each migration is one transaction, under an advisory lock for all of them. Raises MigrationError, before
    anything is applied, if an applied one was changed afterwards or has lost its file.
    """
    migrations = read_migrations(folder)
    queries = load_queries("migrations")
    async with await AsyncConnection.connect(
        url, autocommit=True, application_name="polyvox-migrate"
    ) as connection:
        await connection.execute(sql.SQL("SET lock_timeout = {}").format(f"{_LOCK_TIMEOUT_S}s"))
        await connection.execute(queries["lock"])
        try:
            return await _apply(connection, migrations)
        finally:
            await connection.execute(queries["unlock"])


def read_migrations(folder: Traversable | None = None) -> list[Migration]:
    """The files of `folder` (by default the package's own) in order. MigrationError for a gap or twin."""
    found = []
    for entry in (folder or files(__package__).joinpath("migrations")).iterdir():
        match = _FILE.match(entry.name)
        if match:
            script = entry.read_bytes()
            found.append(Migration(int(match[1]), entry.name, script, sha256(script).hexdigest()))
    found.sort()
    if [m.version for m in found] != list(range(1, len(found) + 1)):
        raise MigrationError("migrations are not numbered 1, 2, 3 …")
    return found


async def _apply(connection: AsyncConnection, migrations: Sequence[Migration]) -> list[str]:
    queries = load_queries("migrations")
    await connection.execute(queries["create_table"])
    rows = await (await connection.execute(queries["applied"])).fetchall()
    applied = {version: (name, checksum) for version, name, checksum in rows}
    by_version = {m.version: m for m in migrations}
    for version, (name, checksum) in applied.items():
        known = by_version.get(version)
        if known is None:
            raise MigrationError(f"the database has {name}, which this version of the program does not")
        if known.checksum != checksum:
            raise MigrationError(f"{name} was changed after it had been applied")
    missing = [m for m in migrations if m.version not in applied]
    for migration in missing:
        async with connection.transaction():
            await connection.execute(migration.script)
            await connection.execute(
                queries["record"],
                {"version": migration.version, "name": migration.name, "checksum": migration.checksum},
            )
    return [m.name for m in missing]
