"""Logged traffic, as it is read to be learned from."""

from datetime import UTC, datetime, timedelta

from models.routing import Candidate, Plan
from models.routing.decisions import Decision, PostgresDecisions
from models.routing.feedback import Answered, PostgresFeedback, Said
from models.routing.training.traffic import read_traffic
from models.store import Database
from tests.services.money import spender

NOON = datetime(2026, 11, 25, 12, tzinfo=UTC)


async def test_a_row_is_a_decision_and_what_became_of_it(database: Database) -> None:
    ann = await spender(database)
    assert ann.owners.user_id is not None
    first, second = (
        Candidate(model_id=model, provider="p", tier="mid", reason="r", quality=0.8, propensity=0.9)
        for model in ("m", "n")
    )
    plan = Plan(
        mode="balanced",
        needs=(),
        estimated_input_tokens=10,
        candidates=(first, second),
        dropped=(),
        confidence=0.7,
        task="code",
        task_confidence=0.5,
        difficulty=0.25,
    )
    decided = [
        Decision(
            tenant_id=ann.owners.tenant_id,
            request_id=name,
            user_id=ann.owners.user_id,
            plan=plan,
            created_at=NOON + timedelta(minutes=minute),
        )
        for minute, name in enumerate(("old", "asked", "silent"))
    ]
    await PostgresDecisions(database).write(decided)
    await ann.tell("asked", 5, status="failed")
    await ann.tell("asked", 7, attempt=1, model_id="n")
    said = Said(
        tenant_id=ann.owners.tenant_id,
        user_id=ann.owners.user_id,
        request_id="asked",
        signal="thumbs",
        reward=1.0,
        answered=Answered(model_id="n", task="code"),
    )
    await PostgresFeedback(database).add(said)

    silent, asked = await read_traffic(database, since=NOON + timedelta(minutes=1))
    assert (asked.model_id, asked.answered_by, asked.status) == ("m", "n", "completed")
    assert (asked.cost_pico, asked.reward, asked.task, asked.difficulty) == (12, 1.0, "code", 0.25)
    assert asked.candidates == (first, second)
    assert (silent.answered_by, silent.cost_pico, silent.reward) == (None, None, None)
    [latest] = await read_traffic(database, since=NOON, most=1)
    assert latest.at == NOON + timedelta(minutes=2)
