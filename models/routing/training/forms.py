"""Prompts of one's own making: ways to ask, crossed with contents."""

import random
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path

from models.routing.task import TASKS
from models.routing.training.prompts import Prompt

SOURCE = "polyvox-forms"

_FILE = Path(__file__).with_suffix(".toml")
_SLOT = re.compile(r"\{(topic|pair|text|code|person|thing|n|m)\}")
_FILLINGS = 5
"""Of each form; of one without slots there is one."""
_FILLINGS_OF_RARE_LANGUAGES = 3


def made_prompts(seed: int = 0) -> list[Prompt]:
    """The same for the same seed."""
    return list(_made(random.Random(seed)))  # noqa: S311 - nothing secret


def _made(rng: random.Random) -> Iterator[Prompt]:
    table = _table()
    for language, by_task in table.items():
        if language == "fill":
            continue
        times = _FILLINGS if language in {"en", "zh"} else _FILLINGS_OF_RARE_LANGUAGES
        for task in TASKS:
            for form in by_task.get(task, ()):
                for _ in range(times if _SLOT.search(form) else 1):
                    text = _filled(form, table["fill"], language, rng)
                    yield Prompt(text=text, task=task, source=SOURCE, lang=language)


def _filled(form: str, fills: Mapping[str, Sequence[str]], language: str, rng: random.Random) -> str:
    def fill(slot: re.Match[str]) -> str:
        name = slot.group(1)
        return rng.choice(fills.get(f"{name}_{language}", fills[name]))

    return _SLOT.sub(fill, form)


@cache
def _table() -> dict[str, dict[str, list[str]]]:
    return tomllib.loads(_FILE.read_text(encoding="utf-8"))
