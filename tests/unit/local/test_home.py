"""The instance's directory: one owner at a time, secrets that stay and that nobody else reads."""

import os
import stat
from pathlib import Path

import pytest

from deployments.local.home import UNIX_SOCKET_PATH_MAX, AlreadyRunning, Home, own_directory


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home.open(tmp_path / "home")


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_the_home_comes_from_the_argument_then_from_the_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYVOX_HOME", str(tmp_path / "named"))
    assert Home.open().path == tmp_path / "named"
    assert Home.open(tmp_path / "given").path == tmp_path / "given"


def test_two_homes_are_two_instances(tmp_path: Path) -> None:
    one, other = Home.open(tmp_path / "one"), Home.open(tmp_path / "other")
    assert one.instance != other.instance
    assert one.instance == Home.open(tmp_path / "one").instance


def test_a_secret_is_made_once_and_is_private(home: Home) -> None:
    first = home.secret("postgres")
    assert len(first) >= 32
    assert home.secret("postgres") == first
    assert home.secret("valkey") != first
    assert mode(home.secret_path("postgres")) == 0o600
    assert mode(home.path / "secrets") == 0o700


def test_a_file_cut_off_by_a_crash_reads_as_empty(home: Home) -> None:
    home.write("state.json", {"port": 1})
    assert home.read("state.json") == {"port": 1}
    (home.path / "state.json").write_text('{"po')
    assert home.read("state.json") == {}
    assert home.read("never.json") == {}


def test_one_owner_at_a_time(home: Home) -> None:
    assert home.holder() is None
    with home.locked():
        assert home.holder() == os.getpid()
        with pytest.raises(AlreadyRunning), home.locked():
            pass
        assert home.holder() == os.getpid()
    assert home.holder() is None


@pytest.mark.parametrize("depth", [0, 100])
def test_sockets_fit_however_deep_the_home_lies(tmp_path: Path, depth: int) -> None:
    run = Home.open(tmp_path / ("d" * depth + "x")).run_dir()
    tail = f"/{'n' * 56}/admin.sock.1234567.tmp"
    assert len(f"{run}{tail}") <= UNIX_SOCKET_PATH_MAX
    run.rmdir()


def test_a_directory_that_somebody_prepared_as_a_link_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(PermissionError):
        own_directory(tmp_path / "link")
