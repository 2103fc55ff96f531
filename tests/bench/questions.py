"""What people ask where they leave the model open: the project's own sample, most of it not heard before."""

import json
import random
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from tests.bench.exchange import UNPACED
from tests.bench.programs import ROOT

SAMPLE = ROOT / "models" / "routing" / "training" / "sample"
QUESTIONS = 20_000
REPEATED = 0.3
"""Share of questions that were asked before."""
_SEED = 7
_FAMILIAR = 200


@cache
def sample(folder: Path = SAMPLE) -> tuple[str, ...]:
    files = sorted(folder.glob("*.jsonl"))
    rows = [json.loads(line) for file in files for line in file.read_text("utf-8").splitlines()]
    return tuple(row["text"] for row in rows if row.get("text") and row.get("task"))


def auto_bodies(count: int) -> Iterator[bytes]:
    """Requests to `auto`; no two of those that are new have the same text."""
    chance = random.Random(_SEED)  # noqa: S311 - a run is to be repeatable
    texts = sample()
    familiar = texts[:: max(1, len(texts) // _FAMILIAR)]
    for number in range(count):
        is_new = chance.random() >= REPEATED
        text = f"{chance.choice(texts)} ({number})" if is_new else chance.choice(familiar)
        message = {"role": "user", "content": f"{text}\n{UNPACED.directive()}"}
        yield json.dumps({"model": "auto", "messages": [message]}).encode()
