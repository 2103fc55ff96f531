"""`polyvox router`, with a real database and no gateway."""

import asyncio
import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import msgspec
import pytest
from typer.testing import CliRunner

from deployments.local.router_command import router
from deployments.router_config import read_router_config
from models.routing.artefact import BUNDLED, MANIFEST, SIGNATURE
from models.routing.promotion import Verdict
from models.routing.promotions import Promotions
from models.routing.serving import artefact_digest
from models.routing.training.signing import new_key, signature_of
from models.store import Database

Polyvox = Callable[..., Any]


@pytest.fixture
async def polyvox(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Polyvox:
    monkeypatch.setenv("POLYVOX_DATABASE_URL", url)
    monkeypatch.setenv("POLYVOX_HOME", str(tmp_path / "home"))

    async def run(*arguments: str) -> Any:
        return await asyncio.to_thread(CliRunner().invoke, router, list(arguments))

    return run


@pytest.fixture
def candidate(tmp_path: Path) -> Path:
    """The bundled artefact under another name: another manifest, signed by somebody whom the home trusts."""
    new_key(tmp_path / "key.pem", tmp_path / "home" / "artefact_keys" / "own.pem")
    folder = tmp_path / "candidate"
    shutil.copytree(BUNDLED, folder)
    _call(folder, "v2")
    return folder


def _call(folder: Path, version: str) -> None:
    manifest = json.loads((folder / MANIFEST).read_text())
    content = json.dumps(manifest | {"version": version}).encode()
    (folder / MANIFEST).write_bytes(content)
    (folder / SIGNATURE).write_bytes(signature_of(content, folder.parent / "key.pem"))


async def _say(database: Database, action: str) -> None:
    promotions = Promotions(database)
    last = await promotions.last()
    assert last is not None
    verdict = {"action": action, "reasons": ["as they say"], "checks": []}
    await promotions.keep(last.id, msgspec.convert(verdict, Verdict))


async def test_the_way_of_a_candidate_from_shadow_to_full_and_back(
    polyvox: Polyvox, candidate: Path, database: Database, tmp_path: Path
) -> None:
    nothing = await polyvox("status")
    assert "nothing was promoted yet" in nothing.stdout
    early = await polyvox("promote", str(candidate), "--canary", "0.1")
    assert (early.exit_code, "begin there" in early.stderr) == (1, True)
    shadow = await polyvox("promote", str(candidate))
    assert shadow.exit_code == 0, shadow.stderr
    assert "stage: shadow" in shadow.stdout
    unsure = await polyvox("promote", str(candidate), "--canary", "0.1")
    assert (unsure.exit_code, "have not looked" in unsure.stderr) == (1, True)
    await _say(database, "advance")
    canary = json.loads((await polyvox("promote", str(candidate), "--canary", "0.1", "--json")).stdout)
    assert canary["config"]["share"] == 0.1
    await _say(database, "advance")
    assert (await polyvox("promote", str(candidate), "--full")).exit_code == 0

    digest = artefact_digest(candidate)
    config = read_router_config(tmp_path / "home")
    assert config is not None
    assert config.candidate is not None
    assert (config.artefact, config.stage, config.promotion) == (None, "full", canary["order"] + 1)
    # The copy is what serves: the folder may be trained into again.
    assert artefact_digest(config.candidate) == digest
    status = json.loads((await polyvox("status", "--json")).stdout)
    assert (status["serving"], status["order"]["stage"]) == (digest, "full")

    again = await polyvox("promote", str(candidate), "--full")
    assert (again.exit_code, "serves already" in again.stderr) == (1, True)
    assert (await polyvox("rollback", "--why", "a bad feeling")).exit_code == 0
    assert (await polyvox("rollback")).exit_code == 1
    told = (await polyvox("status")).stdout
    assert "a bad feeling" in told
    assert artefact_digest(BUNDLED)[:12] in told


async def test_what_serves_already_or_does_not_work_is_not_promoted(
    polyvox: Polyvox, candidate: Path, tmp_path: Path
) -> None:
    bundled = await polyvox("promote", str(BUNDLED))
    assert (bundled.exit_code, "serves already" in bundled.stderr) == (1, True)
    (candidate / "heads.npz").write_bytes(b"something else")
    broken = await polyvox("promote", str(candidate), "--full", "--force")
    assert (broken.exit_code, "heads.npz" in broken.stderr) == (2, True)
    both = await polyvox("promote", str(candidate), "--full", "--shadow")
    assert both.exit_code == 2
    assert read_router_config(tmp_path / "home") is None


async def test_an_artefact_that_nobody_trusted_has_signed_is_not_promoted(
    polyvox: Polyvox, candidate: Path, tmp_path: Path
) -> None:
    (tmp_path / "home" / "artefact_keys" / "own.pem").unlink()
    refused = await polyvox("promote", str(candidate))
    assert (refused.exit_code, "not trusted" in refused.stderr) == (2, True)
    assert read_router_config(tmp_path / "home") is None


async def test_a_candidate_after_one_that_serves_replaces_that_one(
    polyvox: Polyvox, candidate: Path, tmp_path: Path
) -> None:
    assert (await polyvox("promote", str(candidate), "--full", "--force")).exit_code == 0
    first = artefact_digest(candidate)
    _call(candidate, "v3")
    assert (await polyvox("promote", str(candidate))).exit_code == 0
    config = read_router_config(tmp_path / "home")
    assert config is not None
    assert config.artefact is not None
    assert config.candidate is not None
    assert artefact_digest(config.artefact) == first
    assert artefact_digest(config.candidate) == artefact_digest(candidate) != first


async def test_without_a_database_nothing_is_ordered(
    polyvox: Polyvox, candidate: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("POLYVOX_DATABASE_URL", "postgresql://nobody@127.0.0.1:9/nothing")
    away = await polyvox("promote", str(candidate))
    assert away.exit_code == 2
    assert read_router_config(tmp_path / "home") is None
