"""The error tree: drawn in its docstring, whole after a process boundary, with a status each."""

import pickle

import pytest

from deployments.api.errors import openai_fields, status_of
from models import errors
from models.errors import KINDS, PolyvoxError, from_details


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_an_error_survives_a_process_boundary(kind: type[PolyvoxError]) -> None:
    error = kind("what", param="p", provider="openai", model="m", status=429, retry_after_s=1.5, sent=False)
    for copy in (from_details(error.details()), pickle.loads(pickle.dumps(error))):  # noqa: S301 - our own
        assert type(copy) is kind
        assert vars(copy) == vars(error)
        assert str(copy) == "what"


def test_the_drawing_shows_the_tree() -> None:
    drawn = errors.__doc__ or ""
    assert [name for name in KINDS if name not in drawn] == []


def test_an_unknown_kind_is_an_internal_error() -> None:
    assert isinstance(from_details({"kind": "Future", "message": "x"}), errors.Internal)


def test_fields_of_a_newer_replica_and_notes_are_left_out() -> None:
    error = errors.Overloaded("full", sent=False)
    error.add_note("seen by a debugger")
    copy = from_details({**error.details(), "from_the_future": 1})
    assert (type(copy), copy.message, copy.sent) == (errors.Overloaded, "full", False)


@pytest.mark.parametrize("kind", KINDS.values(), ids=KINDS.keys())
def test_every_error_has_a_status_and_fields(kind: type[PolyvoxError]) -> None:
    assert 400 <= status_of(kind("x")) <= 599
    assert openai_fields(kind("x"))["code"] == kind.code


def test_a_message_is_bounded() -> None:
    assert len(errors.Internal("x" * 100_000).message) <= 2_000
