"""Orders to promote a classifier, taken, judged and taken back in a real PostgreSQL."""

import asyncio
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import msgspec
import pytest
from msgspec.structs import replace
from psycopg import AsyncConnection

from models.chat import Message, Text
from models.errors import Internal
from models.routing.promotion import Stage
from models.routing.promotions import Order, PromotionJob, Promotions
from models.routing.serving import Loaded, RouterConfig
from models.routing.staged import StagedClassifier
from models.routing.task import Task, TaskPrediction
from models.store import Database
from tests.services.money import Spender, spender

ASKED = (Message("user", (Text("Sort a list."),)),)
OLD, NEW = Path("old"), Path("new")


class Fixed:
    def __init__(self, task: Task, *, broken: bool = False) -> None:
        self._task: Task = task
        self._broken = broken

    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        if self._broken:
            raise ValueError("broken")
        return [TaskPrediction(task=self._task, confidence=0.9) for _ in texts]


def _digest(folder: Path) -> str:
    if not folder.name:
        raise Internal("there is no artefact")
    return folder.name


def _replica(*, broken: bool = False) -> StagedClassifier:
    made = {OLD: Fixed("writing"), NEW: Fixed("code", broken=broken)}
    return StagedClassifier(
        OLD, load=lambda folder: Loaded(folder.name, folder.name, made[folder]), digest_of=_digest
    )


def _order(stage: Stage = "canary", share: float = 1.0) -> Order:
    return Order(
        serving="old",
        candidate="new",
        serving_folder=OLD,
        candidate_folder=NEW,
        candidate_version="v2",
        stage=stage,
        share=share,
        ordered_by="ann",
    )


class Fleet:
    """Replicas that have been given the same order."""

    def __init__(self, promotions: Promotions, promotion: int, replicas: Sequence[StagedClassifier]) -> None:
        self.replicas = replicas
        self.promotion = promotion
        self._jobs = [PromotionJob(promotions, r, replica=f"r{n}") for n, r in enumerate(replicas)]

    async def run_once(self) -> None:
        await asyncio.gather(*(job.run_once() for job in self._jobs))

    async def answers(self) -> list[Task]:
        told = [(await replica.classify(ASKED, "k")).task for replica in self.replicas]
        for replica in self.replicas:
            await replica.settle()
        return told


@pytest.fixture
def promotions(database: Database) -> Promotions:
    return Promotions(database)


async def _fleet(
    promotions: Promotions, stage: Stage = "canary", *, number: int = 4, broken: bool = False
) -> Fleet:
    promotion = await promotions.order(_order(stage))
    replicas = [_replica(broken=broken) for _ in range(number)]
    config = RouterConfig(artefact=OLD, candidate=NEW, stage=stage, share=1.0, promotion=promotion)
    for replica in replicas:
        await replica.use(config)
    return Fleet(promotions, promotion, replicas)


async def _decided(database: Database, ann: Spender, artefact: str, rewards: Sequence[float]) -> None:
    """Requests of a user each, decided with the artefact, answered, and rated."""
    rows = [
        {
            "request_id": f"{artefact}-{number}",
            "plan": {"artefact": artefact},
            "reward": reward,
            "created_at": datetime.now(UTC),
        }
        for number, reward in enumerate(rewards)
    ]

    async def write(connection: AsyncConnection) -> None:
        values = {
            "rows": msgspec.json.encode(rows).decode(),
            "tenant_id": ann.owners.tenant_id,
            "user_id": ann.owners.user_id,
        }
        await connection.execute(_USERS, values)
        await connection.execute(_DECISIONS, values)
        await connection.execute(_FEEDBACK, values)

    await database.run(write)


_USERS = b"""
INSERT INTO users (id, tenant_id, name)
SELECT md5(r.request_id)::uuid, %(tenant_id)s::uuid, r.request_id
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (request_id text)
"""
_DECISIONS = b"""
INSERT INTO routing_decisions
(tenant_id, request_id, user_id, mode, task_confidence, difficulty, model_id, propensity, explored, plan,
created_at)
SELECT
    %(tenant_id)s::uuid, r.request_id, md5(r.request_id)::uuid, 'balanced', 0.9, 0.5, 'm', 1, false, r.plan,
    clock_timestamp()
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (request_id text, plan jsonb)
"""
_FEEDBACK = b"""
INSERT INTO feedback
(tenant_id, user_id, request_id, signal, kind, model_id, task, reward, created_at)
SELECT
    %(tenant_id)s::uuid, md5(r.request_id)::uuid, r.request_id, 'thumbs', 'explicit', 'm', 'code', r.reward,
    now()
FROM jsonb_to_recordset(%(rows)s::jsonb) AS r (request_id text, reward real)
"""


async def test_an_order_stands_as_soon_as_a_replica_has_asked(promotions: Promotions) -> None:
    fleet = await _fleet(promotions)
    assert set(await fleet.answers()) == {"writing"}
    await fleet.run_once()
    assert set(await fleet.answers()) == {"code"}
    await fleet.run_once()
    trials = await promotions.trials(fleet.promotion)
    assert [(t.replica, t.serving, t.candidate, t.stands) for t in trials] == [
        (f"r{number}", "old", "new", True) for number in range(4)
    ]
    order = await promotions.last()
    assert order is not None
    assert (order.id, order.stands, order.ordered_by, order.candidate_folder) == (
        fleet.promotion,
        True,
        "ann",
        NEW,
    )


