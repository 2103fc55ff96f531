"""The schema of a database as text, to compare with what the migrations are known to make."""

from psycopg import AsyncConnection

from models.store.queries import load_queries


async def describe(connection: AsyncConnection) -> str:
    """Extensions, columns, constraints and indexes of the public schema, a sorted line each."""
    rows = await (await connection.execute(load_queries("schema")["describe"])).fetchall()
    return "".join(f"{line}\n" for (line,) in sorted(rows))
