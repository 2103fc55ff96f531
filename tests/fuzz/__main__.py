"""`python -m tests.fuzz --cases 20000`: what schemathesis makes of the OpenAPI document, long and in rounds.

Prints how many cases each route had, and each finding with the seed and the request that show it again.
"""

import argparse
import logging
import sys
import time

from tests.fuzz.running import run
from tests.fuzz.surface import surface


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("--cases", type=int, default=20_000)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--per-route", type=int, default=60, help="in one round, at most")
    parser.add_argument("--no-coverage", action="store_true", help="only random cases, none at every bound")
    options = parser.parse_args()
    logging.disable()
    phases = ("fuzzing",) if options.no_coverage else ("coverage", "fuzzing")
    began = time.monotonic()
    with surface() as at:
        report = run(
            at,
            cases=options.cases,
            seed=options.seed,
            per_route=options.per_route,
            phases=phases,
            say=lambda text: print(text, file=sys.stderr, flush=True),
        )
    for line in (*report.lines(), *report.findings):
        print(line)
    failed = sum(count for (_, status), count in report.answers.items() if status >= 500)
    print(
        f"{report.cases} cases, {failed} answered 5xx, {len(report.findings)} findings, "
        f"the slowest {report.slowest_s:.1f} s, {time.monotonic() - began:.0f} s in all"
    )
    return 1 if report.findings else 0


if __name__ == "__main__":
    raise SystemExit(main())
