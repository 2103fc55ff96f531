"""`python -m tests.routing [--matrix FILE …] [--keep FOLDER] [--seeds N]`: what policy and learner come to.

Without matrices: how long a decision takes. A matrix is JSON lines of prompts, each with what every model's
answer was worth and cost.
"""

import argparse
import statistics
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

from models.catalog import load_catalog
from models.chat import ChatRequest, Message, Text
from models.routing.router import LearnedRouter, Setting
from models.routing.task import TaskPrediction
from tests.routing.online import adoption, overrun, regret
from tests.routing.outcomes import embed, read
from tests.routing.replay import replay


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.routing")
    parser.add_argument("--matrix", type=Path, action="append", default=[])
    parser.add_argument("--keep", type=Path, help="where vectors are kept, which take minutes to make")
    parser.add_argument("--seeds", type=int, default=10)
    args = parser.parse_args()
    _say(f"{datetime.now(UTC):%Y-%m-%d}")
    _latency()
    for path in args.matrix:
        matrix = read(path)
        kept = args.keep / f"{matrix.name}.npy" if args.keep else None
        _say(f"\n{matrix.name}: {len(matrix.texts)} prompts, {len(matrix.models)} models")
        for line in replay(matrix, embed(matrix.texts, kept=kept, say=_say)):
            _say(
                f"{line.router:34} 95 % at {_percent(line.cost_at_95)}, 100 % at {_percent(line.cost_at_100)}"
                f" of the best single model's cost; APGR {line.apgr:.3f}"
            )
        if len(set(matrix.tasks)) > 1:
            runs = [regret(matrix, seed) for seed in range(args.seeds)]
            figures = [statistics.fmean(column) for column in zip(*runs, strict=True)]
            _say(
                "online, of the best per task: first 500 {:.3f}, steady {:.3f}, after a fall {:.3f}".format(
                    *figures
                )
            )
            adopted = [adoption(matrix, seed) for seed in range(args.seeds)]
            _say(f"a new best model serves half within: {adopted} requests")
            worst = max(overrun(matrix, seed) for seed in range(3))
            _say(f"budget overrun at worst {worst[0]:.2%}, spent {worst[1]:.1%}")
    return 0


def _latency() -> None:
    """Of a decision without its classifier, over the bundled catalogue."""
    catalog = load_catalog()
    router = LearnedRouter(catalog, frozenset(catalog.models))
    request = ChatRequest(model="auto", messages=(Message("user", (Text("Sort a list in Python. " * 40),)),))
    task = TaskPrediction(task="code", confidence=0.9)
    times = []
    for _ in range(5_000):
        began = time.thread_time_ns()
        router.decide(request, "balanced", Setting(), task)
        times.append((time.thread_time_ns() - began) / 1_000)
    times.sort()
    _say(f"decision, CPU time: p50 {times[2_500]:.0f} µs, p99 {times[4_950]:.0f} µs")


def _percent(share: float | None) -> str:
    return "never" if share is None else f"{share:.1%}"


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")


if __name__ == "__main__":
    sys.exit(main())
