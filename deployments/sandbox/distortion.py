"""How the providers' reports shall differ from the truth, for tests of those who reconcile.

`PUT /sandbox/reports` with `{"openai": "late=30 duplicate=1", "google": ""}` holds until it is set anew. With
a meter file it holds for every process that writes to it.
"""

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import orjson
from msgspec import Meta, Struct

from deployments.sandbox.behaviour import Flag, read_pairs
from deployments.sandbox.exchange import Provider

DAY_S = 86_400


class Distortion(Struct, frozen=True, forbid_unknown_fields=True, kw_only=True):
    late: Annotated[float, Meta(ge=0, le=366 * DAY_S)] = 0.0
    """Rows are shown so many seconds after the end of their bucket; the empty bucket is shown at once."""
    duplicate: Flag = "0"
    """`1`: every bucket comes twice, on two pages."""
    missing: Annotated[int, Meta(ge=0)] | None = None
    """The bucket that begins at this time (Unix seconds) is left out."""
    drift: Annotated[float, Meta(ge=-100, le=1000)] = 0.0
    """Every count and cost is more by so many percent."""
    model: Annotated[str, Meta(max_length=128)] = ""
    """`late` and `drift` are about this model only."""

    def is_about(self, model: str) -> bool:
        return self.model in ("", model)


UNDISTORTED = Distortion()


class Distortions:
    """By provider; kept in a file beside the meter's, so that all workers distort alike."""

    def __init__(self, meter: Path | None) -> None:
        self._file = None if meter is None else meter.with_name(f"{meter.name}.reports")
        self._pairs: dict[str, str] = {}

    def forget(self) -> None:
        """What an earlier run was told."""
        if self._file is not None:
            self._file.unlink(missing_ok=True)

    def pairs(self) -> dict[str, str]:
        if self._file is not None and self._file.exists():
            told: dict[str, str] = orjson.loads(self._file.read_bytes())
            return told
        return self._pairs

    def of(self, provider: Provider) -> Distortion:
        return read_pairs(self.pairs().get(provider, ""), Distortion)

    def put(self, given: Mapping[str, object]) -> None:
        """Raises Rejected for a directive that is none; then nothing has changed."""
        told = {provider: str(pairs) for provider, pairs in given.items()}
        for pairs in told.values():
            read_pairs(pairs, Distortion)
        self._pairs = self.pairs() | told
        if self._file is not None:
            draft = self._file.with_name(f"{self._file.name}.{os.getpid()}")
            draft.write_bytes(orjson.dumps(self._pairs))
            draft.replace(self._file)
