"""`polyvox ledger …`: whether the books are in order."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Annotated

import msgspec
import typer

from models.errors import Overloaded
from models.reconcile.trial_balance import Finding, verify
from models.store import Database

STATEMENT_S = 600.0
"""Each rule reads whole tables."""

ledger = typer.Typer(no_args_is_help=True, help="The ledger.")


@ledger.callback()
def _group() -> None:
    """Makes it a group: typer takes one command for the whole."""


@ledger.command("verify")
def verify_ledger(
    as_json: Annotated[bool, typer.Option("--json", help="Machine-readable output.")] = False,
) -> None:
    """Check that the ledger balances, and name every row at fault. Exit status 1 when there are any, 2 when
    it cannot be read."""
    from deployments.local.access import database_url
    from deployments.local.home import Home

    try:
        found = asyncio.run(findings(database_url(Home.open())))
    except Overloaded as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None
    typer.echo(findings_text(found, as_json=as_json))
    if found:
        raise typer.Exit(1)


async def findings(url: str) -> list[Finding]:
    database = Database(url, max_size=1, statement_timeout_s=STATEMENT_S, application_name="polyvox-verify")
    try:
        return await verify(database)
    finally:
        await database.close()


def findings_text(found: Sequence[Finding], *, as_json: bool) -> str:
    if as_json:
        return msgspec.json.encode(found).decode()
    return "\n".join(map(str, found)) if found else "the ledger is in order"
