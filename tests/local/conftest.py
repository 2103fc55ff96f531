"""One home per module, and nothing of it left afterwards."""

import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from deployments.local.home import Home
from deployments.local.processes import sweep


@pytest.fixture(scope="module")
def home() -> Iterator[Home]:
    """Not below pytest's own directory: that is private, and the servers' account has to reach the home."""
    path = Path(tempfile.mkdtemp(prefix="polyvox-test-"))
    path.chmod(0o711)
    home = Home.open(path)
    yield home
    sweep(home, grace_s=1)
    for directory in (path, home.run_dir()):
        shutil.rmtree(directory, ignore_errors=True)
