"""The `polyvox` command."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from deployments.local.home import REPOSITORY, AlreadyRunning, Home
from deployments.local.ledger_command import ledger
from deployments.local.router_command import router
from deployments.local.service import ServiceFailed

_DETACHED_READY_WITHIN_S = 300
_DOWN_WITHIN_S = 40
_LINES_SHOWN = 20

app = typer.Typer(no_args_is_help=True, add_completion=False, pretty_exceptions_enable=False)
keys = typer.Typer(no_args_is_help=True, help="API keys.")
app.add_typer(keys, name="keys")
app.add_typer(ledger, name="ledger")
app.add_typer(router, name="router")

AsJson = Annotated[bool, typer.Option("--json", help="Machine-readable output.")]


def say(text: str) -> None:
    typer.echo(text)
    sys.stdout.flush()


def fail(text: str, status: int = 1) -> typer.Exit:
    typer.echo(text, err=True)
    return typer.Exit(status)


@app.command()
def up(
    detach: Annotated[bool, typer.Option(help="Return as soon as the gateway answers.")] = False,
    port: Annotated[int | None, typer.Option(help="Default: the one in the configuration, or 8000.")] = None,
    host: Annotated[str, typer.Option(help="Address to listen on.")] = "127.0.0.1",
    config: Annotated[Path | None, typer.Option(help="Default: serve_config.yaml.")] = None,
) -> None:
    """Start everything on this machine; Ctrl-C ends it."""
    home = Home.open()
    if detach:
        _up_detached(home)
        return
    from deployments.local.plan import Plan
    from deployments.local.stack import Stack

    try:
        asyncio.run(Stack(home, lambda: Plan.make(home, config=config, host=host, port=port), say=say).run())
    except ServiceFailed as error:
        raise fail(f"{error}{_last_words(error.log)}") from None
    except AlreadyRunning as error:
        raise fail(str(error)) from None


def _up_detached(home: Home) -> None:
    arguments = [argument for argument in sys.argv[1:] if argument != "--detach"]
    log = home.logs / "up.log"
    with log.open("wb") as file:
        process = subprocess.Popen(  # noqa: S603 our own command line
            [sys.executable, "-m", "deployments.local.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            cwd=REPOSITORY,
            start_new_session=True,
        )
    deadline = time.monotonic() + _DETACHED_READY_WITHIN_S
    while time.monotonic() < deadline and process.poll() is None:
        if "\npolyvox ready " in f"\n{log.read_text()}":
            say(log.read_text().rstrip())
            return
        time.sleep(0.1)
    raise fail(log.read_text())


def _last_words(log: Path | None) -> str:
    if log is None or not log.exists():
        return ""
    lines = log.read_text(errors="replace").splitlines()[-_LINES_SHOWN:]
    return "\n".join((f"; the end of {log}:", *lines))


@app.command()
def down() -> None:
    """End every process of this home and free its ports."""
    from deployments.local.processes import sweep
    from deployments.local.status import end_supervisor

    home = Home.open()
    was_running = end_supervisor(home, within_s=_DOWN_WITHIN_S)
    leftovers = sweep(home)
    say("polyvox is down" if was_running or leftovers else "polyvox was not running")


@app.command()
def status(as_json: AsJson = False) -> None:
    """What runs. Exit status 0 when the gateway answers, 3 otherwise."""
    from deployments.local.status import read_status

    found = read_status(Home.open())
    say(json.dumps(found) if as_json else _readable(found))
    if found["state"] != "ready":
        raise typer.Exit(3)


def _readable(found: dict[str, Any]) -> str:
    return "\n".join(f"{name:<16} {value}" for name, value in found.items() if value not in (None, [], {}))


@app.command()
def doctor(as_json: AsJson = False) -> None:
    """Check what a start needs. Exit status 1 when something is missing."""
    from deployments.local.doctor import examine

    findings = examine(Home.open())
    if as_json:
        say(json.dumps([finding._asdict() for finding in findings]))
    else:
        for finding in findings:
            say(f"{'ok  ' if finding.ok else 'BAD '} {finding.name:<20} {finding.detail}")
    if not all(finding.ok for finding in findings):
        raise typer.Exit(1)


@app.command()
def migrate() -> None:
    """Bring the database's schema up to date."""
    from deployments.local.access import database_url
    from models.store import migrate as apply

    applied = asyncio.run(apply(database_url(Home.open())))
    say("\n".join(applied) if applied else "nothing to do")


@keys.command("create")
def create_key(
    user: Annotated[str, typer.Option(help="Whose key; the user is made if new.")],
    team: Annotated[str | None, typer.Option(help="Whom it spends for; the team is made if new.")] = None,
    budget_usd: Annotated[str | None, typer.Option(help="What it may spend.")] = None,
    expires_days: Annotated[int | None, typer.Option(min=1, max=36_500, help="How long it lives.")] = None,
    name: Annotated[str, typer.Option(help="What it is for.")] = "",
    admin: Annotated[bool, typer.Option(help="Also make the user an administrator.")] = False,
    as_json: AsJson = False,
) -> None:
    """Make a key. It is shown once."""
    from deployments.local.access import create

    making = create(
        Home.open(),
        user=user,
        team=team,
        budget_usd=budget_usd,
        expires_days=expires_days,
        name=name,
        admin=admin,
    )
    try:
        issued = asyncio.run(making)
    except ValueError as error:
        raise fail(str(error), 2) from None
    say(
        json.dumps(issued) if as_json else f"{issued['key']}\n(id {issued['id']}; the key is not shown again)"
    )


@keys.command("list")
def list_keys(user: Annotated[str | None, typer.Option()] = None, as_json: AsJson = False) -> None:
    """Every key, without the key itself."""
    from deployments.local.access import listing

    found = asyncio.run(listing(Home.open(), user=user))
    if as_json:
        say(json.dumps(found))
        return
    for key in found:
        say(
            f"{key['id']}  {_state(key):<8} {key['user']:<20} {key['team'] or '-':<16}"
            f" {key['budget_usd'] or '-':>10}  {key['name']}"
        )


def _state(key: dict[str, Any]) -> str:
    if key["revoked_at"]:
        return "revoked"
    expires = key["expires_at"]
    return "expired" if expires and datetime.fromisoformat(expires) <= datetime.now(UTC) else "active"


@keys.command("revoke")
def revoke_key(key_id: Annotated[str, typer.Argument(help="The id, not the key.")]) -> None:
    """Make a key useless."""
    from deployments.local.access import revoke

    if not asyncio.run(revoke(Home.open(), key_id)):
        raise fail(f"there is no key {key_id}")
    say(f"revoked {key_id}")


def main() -> None:
    app()


if __name__ == "__main__":
    main()
