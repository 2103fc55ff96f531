"""Secrets in files: whole or not at all, and for their owner only."""

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from stat import S_IMODE

import pytest

from models.identity import ensure_pepper, load_pepper
from models.identity.secret_file import read_secret, write_secret


def test_a_pepper_is_made_once_for_all_who_ask(tmp_path: Path) -> None:
    path = tmp_path / "home" / "pepper"
    with ThreadPoolExecutor(8) as pool:
        peppers = set(pool.map(ensure_pepper, [path] * 32))
    assert len(peppers) == 1
    assert peppers == {load_pepper(path)}
    assert len(peppers.pop()) == 32
    assert S_IMODE(path.stat().st_mode) == 0o600
    assert [p.name for p in path.parent.iterdir()] == ["pepper"]


@pytest.mark.parametrize("content", ["", "not hex", "00" * 31])
def test_a_pepper_that_is_none_is_refused_and_not_replaced(tmp_path: Path, content: str) -> None:
    path = tmp_path / "pepper"
    write_secret(path, content)
    with pytest.raises(ValueError, match="pepper"):
        ensure_pepper(path)
    assert read_secret(path) == content


def test_a_missing_pepper_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="pepper"):
        load_pepper(tmp_path / "pepper")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o666])
def test_a_file_that_others_may_read_is_refused(tmp_path: Path, mode: int) -> None:
    path = tmp_path / "secret"
    write_secret(path, "content")
    path.chmod(mode)
    with pytest.raises(PermissionError):
        read_secret(path)
