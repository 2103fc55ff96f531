"""Every price the catalogue gives, from a provider's answer to what is charged, against the oracle.

`python -m tests.money.prices --evaluations 1000000 --seed 1`: exit status 1 if one disagrees.
"""

import argparse
import random
import sys
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date, timedelta
from fractions import Fraction

from models.catalog import Catalog, load_catalog
from models.chat import Usage
from models.errors import UnknownPrice
from models.ledger.discounts import discounted
from models.ledger.pricing import bill, ceiling, cost, settled
from models.providers import anthropic_messages, google_generate, openai_chat
from models.providers.wire import Wire
from tests.money.answers import body, tellable
from tests.money.oracle import BUNDLED, MADE_UP, TOKENS, Call, Oracle, after_discount

WIRES: dict[str, Wire] = {
    "openai": openai_chat,
    "anthropic": anthropic_messages,
    "google": google_generate,
}
TIERS = (
    *["standard"] * 9,
    "batch",
    "batch",
    "flex",
    "flex",
    "priority",
    "priority",
    "ultrafast",
    "fast",
    "scale",
)
EDGES = (
    0,
    0,
    0,
    1,
    4,
    5,
    6,
    7,
    99_999,
    100_000,
    128_000,
    199_999,
    200_000,
    200_001,
    271_999,
    272_000,
    272_001,
)


class Check:
    """Compares one evaluation at a time, and counts what came of them."""

    def __init__(self) -> None:
        self.catalog: Catalog = load_catalog(MADE_UP)
        self.oracle = Oracle(BUNDLED, MADE_UP)
        self.outcomes: Counter[str] = Counter()
        assert set(self.oracle.protocols) == set(self.catalog.models)

    def disagreement(self, model: str, day: date, call: Call, basis_points: int) -> str | None:
        """What is wrong with the price of `call`, or None."""
        protocol = self.oracle.protocols[model]
        call = tellable(call, protocol)
        expected = self.oracle.dollars(model, day, call)
        answer = WIRES[protocol].decode(body(call, protocol), tool_names={}, keep_rest=False)
        try:
            charged = self._charged(model, day, answer.usage, answer.service_tier, call.batch, basis_points)
        except UnknownPrice:
            self.outcomes["unknown price"] += 1
            return None if expected is None else f"unknown price, not {expected} USD"
        self.outcomes["priced"] += 1
        if expected is None:
            return f"{charged} USD, not an unknown price"
        due = after_discount(expected, basis_points)
        return None if charged == due else f"{charged} USD, not {due}"

    def _charged(
        self, model: str, day: date, usage: Usage, tier: str, batch: bool, basis_points: int
    ) -> Fraction:
        price = self.catalog.price_at(self.catalog.models[model], day)
        reckoned = cost(usage, price, service_tier=tier, batch=batch)
        lines = bill(usage, price, service_tier=tier, batch=batch)
        assert reckoned.total == sum(line.cost_pico for line in lines)
        assert not reckoned.estimated
        assert settled(usage, price, service_tier=tier, batch=batch) == reckoned
        self._check_ceiling(reckoned.total, usage, price_of=(model, day), tier=tier, batch=batch)
        final, discount = discounted(reckoned.total, basis_points)
        assert final + discount == reckoned.total
        return Fraction(final, 10**12)

    def _check_ceiling(
        self, total: int, usage: Usage, *, price_of: tuple[str, date], tier: str, batch: bool
    ) -> None:
        model, day = price_of
        try:
            most = ceiling(
                self.catalog.price_at(self.catalog.models[model], day),
                input_tokens=usage.total_input,
                max_tokens=usage.total_output,
                service_tier=tier,
                batch=batch,
                tool_uses=usage.tool_uses,
            )
        except UnknownPrice:
            return  # a smaller call of this tier would have none
        assert total <= most


def evaluations(check: Check, seed: int) -> Iterator[tuple[str, date, Call, int]]:
    """Models, days about the changes of their prices, and calls, drawn at random for ever."""
    draw = random.Random(seed)  # noqa: S311 - nothing secret is drawn
    models = list(check.oracle.protocols)
    while True:
        model = draw.choice(models)
        day = draw.choice(check.oracle.days(model)) + timedelta(
            days=draw.choice((-1, 0, 0, 0, 1, 1, 30, 30, 300))
        )
        yield model, day, drawn_call(draw), draw.choice((0, 0, 1, 250, 3_333, 10_000))


def drawn_call(draw: random.Random) -> Call:
    few = draw.random() < 0.5
    tokens = {
        name: draw.choice(EDGES) if draw.random() < 0.3 else draw.randrange(2_000_000)
        for name in (draw.sample(TOKENS, 4) if few else TOKENS)
    }
    tools = {name: draw.randrange(1, 9) for name in ("searches", "fetches", "maps") if draw.random() < 0.1}
    return Call(**tokens, **tools, tier=draw.choice(TIERS), batch=draw.random() < 0.1)


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m tests.money.prices")
    parser.add_argument("--evaluations", type=int, default=1_000_000)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    check, wrong, began = Check(), 0, time.perf_counter()
    drawn = evaluations(check, arguments.seed)
    for _ in range(arguments.evaluations):
        model, day, call, basis_points = next(drawn)
        problem = check.disagreement(model, day, call, basis_points)
        if problem is not None:
            wrong += 1
            print(f"{model} on {day}, {basis_points} basis points off, {call}: {problem}")
    seconds = time.perf_counter() - began
    print(f"{arguments.evaluations} evaluations (seed {arguments.seed}): {dict(check.outcomes)}")
    print(f"{wrong} mismatches in {seconds:.1f} s")
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
