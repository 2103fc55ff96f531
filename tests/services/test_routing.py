"""What was decided and how it was taken, kept and learned from in a real PostgreSQL."""

import asyncio
from datetime import UTC, datetime

import pytest
from psycopg import AsyncConnection

from models.chat import Message, Text
from models.conversations import NewMessage, Owner, PostgresConversations, Producer, new_conversation
from models.routing import Candidate, Plan
from models.routing.aside import Aside
from models.routing.constraints import Constraints
from models.routing.decisions import Decision, PostgresDecisions
from models.routing.expectation import Performance
from models.routing.feedback import Answered, Implied, Learning, PostgresFeedback, Said, Tastes
from models.routing.learner import WEIGHTS
from models.routing.performance import LivePerformance, Sample
from models.routing.performance_store import PostgresPerformance
from models.routing.policies import PostgresPolicies, RoutingPolicy
from models.routing.signals import REWARDS
from models.routing.weights import Weights
from models.store import Database
from tests.services.money import Spender, spender

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


def _plan(model: str = "m") -> Plan:
    first = Candidate(
        model_id=model, provider="p", tier="mid", reason="best", quality=0.8, cost_pico=10**9, propensity=0.95
    )
    return Plan(
        mode="balanced",
        needs=("tools",),
        estimated_input_tokens=10,
        candidates=(first,),
        dropped=(),
        confidence=0.7,
        task="code",
        task_confidence=0.9,
        decision_id="dec_1",
    )


@pytest.fixture
async def ann(database: Database) -> Spender:
    return await spender(database)


def _user(ann: Spender) -> str:
    assert ann.owners.user_id is not None
    return ann.owners.user_id


def _decision(ann: Spender, request_id: str = "req") -> Decision:
    owners = ann.owners
    return Decision(
        tenant_id=owners.tenant_id,
        request_id=request_id,
        user_id=owners.user_id,
        key_id=owners.key_id,
        plan=_plan(),
        created_at=NOON,
    )


def _said(ann: Spender, request_id: str = "req", reward: float = 0.0, **changes: object) -> Said:
    fields: dict[str, object] = {
        "tenant_id": ann.owners.tenant_id,
        "user_id": ann.owners.user_id,
        "request_id": request_id,
        "signal": "thumbs",
        "value": 1.0 if reward else -1.0,
        "reward": reward,
        "answered": Answered(model_id="m", task="code", expected=0.8),
    }
    return Said(**(fields | changes))  # type: ignore[arg-type]


async def test_a_decision_is_told_to_whom_it_belongs(ann: Spender, database: Database) -> None:
    decisions = PostgresDecisions(database)
    writer = Aside(decisions.write)
    writer.note(_decision(ann))
    writer.note(_decision(ann))
    await writer.run_once()
    tenant, user = ann.owners.tenant_id, _user(ann)
    assert await decisions.find(tenant, "req", user_id=user) == _plan()
    assert await decisions.find(tenant, "req", user_id=None) == _plan()
    assert await decisions.find(tenant, "other", user_id=user) is None
    assert await decisions.find(user, "req", user_id=None) is None
    await decisions.forget(datetime(2027, 1, 1, tzinfo=UTC))
    assert await decisions.find(tenant, "req", user_id=user) is None


async def test_feedback_knows_who_answered_and_what_was_expected(ann: Spender, database: Database) -> None:
    feedback = PostgresFeedback(database)
    tenant, user = ann.owners.tenant_id, _user(ann)
    await ann.reserve("req", 5)
    await ann.tell("req", 5)
    found = await feedback.answered(tenant, "req", user_id=user)
    assert found == Answered(model_id="m", task=None, expected=None)
    await PostgresDecisions(database).write([_decision(ann)])
    found = await feedback.answered(tenant, "req", user_id=user)
    assert found is not None
    assert (found.model_id, found.task) == ("m", "code")
    assert found.expected == pytest.approx(0.8)
    assert await feedback.answered(tenant, "req", user_id=tenant) is None


async def test_what_was_said_is_learned_once_whoever_learns(ann: Spender, database: Database) -> None:
    feedback = PostgresFeedback(database)
    for number in range(30):
        assert await feedback.add(_said(ann, f"req{number}"))
    assert not await feedback.add(_said(ann, "req0"))
    replicas = [Learning(database) for _ in range(4)]
    await asyncio.gather(*(replica.run_once() for replica in replicas))
    for replica in replicas:
        await replica.refresh()
    evidence = [replica.learned.evidence("m", "code") for replica in replicas]
    assert evidence == [evidence[0]] * 4
    assert evidence[0].weight == pytest.approx(30, rel=0.05)
    assert evidence[0].reward == 0
    # Said again it is known already; another value is news.
    await feedback.add(_said(ann, "req0"))
    await feedback.add(_said(ann, "req1", 1.0))
    await replicas[0].run_once()
    assert replicas[0].learned.evidence("m", "code").reward == pytest.approx(1.0)


