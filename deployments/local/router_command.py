"""`polyvox router …`: which classifier serves, and the way of the next one there."""

from __future__ import annotations

import asyncio
import getpass
from collections.abc import Coroutine
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, TypeVar

import msgspec
import typer

if TYPE_CHECKING:
    from deployments.local.promoting import Given, Report
    from models.routing.promotion import Check, Stage

T = TypeVar("T")

router = typer.Typer(no_args_is_help=True, help="The classifier of the learned router.")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


@router.command()
def status(as_json: AsJson = False) -> None:
    """What serves, what is on trial, and what the guards say of it."""
    from deployments.local.home import Home
    from deployments.local.promoting import report

    found = _run(report(Home.open()))
    typer.echo(_json(found) if as_json else report_text(found))


@router.command()
def promote(
    folder: Annotated[Path, typer.Argument(help="The artefact's.", exists=True, file_okay=False)],
    shadow: Annotated[bool, typer.Option("--shadow", help="It looks on. The default.")] = False,
    canary: Annotated[
        float | None, typer.Option(min=0.0, max=1.0, help="The share of requests that it answers.")
    ] = None,
    full: Annotated[bool, typer.Option("--full", help="It answers all.")] = False,
    share: Annotated[float, typer.Option(min=0.0, max=1.0, help="Of requests that a shadow sees.")] = 1.0,
    force: Annotated[bool, typer.Option("--force", help="Whatever the guards say.")] = False,
    as_json: AsJson = False,
) -> None:
    """Take an artefact a step further: shadow, canary, full. Exit status 1 if it is not taken."""
    from deployments.local.home import Home
    from deployments.local.promoting import promote as order

    if shadow + full + (canary is not None) > 1:
        typer.echo("one of --shadow, --canary and --full", err=True)
        raise typer.Exit(2)
    stage: Stage = "full" if full else "shadow" if canary is None else "canary"
    of = share if canary is None else canary
    given = _run(order(Home.open(), folder, stage=stage, share=of, by=getpass.getuser(), force=force))
    typer.echo(_json(given) if as_json else given_text(given))
    if given.refused or (given.local and not given.taken_by):
        raise typer.Exit(1)


@router.command()
def rollback(
    why: Annotated[str, typer.Option(help="For those who ask later.")] = "by hand", as_json: AsJson = False
) -> None:
    """Take the last order back: what served before it serves again, within seconds."""
    from deployments.local.home import Home
    from deployments.local.promoting import roll_back

    back = _run(roll_back(Home.open(), by=getpass.getuser(), why=why))
    typer.echo(
        _json({"order": back.id, "serving": back.serving, "candidate": back.candidate})
        if as_json
        else f"{back.candidate_version} ({back.candidate[:12]}) is taken back; {back.serving[:12]} serves"
    )


def report_text(found: Report) -> str:
    lines = [f"serving    {found.serving[:12]}  {found.serving_folder}"]
    order = found.order
    if order is None:
        return "\n".join([*lines, "nothing was promoted yet"])
    share = "" if order.stage == "full" else f" of {order.share:.0%}"
    lines.append(
        f"candidate  {order.candidate[:12]}  {order.candidate_version}, {order.stage}{share}, ordered by"
        f" {order.ordered_by} at {order.since:%Y-%m-%d %H:%M:%S} (order {order.id})"
    )
    if not order.stands:
        lines.append(f"taken back by {order.rolled_back_by}: {order.rolled_back_why}")
    if order.verdict is not None:
        lines.append(f"guards     {order.verdict.action}: {'; '.join(order.verdict.reasons)}")
        lines += [f"           {_check_text(check)}" for check in order.verdict.checks]
    lines += [
        f"replica    {trial.replica}  {trial.refused or ('goes by it' if trial.stands else 'not yet')}"
        for trial in found.trials
    ]
    return "\n".join(lines)


def given_text(given: Given) -> str:
    if not given.local:
        from deployments.router_config import serve_block

        return (
            f"order {given.order} is given. No gateway of this home runs: one that starts takes it."
            f" Elsewhere, deploy it with Serve's configuration:\n{serve_block(given.config)}".rstrip()
        )
    if given.refused:
        return f"order {given.order} is refused: {given.refused}"
    taken = f"taken by {given.taken_by} replicas" if given.taken_by else "not taken by any replica yet"
    return f"order {given.order}, {given.config.stage}: {taken}"


def _check_text(check: Check) -> str:
    sides = (("candidate", check.candidate), ("serving", check.serving), ("difference", check.difference))
    figures = [f"{name} {of.value:.3f} [{of.low:.3f}, {of.high:.3f}]" for name, of in sides if of is not None]
    return f"{check.name:<16} {'; '.join(figures) or 'nothing seen'}"


def _run(work: Coroutine[Any, Any, T]) -> T:
    from deployments.local.promoting import Refused
    from models.errors import PolyvoxError

    try:
        return asyncio.run(work)
    except Refused as refusal:
        typer.echo(str(refusal), err=True)
        raise typer.Exit(1) from None
    except PolyvoxError as error:
        typer.echo(error.message, err=True)
        raise typer.Exit(2) from None


def _json(value: object) -> str:
    return msgspec.json.encode(value, enc_hook=_plain).decode()


def _plain(value: object) -> object:
    from pydantic import BaseModel

    return value.model_dump(mode="json") if isinstance(value, BaseModel) else str(value)
