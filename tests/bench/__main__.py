"""`python -m tests.bench [unary|streams|held|latency|cpu|all] [--no-peers] [--quick]`

Measures Polyvox, the upstream called directly and the peers in one run, one after the other, and prints
goal, figure and verdict. The status is 1 where a goal is missed; with `--quick`, where a figure is missing.
"""

import argparse
import signal
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from functools import partial
from pathlib import Path
from typing import cast

from tests.bench import goals, report
from tests.bench.measure import measure
from tests.bench.peers import PEERS, VERSIONS
from tests.bench.processes import machine_busy_share
from tests.bench.programs import ROOT
from tests.bench.results import Measured
from tests.bench.scale import FULL, QUICK, SECTIONS, Section
from tests.bench.subjects import Subject, direct, polyvox, polyvox_at, sandbox

_DIRECTORY = ROOT / ".polyvox" / "bench"


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m tests.bench", description=__doc__)
    parser.add_argument("section", nargs="?", default="all", choices=(*SECTIONS, "all"))
    parser.add_argument("--peers", action=argparse.BooleanOptionalAction, help="on, unless --quick")
    parser.add_argument("--quick", action="store_true", help="under a minute, small loads, no peers")
    parser.add_argument("--model", default="gpt-5.4-mini")
    parser.add_argument("--url", help="a Polyvox that runs already, for example http://127.0.0.1:8000")
    parser.add_argument("--key-file", type=Path, default=ROOT / ".polyvox" / "admin.key")
    parser.add_argument(
        "--upstream", help="the OpenAI base URL that all of them call; default: a sandbox of this run's own"
    )
    chosen = parser.parse_args()
    if chosen.url and not chosen.upstream:
        parser.error("--url needs --upstream: what Polyvox adds is measured over the upstream that it calls")
    return chosen


def main() -> int:
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))  # so that what was started is ended
    chosen = arguments()
    scale = QUICK if chosen.quick else FULL
    sections = frozenset(SECTIONS if chosen.section == "all" else (cast(Section, chosen.section),))
    peers = PEERS if (not chosen.quick if chosen.peers is None else chosen.peers) else {}
    busy_share = machine_busy_share(2)
    with nullcontext(chosen.upstream) if chosen.upstream else sandbox(_DIRECTORY) as upstream:
        subjects: dict[str, Callable[[], AbstractContextManager[Subject]]] = {
            "direct": lambda: nullcontext(direct(upstream, chosen.model)),
            **{name: partial(peer, upstream, _DIRECTORY / "peers") for name, peer in peers.items()},
            "Polyvox": lambda: _polyvox(chosen, upstream),
        }
        results: dict[str, Measured] = {}
        for name, start in subjects.items():
            print(f"measuring {name} …", file=sys.stderr, flush=True)
            results[name] = measure(start, scale=scale, sections=sections, climb=name in peers)
    rows = goals.rows(results, scale, sections)
    about = report.conditions(busy_share=busy_share, peers=[VERSIONS[name] for name in peers])
    print(report.table(rows, [name for name in results if name != "Polyvox"]))
    for name, measured in results.items():
        if measured.problem:
            print(f"{name}: {measured.problem}")
    if warning := report.warning(busy_share):
        print(warning)
    print("; ".join(f"{name}: {value}" for name, value in about.items()))
    print(f"report: {report.write_json(_DIRECTORY, rows, results, about)}")
    return goals.status(rows, quick=chosen.quick)


def _polyvox(chosen: argparse.Namespace, upstream: str) -> AbstractContextManager[Subject]:
    if chosen.url:
        return nullcontext(polyvox_at(chosen.url, chosen.key_file, chosen.model))
    return polyvox(upstream, chosen.model, _DIRECTORY)


if __name__ == "__main__":
    sys.exit(main())
