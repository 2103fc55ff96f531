"""Labelled prompts: read from JSON lines, and told apart by where they come from."""

from collections.abc import Iterable, Iterator
from pathlib import Path

import msgspec
from msgspec import Struct

from models.routing.task import Task

SAMPLE = Path(__file__).with_name("sample")
"""The project's own, written for it: a folder of JSON lines."""
WRITTEN = ("own", "polyvox-sample")
"""The families of its prompts."""

_NON_COMMERCIAL = ("-NC", "NonCommercial")


class Prompt(Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A row of a file. `task` is None for what is no request at all; other fields of a row are ignored."""

    text: str
    task: Task | None
    alt: tuple[Task, ...] = ()
    """Answers that are right too."""
    source: str
    lang: str = "und"
    license: str = ""
    group: str = ""
    """A kind within the source, for reports."""

    @property
    def family(self) -> str:
        """Sources that share an origin count as one: `a/b` and `a/c` are both of `a`. Of what is no request,
        each kind is one."""
        if self.task is None and self.group:
            return f"noise-{self.group}"
        return self.source.partition("/")[0]

    @property
    def may_ship(self) -> bool:
        """Whether weights that are given away may have seen it."""
        return not any(mark in self.license for mark in _NON_COMMERCIAL)


def read_prompts(paths: Iterable[Path]) -> list[Prompt]:
    """Raises msgspec.ValidationError if a row is no labelled prompt."""
    return [prompt for path in paths for prompt in _rows(path)]


def sample_prompts() -> list[Prompt]:
    return read_prompts(sorted(SAMPLE.glob("*.jsonl")))


def _rows(path: Path) -> Iterator[Prompt]:
    with path.open("rb") as file:
        for line in file:
            if line.strip():
                yield msgspec.json.decode(line, type=Prompt)
