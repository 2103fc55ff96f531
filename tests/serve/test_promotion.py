"""A classifier on its way to serve: taken by the replicas that run, and taken back."""

import json
import shutil
from pathlib import Path
from typing import Any

import httpx2

from models.routing.artefact import BUNDLED, MANIFEST, SIGNATURE
from models.routing.serving import artefact_digest
from models.routing.training.signing import new_key, signature_of
from tests.serve.stack import Stack, wait_until


def _signed(folder: Path, key: Path, version: str) -> Path:
    """The bundled classifier under another name."""
    shutil.copytree(BUNDLED, folder)
    manifest = json.dumps(json.loads((folder / MANIFEST).read_text()) | {"version": version}).encode()
    (folder / MANIFEST).write_bytes(manifest)
    (folder / SIGNATURE).write_bytes(signature_of(manifest, key))
    return folder


def test_a_promoted_classifier_answers_without_a_restart_and_goes_back_when_told(
    stack: Stack, tmp_path: Path
) -> None:
    new_key(tmp_path / "key.pem", stack.home / "artefact_keys" / "own.pem")
    candidate = _signed(tmp_path / "candidate", tmp_path / "key.pem", "next")
    replicas = {process.pid for process in stack.replicas("Router")}
    with httpx2.Client(base_url=stack.url, headers={"authorization": f"Bearer {stack.key}"}) as http:
        bundled = artefact_digest(BUNDLED)
        assert _decided_by(http) == bundled
        given = json.loads(stack.polyvox("router", "promote", str(candidate), "--full", "--force", "--json"))
        assert (given["taken_by"], given["refused"]) == (len(replicas), "")
        assert _decided_by(http) == artefact_digest(candidate)
        assert {process.pid for process in stack.replicas("Router")} == replicas
        stack.polyvox("router", "rollback", "--why", "a test")
        wait_until(lambda: _decided_by(http) == bundled, within_s=15, every_s=0.5)


def _decided_by(http: httpx2.Client) -> str:
    body = {"model": "auto", "messages": [{"role": "user", "content": "Write a poem about a lighthouse."}]}
    asked = http.post("/v1/chat/completions", json=body).raise_for_status()
    found: dict[str, Any] = {}

    def is_there() -> bool:
        trail = http.get(f"/v1/requests/{asked.headers['x-polyvox-request-id']}").raise_for_status()
        found.update(trail.json()["decision"] or {})
        return bool(found)

    wait_until(is_there, within_s=10)
    artefact: str = found["artefact"]
    return artefact
