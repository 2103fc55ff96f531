"""A replica in a process of its own: reads from its input what to do and says how it went."""

import asyncio
import os
import sys

import msgspec

from deployments.limits import DEADLINE_S, RedisCounters
from models.limits import (
    Admission,
    Admitted,
    Claim,
    InMemoryLimits,
    Limit,
    LimitBook,
    RateLimited,
    SteadyCounters,
    Who,
)

WHO = Who("acme", None, "ann", "ann-1")


class Task(msgspec.Struct):
    url: str
    limits: list[Limit]
    requests: int


class Outcome(msgspec.Struct):
    admitted: int
    refused: int


class Replica:
    def __init__(self, url: str, limits: list[Limit], *, name: str, deadline_s: float = DEADLINE_S) -> None:
        self.counters = RedisCounters(url, replica=name, deadline_s=deadline_s)
        self.steady = SteadyCounters(
            self.counters, replicas=lambda: self.counters.replicas, reach=self.counters.reach
        )
        self.book = LimitBook(InMemoryLimits())
        self.book.use(limits)
        self.admission = Admission(self.book, self.steady)

    async def admit(self, *, output_tokens: int = 0) -> Admitted | None:
        claim = Claim(who=WHO)
        if output_tokens:
            claim = Claim(who=WHO, model="m", provider="p", output_tokens=output_tokens)
        try:
            return await self.admission.admit(claim)
        except RateLimited:
            return None

    async def close(self) -> None:
        await self.admission.run_once()
        await self.steady.close()
        await self.counters.close()


async def main() -> None:
    task = msgspec.json.decode(sys.stdin.buffer.readline(), type=Task)
    replica = Replica(task.url, task.limits, name=str(os.getpid()), deadline_s=30)
    await replica.counters.reach()
    print("ready", flush=True)
    sys.stdin.readline()
    admitted = 0
    for start in range(0, task.requests, 25):
        several = range(start, min(start + 25, task.requests))
        found = await asyncio.gather(*(replica.admit() for _ in several))
        admitted += sum(1 for one in found if one is not None)
    await replica.close()
    print(msgspec.json.encode(Outcome(admitted, task.requests - admitted)).decode(), flush=True)


if __name__ == "__main__":
    asyncio.run(main())