async def test_what_replicas_saw_adds_up_and_is_not_counted_twice(promotions: Promotions) -> None:
    fleet = await _fleet(promotions, "shadow")
    await fleet.answers()
    await fleet.answers()
    for _ in range(3):
        await fleet.run_once()
    order = await promotions.find(fleet.promotion)
    assert order is not None
    evidence = await promotions.evidence(order)
    assert (evidence.compared, evidence.disagreed) == (8, 8)
    assert evidence.candidate.classified == evidence.serving.classified == 8


async def test_a_rollback_in_the_table_reaches_every_replica(promotions: Promotions) -> None:
    fleet = await _fleet(promotions, "full")
    await fleet.run_once()
    assert set(await fleet.answers()) == {"code"}
    assert await promotions.roll_back(fleet.promotion, by="ann", why="a bad feeling")
    assert not await promotions.roll_back(fleet.promotion, by="bob", why="too late")
    await fleet.run_once()
    assert set(await fleet.answers()) == {"writing"}
    # A replica that comes later finds the order taken back.
    late = _replica()
    await late.use(RouterConfig(artefact=OLD, candidate=NEW, stage="full", promotion=fleet.promotion))
    await PromotionJob(promotions, late, replica="late").run_once()
    assert (await late.classify(ASKED, "k")).task == "writing"


async def test_a_candidate_that_fails_anywhere_is_taken_back_everywhere(promotions: Promotions) -> None:
    fleet = await _fleet(promotions, broken=True)
    await fleet.run_once()
    assert set(await fleet.answers()) == {"writing"}
    await fleet.run_once()
    order = await promotions.last()
    assert order is not None
    assert (order.stands, order.rolled_back_by) == (False, "the guards")
    assert "failed" in (order.rolled_back_why or "")
    await fleet.run_once()
    assert {replica.figures().candidate for replica in fleet.replicas} == {""}


@pytest.mark.parametrize("stage", ["canary", "full"])
async def test_users_who_are_less_content_take_a_candidate_back(
    promotions: Promotions, database: Database, stage: Stage
) -> None:
    ann = await spender(database)
    if stage == "full":  # held against what was before it
        await _decided(database, ann, "old", [0.8, 0.9] * 100)
    fleet = await _fleet(promotions, stage)
    if stage == "canary":
        await _decided(database, ann, "old", [0.8, 0.9] * 100)
    await _decided(database, ann, "new", [0.4, 0.5] * 100)
    await fleet.run_once()
    order = await promotions.last()
    assert order is not None
    assert not order.stands
    assert order.verdict is not None
    [check] = [check for check in order.verdict.checks if check.name == "dissatisfaction"]
    assert check.difference is not None
    assert check.difference.value == pytest.approx(0.4, abs=0.001)
    await fleet.run_once()
    assert set(await fleet.answers()) == {"writing"}


async def test_one_user_s_ratings_count_for_a_few(promotions: Promotions, database: Database) -> None:
    ann = await spender(database)
    fleet = await _fleet(promotions)

    async def by_one(connection: AsyncConnection) -> None:
        await connection.execute(b"UPDATE routing_decisions SET user_id = %s", [ann.owners.user_id])
        await connection.execute(b"UPDATE feedback SET user_id = %s", [ann.owners.user_id])

    await _decided(database, ann, "old", [1.0] * 40)
    await _decided(database, ann, "new", [0.0] * 40)
    await database.run(by_one)
    order = await promotions.find(fleet.promotion)
    assert order is not None
    evidence = await promotions.evidence(order)
    assert (evidence.candidate.requests, evidence.candidate.dissatisfaction.number) == (40, 20)


async def test_calls_that_fail_count_as_errors(promotions: Promotions, database: Database) -> None:
    ann = await spender(database)
    fleet = await _fleet(promotions)
    await _decided(database, ann, "new", [0.5] * 3)
    await ann.tell("new-0", 0, status="failed")
    await ann.tell("new-1", 0, status="failed")
    await ann.tell("new-1", 5, attempt=1)
    order = await promotions.find(fleet.promotion)
    assert order is not None
    assert (await promotions.evidence(order)).candidate.errors == 1


async def test_one_of_many_judges(promotions: Promotions) -> None:
    promotion = await promotions.order(_order())
    claims = await asyncio.gather(*(promotions.claim(promotion, every_s=60) for _ in range(8)))
    assert sum(claims) == 1
    assert await promotions.claim(promotion, every_s=0)


async def test_without_an_order_nothing_is_asked(promotions: Promotions) -> None:
    replica = _replica()
    job = PromotionJob(promotions, replica, replica="r")
    await job.run_once()
    await replica.use(RouterConfig(artefact=OLD, candidate=NEW, stage="full", promotion=77))
    await job.run_once()
    assert (await replica.classify(ASKED, "k")).task == "writing"
    assert await promotions.last() is None


async def test_an_order_is_for_the_artefact_that_it_names(promotions: Promotions) -> None:
    """Files that were put in its place meanwhile look on at most."""
    promotion = await promotions.order(replace(_order("full"), candidate="another"))
    replica = _replica()
    await replica.use(RouterConfig(artefact=OLD, candidate=NEW, stage="full", promotion=promotion))
    await PromotionJob(promotions, replica, replica="r").run_once()
    assert (await replica.classify(ASKED, "k")).task == "writing"
