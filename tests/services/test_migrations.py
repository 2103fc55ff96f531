"""The schema is what the migrations make, and each is applied once whoever asks."""

import asyncio
from pathlib import Path

import psycopg
import pytest

from models.store import MigrationError, migrate
from models.store.runner import read_migrations
from models.store.schema import describe

SNAPSHOT = Path(__file__).with_name("schema.txt")


async def _query(url: str, query: bytes) -> list[tuple[object, ...]]:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        return await (await connection.execute(query)).fetchall()


async def test_the_schema_equals_the_migrations(url: str, tmp_path: Path) -> None:
    async with await psycopg.AsyncConnection.connect(url) as connection:
        actual = await describe(connection)
    (tmp_path / "schema.txt").write_text(actual)
    assert actual == SNAPSHOT.read_text(), f"if this is meant: cp {tmp_path}/schema.txt {SNAPSHOT}"


async def test_all_are_applied_in_order_and_once(empty_url: str) -> None:
    names = [m.name for m in read_migrations()]
    assert await migrate(empty_url) == names
    assert await migrate(empty_url) == []


async def test_runners_at_the_same_time_share_the_work(empty_url: str) -> None:
    results = await asyncio.gather(*(migrate(empty_url) for _ in range(4)))
    assert sorted(results) == [[], [], [], [m.name for m in read_migrations()]]


def _folder(path: Path, **files: str) -> Path:
    path.mkdir(exist_ok=True)
    for name, text in files.items():
        (path / f"{name.lstrip('_')}.sql").write_text(text)
    return path


async def test_a_failing_migration_leaves_nothing_behind(empty_url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, _0001_good="CREATE TABLE a ();", _0002_bad="CREATE TABLE b (); SELECT 1 / 0;")
    with pytest.raises(psycopg.errors.DivisionByZero):
        await migrate(empty_url, folder=folder)
    tables = b"SELECT relname FROM pg_class WHERE relname IN ('a', 'b')"
    assert await _query(empty_url, tables) == [("a",)]
    _folder(tmp_path, _0002_bad="CREATE TABLE b ();")
    assert await migrate(empty_url, folder=folder) == ["0002_bad.sql"]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda folder: (folder / "0001_a.sql").write_text("CREATE TABLE x ();"), "0001_a.sql was changed"),
        (lambda folder: (folder / "0002_b.sql").unlink(), "the database has 0002_b.sql"),
        (lambda folder: (folder / "0004_d.sql").write_text(""), "not numbered"),
        (lambda folder: (folder / "0002_twin.sql").write_text(""), "not numbered"),
    ],
)
async def test_what_does_not_fit_is_refused_before_anything_is_applied(
    empty_url: str, tmp_path: Path, change: object, message: str
) -> None:
    folder = _folder(tmp_path, _0001_a="CREATE TABLE a ();", _0002_b="CREATE TABLE b ();")
    await migrate(empty_url, folder=folder)
    assert callable(change)
    change(folder)
    with pytest.raises(MigrationError, match=message):
        await migrate(empty_url, folder=folder)


async def test_the_lock_is_free_after_a_failure(empty_url: str, tmp_path: Path) -> None:
    folder = _folder(tmp_path, _0001_bad="SELECT 1 / 0;")
    for _ in range(2):
        with pytest.raises(psycopg.errors.DivisionByZero):
            await migrate(empty_url, folder=folder)
