"""A program that dies is started again; one that keeps on dying, or never answers, is an error."""

import asyncio
import sys
from dataclasses import dataclass, field
from pathlib import Path

import psutil
import pytest

from deployments.local.home import Home
from deployments.local.keeper import Keeper
from deployments.local.processes import Command
from deployments.local.service import ServiceFailed


@dataclass
class Script:
    """A service that answers as soon as its program has written its file."""

    home: Home
    code: str
    name: str = "script"
    ready_within_s: float = 10.0
    starts: int = field(default=0)

    @property
    def sign(self) -> Path:
        return self.home.path / "sign"

    async def prepare(self) -> Command:
        self.starts += 1
        self.sign.unlink(missing_ok=True)
        return Command(
            role="sandbox",
            argv=[sys.executable, "-c", f"import pathlib, time\n{self.code}"],
            log=self.home.logs / "script.log",
            env={},
            cwd=self.home.path,
        )

    async def answers(self) -> bool:
        return self.sign.exists()


RUNS = "pathlib.Path('sign').touch(); time.sleep(60)"
DIES = "pathlib.Path('sign').touch(); time.sleep(0.1)"
FAILS = "print('out of luck'); raise SystemExit(7)"


def keeper_of(tmp_path: Path, code: str) -> tuple[Keeper, Script, list[str]]:
    script, said = Script(Home.open(tmp_path), code), list[str]()
    return Keeper(script, home=script.home, say=said.append), script, said


async def test_it_comes_back_after_kill_9(tmp_path: Path) -> None:
    keeper, script, said = keeper_of(tmp_path, RUNS)
    await keeper.start()
    first = keeper.pid
    keeping = asyncio.create_task(keeper.keep())
    psutil.Process(first).kill()
    async with asyncio.timeout(10):
        while "script is back" not in said:
            await asyncio.sleep(0.01)
    assert script.starts == 2
    assert keeper.pid != first
    keeping.cancel()
    await keeper.stop()


async def test_it_is_given_up_when_it_keeps_on_dying(tmp_path: Path) -> None:
    keeper, script, _said = keeper_of(tmp_path, DIES)
    await keeper.start()
    with pytest.raises(ServiceFailed, match="6 times"):
        await keeper.keep()
    assert script.starts == 6


async def test_a_failed_start_names_the_log(tmp_path: Path) -> None:
    keeper, script, _said = keeper_of(tmp_path, FAILS)
    with pytest.raises(ServiceFailed, match="status 7") as caught:
        await keeper.start()
    assert caught.value.log == script.home.logs / "script.log"
    assert "out of luck" in caught.value.log.read_text()


async def test_a_start_without_an_answer_ends(tmp_path: Path) -> None:
    keeper, script, _said = keeper_of(tmp_path, "time.sleep(60)")
    script.ready_within_s = 0.2
    with pytest.raises(ServiceFailed, match="not ready"):
        await keeper.start()
    await keeper.stop()
