"""Signatures are good for their provider, their text and their prefix only."""

import base64

import pytest

from deployments.sandbox import signatures


@pytest.mark.parametrize("binding", ["", "0123456789ab"])
def test_a_signature_is_for_its_provider_and_text(binding: str) -> None:
    signature = signatures.sign("anthropic", "a thought", binding=binding)
    assert signatures.genuine(signature, "anthropic", "a thought")
    assert not signatures.genuine(signature, "google", "a thought")
    assert not signatures.genuine(signature, "anthropic", "another thought")
    assert not signatures.genuine(signature + "x", "anthropic", "a thought")
    assert signatures.bound_to(signature) == binding


def test_a_signature_survives_clients_that_keep_it_as_bytes() -> None:
    signature = signatures.sign("google", "a thought")
    assert base64.urlsafe_b64encode(base64.urlsafe_b64decode(signature)).decode() == signature


def test_what_is_sealed_comes_back_unless_it_was_changed() -> None:
    artefact = signatures.seal("openai", "a thought – unshown")
    assert signatures.unsealed(artefact, "openai") == "a thought – unshown"
    for changed in (
        "",
        "x",
        artefact[:-4],
        artefact.replace(".", "a."),
        signatures.seal("google", "a thought"),
    ):
        assert signatures.unsealed(changed, "openai") is None
