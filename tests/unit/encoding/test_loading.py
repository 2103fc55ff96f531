"""What is loaded, what is refused, and what a process that encodes has in memory."""

import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from models.encoding import load_encoder
from models.encoding.weights import MODEL, SHA256, TOKENIZER, installed
from models.errors import Internal

ROOT = Path(__file__).parents[3]
USE = """
import sys
from models.encoding import load_encoder
assert load_encoder().encode(["Where is my parcel?"]).shape == (1, 384)
sys.exit(bool({"torch", "transformers", "sentence_transformers"} & set(sys.modules)))
"""


@pytest.mark.parametrize("name", SHA256)
def test_other_weights_than_the_pinned_ones_are_refused(name: str, tmp_path: Path) -> None:
    for one in (MODEL, TOKENIZER):
        shutil.copyfile(installed() / one, tmp_path / one)
    with (tmp_path / name).open("r+b") as file:
        file.seek(-1, os.SEEK_END)
        last = file.read(1)
        file.seek(-1, os.SEEK_END)
        file.write(bytes([last[0] ^ 1]))
    with pytest.raises(Internal, match=name):
        load_encoder(tmp_path)


def test_processes_that_start_at_once_write_and_report_nothing_and_have_no_torch(tmp_path: Path) -> None:
    # Not this process's environment: in a continuous integration's, onnxruntime does not report by itself.
    environment = {"PATH": os.defpath, "PYTHONPATH": str(ROOT), "HOME": str(tmp_path)}
    replicas = [
        subprocess.Popen([sys.executable, "-c", USE], cwd=tmp_path, env=environment) for _ in range(2)
    ]
    assert [replica.wait() for replica in replicas] == [0, 0]
    assert list(tmp_path.iterdir()) == []


def test_it_is_said_when_the_slow_one_has_to_do(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "models.encoding.graph", None)
    with caplog.at_level(logging.WARNING, "models.encoding"):
        load_encoder()
    assert "sentence-transformers encodes" in caplog.text