async def test_a_restart_loses_nothing_that_was_learned(ann: Spender, database: Database) -> None:
    await PostgresFeedback(database).add(_said(ann, reward=1.0))
    before = Learning(database)
    await before.run_once()
    after = Learning(database)
    assert await after.refresh()
    assert after.learned == before.learned
    assert not await after.refresh()


async def test_a_comparison_teaches_of_both(ann: Spender, database: Database) -> None:
    compared = _said(ann, signal="comparison", compared_model_id="other")
    await PostgresFeedback(database).add(compared)
    learning = Learning(database)
    await learning.run_once()
    other = learning.learned.evidence("other", "code")
    assert other.reward == other.weight > 0


async def test_users_have_tastes_of_their_own(ann: Spender, database: Database) -> None:
    feedback, tastes = PostgresFeedback(database), Tastes(database, clock=lambda: 0.0)
    for number in range(3):
        await feedback.add(_said(ann, f"req{number}"))
    await Learning(database).run_once()
    user = _user(ann)
    assert tastes.of(user) == ()
    await tastes.settle()
    (taste,) = tastes.of(user)
    assert (taste.model_id, taste.task) == ("m", "code")
    assert taste.weight == pytest.approx(3, abs=0.01)
    assert taste.gain == pytest.approx(-2.4, abs=0.01)

    async def score(connection: AsyncConnection) -> object:
        row = await (
            await connection.execute("SELECT preference_score FROM user_model_preferences")
        ).fetchone()
        return None if row is None else row[0]

    assert float(str(await database.run(score))) == pytest.approx(-2.4 / 11, abs=0.01)


async def test_feedback_without_a_task_is_kept_and_teaches_nothing(ann: Spender, database: Database) -> None:
    await PostgresFeedback(database).add(_said(ann, answered=Answered(model_id="m")))
    learning = Learning(database)
    await learning.run_once()
    assert learning.learned.version == 0


async def test_performance_outlives_a_restart(database: Database) -> None:
    live, store = LivePerformance(), PostgresPerformance(database)
    for _ in range(20):
        live.record(
            Sample(model_id="m", ending="ok", first_token_ms=400, response_ms=1_400, output_tokens=100)
        )
    await store.keep(live.measured().values())
    await store.keep(live.measured().values())
    found = await store.last()
    assert found["m"].first_token_ms == pytest.approx(400, rel=0.2)
    assert found["m"].tokens_per_s == pytest.approx(100)
    assert isinstance(found["m"], Performance)


async def test_a_key_narrows_what_its_tenant_asks_for(ann: Spender, database: Database) -> None:
    policies, tenant = PostgresPolicies(database), ann.owners.tenant_id
    assert await policies.of(tenant, "k") == RoutingPolicy()
    whole = RoutingPolicy(constraints=Constraints(no_training=True), weights=Weights(cost=2.0))
    await policies.keep(tenant, whole)
    await policies.keep(tenant, RoutingPolicy(exploration=0.0), key_id="k")
    await policies.keep(tenant, whole, key_id="other")
    found = await policies.of(tenant, "k")
    assert (found.constraints.no_training, found.exploration) == (True, 0.0)
    assert found.weights == Weights(cost=2.0)
    assert await policies.of(tenant, "third") == whole


async def test_what_users_do_after_an_answer_is_learned_where_the_router_chose_it(
    ann: Spender, database: Database
) -> None:
    feedback, user = PostgresFeedback(database), _user(ann)
    await PostgresDecisions(database).write([_decision(ann, "chosen")])
    for request_id in ("chosen", "named"):
        await ann.reserve(request_id, 5)
        await ann.tell(request_id, 5)
    conversations, owner = PostgresConversations(database), Owner(ann.owners.tenant_id, user)
    held = await conversations.create(owner, new_conversation())
    answer = NewMessage(Message("assistant", (Text("Hi."),)), Producer(model="m", request_id="chosen"))
    written = await conversations.append(owner, held.id, [answer])
    noted = [
        Implied(tenant_id=ann.owners.tenant_id, user_id=user, request_id=request_id, signal="asked_again")
        for request_id in ("chosen", "named", "chosen", "unknown")
    ]
    [message_id] = written.message_ids
    left = Implied(tenant_id=ann.owners.tenant_id, user_id=user, message_id=message_id, signal="regenerated")
    await feedback.note([*noted, left])
    await feedback.note(noted)
    learning = Learning(database)
    await learning.run_once()
    evidence = learning.learned.evidence("m", "code")
    assert evidence.weight == pytest.approx(2 * WEIGHTS["implicit"], rel=0.01)
    taken = REWARDS["asked_again"] + REWARDS["regenerated"]
    assert evidence.reward == pytest.approx(WEIGHTS["implicit"] * taken, rel=0.01)
