"""One home per test, and nothing of it left running afterwards."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local.home import Home
from deployments.local.processes import sweep


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    home = Home.open(open_to_servers(tmp_path_factory.mktemp("home")))
    yield home
    sweep(home, grace_s=1)


def open_to_servers(path: Path) -> Path:
    """pytest's directories are private; the servers' account has to pass through them to the home."""
    for directory in (path, *path.parents[:2]):
        directory.chmod(0o711)
    return path
