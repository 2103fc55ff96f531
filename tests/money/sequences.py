"""Random histories against the model ledger: `python -m tests.money.sequences --sequences 100000 --seed 1`.

Exit status 1 at the first that the ledger and the model do not agree on; it is printed.
"""

import argparse
import asyncio
import random
import sys
import time

from tests.money.histories import Author, Disagreement, ModelUnderTest, RandomDraw, play
from tests.money.memory_ledger import MemoryUnderTest

TENANT = "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a01"


async def run(sequences: int, seed: int) -> int:
    """Returns how many operations were compared."""
    operations = 0
    for number in range(sequences):
        author = Author(RandomDraw(random.Random(f"{seed} {number}")), TENANT)  # noqa: S311 - repeatable
        history = author.history()
        try:
            operations += await play(history, ModelUnderTest(history.limits), MemoryUnderTest(history.limits))
        except Disagreement as error:
            raise Disagreement(f"sequence {number} of seed {seed}: {error}") from None
    return operations


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.money.sequences")
    parser.add_argument("--sequences", type=int, default=100_000)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    arguments = parser.parse_args()
    began = time.monotonic()
    try:
        operations = asyncio.run(run(arguments.sequences, arguments.seed))
    except Disagreement as error:
        print(f"MISS  {error}")
        return 1
    took = time.monotonic() - began
    print(
        f"pass  random sequences on which ledger and model agree: {arguments.sequences:,} of as many,"
        f" {operations:,} operations compared in {took:.0f} s, seed {arguments.seed}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
