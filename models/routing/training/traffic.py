"""Requests that were routed, as rows to learn from: read from PostgreSQL, or made up where there are none."""

import random
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import msgspec
from msgspec import Struct
from psycopg import AsyncConnection

from models.catalog import load_catalog
from models.chat import ChatRequest, Message, Text
from models.routing.evaluation import Logged
from models.routing.plan import Candidate
from models.routing.router import LearnedRouter, Setting
from models.routing.task import TASKS, Task, TaskPrediction
from models.store import Database, load_queries

_RATED = 0.3
_FAILED = 0.01
_SPREAD = 0.08
"""By so much models differ from what is believed of them, made up."""
_HARDER = 2.5
"""So much more often than believed do answers fail, made up: models that are all good show nothing."""
_BEGAN = datetime(2026, 11, 1, tzinfo=UTC)


class Routed(Struct, frozen=True, kw_only=True):
    """One request. What became of it is None where nobody knows."""

    at: datetime
    task: str | None
    task_confidence: float
    difficulty: float
    mode: str
    model_id: str
    """Who was to answer."""
    propensity: float
    explored: bool
    artefact: str | None
    candidates: tuple[Candidate, ...]
    answered_by: str | None = None
    status: str | None = None
    cost_pico: int | None = None
    first_token_ms: int | None = None
    response_ms: int | None = None
    reward: float | None = None


class World(Struct, frozen=True):
    """Made up: how good models really are, beside what is believed of them."""

    offsets: Mapping[tuple[str, str], float]

    def quality(self, candidate: Candidate, task: str) -> float:
        bad = _HARDER * (1 - candidate.quality)
        return min(0.98, max(0.02, 1 - bad + self.offsets[candidate.model_id, task]))


async def read_traffic(database: Database, *, since: datetime, most: int = 50_000) -> list[Routed]:
    """The latest first. Raises Overloaded if the database is away."""
    query = load_queries("traffic")["traffic"]

    async def fetch(connection: AsyncConnection) -> list[Any]:
        return await (await connection.execute(query, {"since": since, "most": most})).fetchall()

    return [_routed(row) for row in await database.run(fetch)]


def made_up_world(seed: int = 0) -> World:
    rng = random.Random(seed)  # noqa: S311 - repeatable
    models = sorted(load_catalog().models)
    return World({(model, task): rng.gauss(0.0, _SPREAD) for model in models for task in TASKS})


def made_up_traffic(
    texts: Sequence[str], told: Sequence[TaskPrediction], *, number: int = 2_000, seed: int = 0
) -> list[Routed]:
    """Decisions of the real router on the texts, with outcomes that are drawn: nothing to conclude from."""
    rng, world = random.Random(seed), made_up_world(seed)  # noqa: S311 - repeatable
    router = router_of_all(seed)
    rows = []
    for count in range(number):
        at = rng.randrange(len(texts))
        plan = router.decide(asked(texts[at]), "balanced", Setting(), told[at])
        first = plan.candidates[0]
        is_good = rng.random() < world.quality(first, told[at].task)
        has_failed = rng.random() < _FAILED
        rows.append(
            Routed(
                at=_BEGAN + timedelta(minutes=10 * count * rng.uniform(0.9, 1.1)),
                task=plan.task,
                task_confidence=plan.task_confidence,
                difficulty=plan.difficulty,
                mode=plan.mode,
                model_id=first.model_id,
                propensity=first.propensity,
                explored=plan.explored,
                artefact=None,
                candidates=plan.candidates,
                answered_by=first.model_id,
                status="failed" if has_failed else "completed",
                cost_pico=round(first.cost_pico * rng.lognormvariate(-0.1, 0.45)),
                first_token_ms=round(first.first_token_ms * rng.lognormvariate(0, 0.3)),
                response_ms=round(first.latency_ms * rng.lognormvariate(0, 0.4)),
                reward=float(is_good) if rng.random() < _RATED and not has_failed else None,
            )
        )
    return rows


def router_of_all(seed: int = 0) -> LearnedRouter:
    """Over the bundled catalogue, as if there were keys for all of it."""
    catalog = load_catalog()
    rng = random.Random(seed)  # noqa: S311 - repeatable
    return LearnedRouter(catalog, frozenset(catalog.models), rng=rng)


def asked(text: str) -> ChatRequest:
    return ChatRequest(model="auto", messages=(Message("user", (Text(text),)),))


def for_evaluation(rows: Sequence[Routed], choose: Mapping[str, str] | None = None) -> list[Logged]:
    """Those with a reward, as what a policy is judged by: always the model that `choose` names for the task,
    where it was offered; without `choose`, the one that was thought best."""
    logged = []
    for row in rows:
        if row.reward is None or row.answered_by != row.model_id or row.propensity <= 0:
            continue
        offered = {one.model_id: one.quality for one in row.candidates}
        best = max(row.candidates, key=lambda one: one.utility).model_id
        wanted = (choose or {}).get(row.task or "", best)
        target = {wanted if wanted in offered else best: 1.0}
        logged.append(
            Logged(
                chosen=row.model_id,
                propensity=row.propensity,
                reward=row.reward,
                target=target,
                predicted=offered,
            )
        )
    return logged


def best_by_task(rows: Sequence[Routed], *, least: int = 5, prior: float = 8.0) -> dict[str, str]:
    """The model with the best rewards of each task, shrunk to what was believed of it."""
    seen: dict[tuple[Task | str, str], list[float]] = {}
    for row in rows:
        for one in row.candidates:
            if row.task is not None and row.model_id == one.model_id and row.reward is not None:
                seen.setdefault((row.task, one.model_id), []).append(row.reward)
    believed = {one.model_id: one.quality for row in rows for one in row.candidates}
    best: dict[str, tuple[float, str]] = {}
    for (task, model), rewards in seen.items():
        if len(rewards) >= least:
            mean = (sum(rewards) + prior * believed[model]) / (len(rewards) + prior)
            best[task] = max(best.get(task, (0.0, "")), (mean, model))
    return {task: model for task, (_, model) in best.items()}


def _routed(row: Sequence[Any]) -> Routed:
    at, task, confidence, difficulty, mode, model, propensity, explored, artefact, candidates, *became = row
    answered_by, status, cost_pico, first_token_ms, response_ms, reward = became
    return Routed(
        at=at,
        task=task,
        task_confidence=confidence,
        difficulty=difficulty,
        mode=mode,
        model_id=model,
        propensity=propensity,
        explored=explored,
        artefact=artefact,
        candidates=msgspec.json.decode(candidates, type=tuple[Candidate, ...]),
        answered_by=answered_by,
        status=status,
        cost_pico=cost_pico,
        first_token_ms=first_token_ms,
        response_ms=response_ms,
        reward=reward,
    )
