"""What users say of answers, kept with what was answered; and what all of it teaches, exactly once."""

import asyncio
import logging
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any, Protocol
from uuid import uuid4

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from models.errors import Overloaded
from models.routing.learner import WEIGHTS, Learned, Outcome, absorb
from models.routing.preferences import HALF_LIFE_S, SHRINKAGE, Taste
from models.routing.signals import REWARDS, Signal
from models.routing.task import TASKS, Task
from models.store import Database, load_queries

log = logging.getLogger(__name__)

SCOPE = "everybody"
BATCH = 500


class Answered(Struct, frozen=True, kw_only=True):
    """Who answered a request, and what had been expected of it."""

    model_id: str
    task: Task | None = None
    expected: float | None = None


class Said(Struct, frozen=True, kw_only=True):
    """One signal of a user's on one of their requests."""

    tenant_id: str
    user_id: str
    request_id: str
    signal: Signal
    reward: float
    answered: Answered
    explicit: bool = True
    value: float | None = None
    comment: str | None = None
    compared_model_id: str | None = None


class Implied(Struct, frozen=True, kw_only=True):
    """What a user did after an answer, which its request names, or the message that it has become."""

    tenant_id: str
    user_id: str
    request_id: str = ""
    message_id: str | None = None
    signal: Signal


class FeedbackStore(Protocol):
    """Each method raises Overloaded if the store is away."""

    async def answered(self, tenant_id: str, request_id: str, *, user_id: str) -> Answered | None:
        """None for a request that the user did not make."""
        ...

    async def add(self, said: Said) -> bool:
        """Whether it is new. The same again changes nothing; another value replaces what was said."""
        ...


class PostgresFeedback:
    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("routing")

    async def answered(self, tenant_id: str, request_id: str, *, user_id: str) -> Answered | None:
        values = {"tenant_id": tenant_id, "request_id": request_id, "user_id": user_id}

        async def fetch(connection: AsyncConnection) -> Any:
            return await (await connection.execute(self._queries["answered"], values)).fetchone()

        row = await self._database.run(fetch)
        if row is None:
            return None
        model_id, task, expected = row
        return Answered(model_id=model_id, task=task if task in TASKS else None, expected=expected)

    async def add(self, said: Said) -> bool:
        values = {
            "tenant_id": said.tenant_id,
            "user_id": said.user_id,
            "request_id": said.request_id,
            "signal": said.signal,
            "kind": "explicit" if said.explicit else "implicit",
            "value": said.value,
            "comment": said.comment,
            "compared_model_id": said.compared_model_id,
            "model_id": said.answered.model_id,
            "task": said.answered.task,
            "reward": said.reward,
            "expected": said.answered.expected,
        }

        async def insert(connection: AsyncConnection) -> bool:
            row = await (await connection.execute(self._queries["add_feedback"], values)).fetchone()
            return bool(row and row[0])

        return await self._database.run(insert)

    async def note(self, implied: Sequence[Implied]) -> None:
        """Of requests that the router was asked for; of the others there is nothing to be learned."""
        rows = [{**msgspec.structs.asdict(one), "reward": REWARDS[one.signal]} for one in implied]
        values = {"signals": msgspec.json.encode(rows).decode()}

        async def insert(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["note_implied"], values)

        await self._database.run(insert)


class InMemoryFeedback:
    """`requests` are by tenant, user and request."""

    def __init__(self) -> None:
        self.requests: dict[tuple[str, str, str], Answered] = {}
        self.said: dict[tuple[str, str, str], Said] = {}

    async def answered(self, tenant_id: str, request_id: str, *, user_id: str) -> Answered | None:
        return self.requests.get((tenant_id, user_id, request_id))

    async def add(self, said: Said) -> bool:
        key = (said.user_id, said.request_id, said.signal)
        is_new = key not in self.said
        self.said[key] = said
        return is_new


