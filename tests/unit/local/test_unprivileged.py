"""Where the servers' account cannot go, their data and their binaries go where it can."""

from pathlib import Path

import pytest

from deployments.local.home import Home
from deployments.local.unprivileged import Account, data_root, reachable_copy

STRANGER = Account("stranger", 65_533, 65_533)


@pytest.fixture
def private(tmp_path: Path) -> Path:
    path = tmp_path / "private"
    path.mkdir(mode=0o700)
    return path


def test_a_private_directory_cannot_be_crossed(private: Path) -> None:
    (private / "open").mkdir(mode=0o755)
    assert not STRANGER.can_cross(private / "open")
    assert STRANGER.can_cross(Path("/usr"))


def test_data_stays_in_the_home_unless_the_account_cannot_reach_it(private: Path) -> None:
    home = Home.open(private / "home")
    assert data_root(home, None) == home.path
    elsewhere = data_root(home, STRANGER)
    assert elsewhere.name == f"polyvox-{home.instance}"
    assert STRANGER.can_cross(elsewhere.parent)
    assert not elsewhere.exists()


def test_binaries_are_copied_with_the_libraries_beside_them(private: Path, tmp_path: Path) -> None:
    program, libraries = private / "program", private / "program.libs"
    for directory in (program, libraries):
        directory.mkdir(mode=0o700)
        (directory / "file").write_text(directory.name)
    target = tmp_path / "copy"
    assert reachable_copy((program, libraries), target, None) == private
    for _again in range(2):
        assert reachable_copy((program, libraries), target, STRANGER) == target
        assert (target / "program.libs" / "file").read_text() == "program.libs"
        assert (target / "program" / "file").stat().st_mode & 0o005 == 0o005
