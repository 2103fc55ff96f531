"""The running product as the fault runs see it: its processes, its database, the sandbox's meter."""

import asyncio
import random
import signal
import time
from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from fractions import Fraction
from functools import cache
from shutil import rmtree
from typing import Any
from uuid import uuid4

import msgspec
import psutil
import psycopg

from deployments.local.access import database_url
from deployments.local.home import Home
from deployments.local.processes import members
from deployments.sandbox.line import Line
from models.identity import KeyRing, PostgresKeyStore, load_pepper
from models.identity.keyring import IssuedKey
from models.limits import Limit, PostgresLimits
from models.store import Database
from tests.money.oracle import BUNDLED, Call, Oracle
from tests.serve.stack import Stack

PROVIDERS = ("Provider-openai", "Provider-anthropic", "Provider-google")


def replicas(number: int) -> dict[str, Any]:
    """Exactly so many, for a block of `serve_config.yaml`."""
    return {"autoscaling_config": {"min_replicas": number, "max_replicas": number}}


@contextmanager
def running(**replicas_of: int) -> Iterator["System"]:
    """A stack of its own, with so many replicas of each deployment (`_` for `-` in its name)."""
    overrides = {name.replace("_", "-"): replicas(number) for name, number in replicas_of.items()}
    stack = Stack(overrides=overrides, args={})
    try:
        stack.up()
        yield System(stack)
    finally:
        stack.down()
        rmtree(stack.home, ignore_errors=True)


class System:
    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.url = stack.url
        self.home = Home.open(stack.home)
        self.database_url = database_url(self.home)

    def connect(self) -> psycopg.Connection:
        return psycopg.connect(self.database_url, autocommit=True, connect_timeout=5)

    async def keys(self, number: int, *, budget_pico: int | None) -> list[IssuedKey]:
        database = Database(self.database_url, max_size=1, acquire_timeout_s=20.0)
        try:
            ring = KeyRing(PostgresKeyStore(database), load_pepper(self.home.pepper))
            return [await ring.create_key("chaos", budget_pico=budget_pico) for _ in range(number)]
        finally:
            await database.close()

    @property
    def redis_url(self) -> str:
        [replica, *_] = self.stack.replicas("Router")
        return replica.environ()["POLYVOX_REDIS_URL"]

    async def limit_requests(self, user_id: str, *, per_minute: int) -> None:
        """So that the limits' counters are asked; in force within seconds."""
        database = Database(self.database_url, max_size=1, acquire_timeout_s=20.0)
        try:
            await PostgresLimits(database).put(
                Limit(
                    id=str(uuid4()),
                    tenant_id=None,
                    scope="user",
                    owner=user_id,
                    measure="requests",
                    amount=per_minute,
                    burst=per_minute,
                )
            )
        finally:
            await database.close()

    def haproxies(self) -> list[psutil.Process]:
        return [p for p, _ in members(self.home, {"ray"}) if p.name() == "haproxy"]

    def controllers(self) -> list[psutil.Process]:
        ray = members(self.home, {"ray"})
        return [p for p, _ in ray if "ServeController" in " ".join(p.cmdline())]

    def victims(self, role: str) -> list[psutil.Process]:
        return self.stack.database() if role == "postgres" else self.stack.replicas(role)

    def meter(self, *, since: float = 0.0) -> dict[str, list[Line]]:
        """What the providers would bill from that time on, by `op_key`; under "" what names none."""
        found: dict[str, list[Line]] = defaultdict(list)
        for line in _LINES.decode_lines((self.stack.home / "sandbox-meter.jsonl").read_bytes()):
            if line.ts >= since:
                found[line.client_request_id].append(line)
        return found

    def known_calls(self) -> set[str]:
        """The `op_key` of every call that the ledger has a row of."""
        with self.connect() as connection:
            rows = connection.execute("SELECT request_id || '/' || attempt FROM model_usage").fetchall()
        return {op_key for (op_key,) in rows}

    def usage(self, keys: Collection[str]) -> dict[str, "Used"]:
        """Of these keys, by `op_key`."""
        with self.connect() as connection:
            rows = connection.execute(_USAGE, {"keys": list(keys)}).fetchall()
        return {(used := Used(*row)).op_key: used for row in rows}

    def open_holds(self) -> int:
        with self.connect() as connection:
            [[number]] = connection.execute("SELECT count(*) FROM holds").fetchall()
        return int(number)

    async def no_open_holds(self, *, within_s: float) -> int:
        """How many are open still when that time is over."""
        deadline = time.monotonic() + within_s
        while (left := await asyncio.to_thread(self.open_holds)) and time.monotonic() < deadline:
            await asyncio.sleep(0.5)
        return left


@dataclass(frozen=True)
class Used:
    """A row of `model_usage`."""

    op_key: str
    key_id: str
    status: str
    stream: bool
    tokens: list[int]
    """Input, cache read, cache written for five minutes, for an hour, output, reasoning."""
    cost_pico: int
    estimated: bool
    moves: list[str] | None
    """The kinds of its transfers, in their order."""


@dataclass(frozen=True)
class Killed:
    role: str
    at: float
    """Of the monotonic clock."""


async def kill_in_turn(
    system: System, roles: Sequence[str], *, every_s: float, kills: int, chance: random.Random
) -> list[Killed]:
    """`kill -9` to one process of each role after another."""
    done: list[Killed] = []
    while len(done) < kills:
        await asyncio.sleep(every_s)
        role = roles[len(done) % len(roles)]
        found = await asyncio.to_thread(system.victims, role)
        if found:  # else it is on its way back
            chance.choice(found).send_signal(signal.SIGKILL)
            done.append(Killed(role, time.monotonic()))
    return done


def true_pico(line: Line) -> int:
    """What the provider would bill for it, by a reckoning of our own."""
    *inputs, output = line.tokens()
    text, cached, stored_5m, stored_1h = inputs
    call = Call(
        text=text,
        cached_text=cached,
        stored_5m=stored_5m,
        stored_1h=stored_1h,
        words=output - line.reasoning_tokens,
        thoughts=line.reasoning_tokens,
    )
    dollars = _oracle().dollars(line.model, datetime.fromtimestamp(line.ts, UTC).date(), call)
    assert dollars is not None, f"no price for {line.model}"
    exact: Fraction = dollars * 10**12
    assert exact.denominator == 1
    return int(exact)


def billed(meter: Mapping[str, list[Line]], op_keys: Collection[str]) -> int:
    return sum(true_pico(line) for op_key in op_keys for line in meter.get(op_key, ()))


@cache
def _oracle() -> Oracle:
    return Oracle(BUNDLED)


_LINES = msgspec.json.Decoder(Line)
_USAGE = """
    SELECT
        u.request_id || '/' || u.attempt, u.key_id, u.status, u.stream,
        ARRAY[
            u.input_tokens, u.cache_read_tokens, u.cache_write_5m_tokens, u.cache_write_1h_tokens,
            u.output_tokens, u.reasoning_tokens
        ],
        u.cost_pico::bigint, u.estimated,
        (
            SELECT array_agg(t.kind ORDER BY t.id) FROM transfers AS t
            WHERE t.tenant_id = u.tenant_id AND t.op_key IN (
                u.request_id || '/' || u.attempt,
                u.request_id || '/' || u.attempt || ':end',
                u.request_id || '/' || u.attempt || ':adjust'
            )
        )
    FROM model_usage AS u
    WHERE u.key_id = ANY (%(keys)s)
"""