class Learning:
    """Learns from what was said since, in one transaction: a job, safe to run from several processes at once.

    What was learned is in the database before anybody uses it, so that a restart loses nothing of it and all
    replicas have the same.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("routing")
        self.learned = Learned()

    async def run_once(self) -> None:
        """Until nothing waits; then `learned` is what everybody knows. Raises Overloaded."""
        while await self._database.run(self._learn) == BATCH:
            pass
        await self.refresh()

    async def refresh(self) -> bool:
        """Whether there was something new."""

        async def fetch(connection: AsyncConnection) -> str | None:
            values = {"scope": SCOPE, "version": self.learned.version}
            row = await (await connection.execute(self._queries["learned"], values)).fetchone()
            return None if row is None else str(row[0])

        found = await self._database.run(fetch)
        if found is not None:
            self.learned = msgspec.json.decode(found, type=Learned)
        return found is not None

    async def _learn(self, connection: AsyncConnection) -> int:
        async with connection.transaction():
            locked = await connection.execute(self._queries["lock_learner"], {"scope": SCOPE})
            ((text,),) = await locked.fetchall()
            state = msgspec.json.decode(text, type=Learned)
            rows = await (await connection.execute(self._queries["unlearned"], {"limit": BATCH})).fetchall()
            if not rows:
                return 0
            learned = absorb(state, [o for row in rows for o in _outcomes(row)], batch=uuid4().hex)
            for row in rows:
                await self._add_taste(connection, row)
            values = {"scope": SCOPE, "version": learned.version}
            values["state"] = msgspec.json.encode(learned).decode()
            await connection.execute(self._queries["keep_learned"], values)
            return len(rows)

    async def _add_taste(self, connection: AsyncConnection, row: Sequence[Any]) -> None:
        user_id, model_id, task, kind, reward, expected, *_ = row
        values = {
            "user_id": user_id,
            "model_id": model_id,
            "task": task,
            "weight": WEIGHTS[kind],
            "gain": reward - (0.5 if expected is None else expected),
            "half_life_s": HALF_LIFE_S,
            "shrinkage": SHRINKAGE,
        }
        await connection.execute(self._queries["add_taste"], values)


class Tastes:
    """What each user prefers, from memory: who is not known yet is looked up aside, and no decision waits."""

    KEPT_S = 30.0
    MAX_USERS = 5_000

    def __init__(self, database: Database, *, clock: Callable[[], float]) -> None:
        self._database = database
        self._clock = clock
        self._queries = load_queries("routing")
        self._known: OrderedDict[str, tuple[float, Sequence[Taste]]] = OrderedDict()
        self._asking: dict[str, asyncio.Task[None]] = {}

    def of(self, user_id: str) -> Sequence[Taste]:
        asked, tastes = self._known.get(user_id, (float("-inf"), ()))
        if self._clock() - asked > self.KEPT_S and user_id not in self._asking:
            task = asyncio.get_running_loop().create_task(self._look_up(user_id))
            self._asking[user_id] = task
            task.add_done_callback(lambda _: self._asking.pop(user_id, None))
        return tastes

    async def settle(self) -> None:
        """Wait for what is being looked up."""
        while self._asking:
            await asyncio.wait(list(self._asking.values()))

    async def _look_up(self, user_id: str) -> None:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            rows = await connection.execute(self._queries["tastes"], {"user_id": user_id})
            return await rows.fetchall()

        try:
            rows = await self._database.run(fetch)
        except Overloaded as error:
            log.info("a user's preferences are not known: %s", error)
            return
        tastes = [
            Taste(model_id=model, task=task, weight=weight, gain=gain, updated_at=at)
            for model, task, weight, gain, at in rows
        ]
        self._known[user_id] = (self._clock(), tastes)
        self._known.move_to_end(user_id)
        if len(self._known) > self.MAX_USERS:
            self._known.popitem(last=False)


def _outcomes(row: Sequence[Any]) -> list[Outcome]:
    user_id, model_id, task, kind, reward, _, signal, compared = row
    found = [Outcome(model_id=model_id, task=task, reward=reward, kind=kind, user_id=user_id)]
    if signal == "comparison" and compared:
        found.append(
            Outcome(model_id=compared, task=task, reward=1.0 - reward, kind="implicit", user_id=user_id)
        )
    return found
