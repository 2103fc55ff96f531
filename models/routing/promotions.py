"""Orders to promote a classifier, in PostgreSQL: given, taken by the replicas, judged, and taken back."""

import logging
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
from msgspec import Struct
from msgspec.structs import replace
from psycopg import AsyncConnection

from models.routing.promotion import Evidence, Figures, Stage, Sums, Verdict, decide
from models.routing.staged import StagedClassifier, StagedFigures
from models.store import Database, load_queries

log = logging.getLogger(__name__)

JUDGED_EVERY_S = 10.0
BEFORE_S = 7 * 86_400.0
"""How far back a candidate that answers all is held against what was before it."""
MOST_DECISIONS = 20_000
MOST_OF_USER = 20
"""Ratings of one user that count, on each side."""
GUARD = "the guards"


class Order(Struct, frozen=True, kw_only=True):
    """What is asked for. `serving` and `candidate` are digests of manifests; no folder: the bundled one."""

    serving: str
    candidate: str
    serving_folder: Path | None
    candidate_folder: Path
    candidate_version: str
    stage: Stage
    share: float
    ordered_by: str


class Promotion(Order, frozen=True, kw_only=True):
    id: int
    since: datetime
    verdict: Verdict | None = None
    rolled_back_at: datetime | None = None
    rolled_back_by: str | None = None
    rolled_back_why: str | None = None

    @property
    def stands(self) -> bool:
        return self.rolled_back_at is None


class Trial(Struct, frozen=True, kw_only=True):
    """How one replica has taken an order."""

    replica: str
    serving: str
    candidate: str
    stands: bool
    refused: str
    evidence: Evidence
    age_s: float
    """Since it was last heard of."""


class Promotions:
    """Each method raises Overloaded if the database is away."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._queries = load_queries("promotion")

    async def order(self, order: Order) -> int:
        values = msgspec.to_builtins(order, enc_hook=str)  # folders
        rows = await self._fetch("order_promotion", values)
        return int(rows[0][0])

    async def last(self) -> Promotion | None:
        return await self._one(None)

    async def find(self, promotion: int) -> Promotion | None:
        return await self._one(promotion)

    async def report(self, replica: str, figures: StagedFigures) -> None:
        """Told again, it replaces what the replica said before."""
        values = {
            "id": figures.promotion,
            "replica": replica,
            "serving": figures.serving,
            "candidate": figures.candidate,
            "stands": figures.stands,
            "refused": figures.refused,
            "evidence": msgspec.json.encode(figures.evidence).decode(),
        }

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["report_trial"], values)

        await self._database.run(write)

    async def trials(self, promotion: int) -> list[Trial]:
        return [_trial(row) for row in await self._fetch("trials", {"id": promotion})]

    async def evidence(self, promotion: Promotion) -> Evidence:
        """What all replicas saw, and what their decisions came to."""
        seen = sum((trial.evidence for trial in await self.trials(promotion.id)), start=Evidence())
        values = {"before_s": BEFORE_S, "most": MOST_DECISIONS, "most_of_user": MOST_OF_USER}
        rows = await self._fetch("outcomes", {"id": promotion.id, **values})
        found = {artefact: _outcomes(rest) for artefact, *rest in rows}
        return replace(
            seen,
            serving=seen.serving + found.get(promotion.serving, Figures()),
            candidate=seen.candidate + found.get(promotion.candidate, Figures()),
        )

    async def claim(self, promotion: int, *, every_s: float = JUDGED_EVERY_S) -> bool:
        """Whether it is the caller's turn to judge: one in `every_s` seconds is."""
        return bool(await self._fetch("claim_judgement", {"id": promotion, "every_s": every_s}))

    async def keep(self, promotion: int, verdict: Verdict) -> None:
        values = {"id": promotion, "verdict": msgspec.json.encode(verdict).decode()}

        async def write(connection: AsyncConnection) -> None:
            await connection.execute(self._queries["keep_verdict"], values)

        await self._database.run(write)

    async def roll_back(self, promotion: int, *, by: str, why: str) -> bool:
        """Whether it stood until now."""
        return bool(await self._fetch("roll_back", {"id": promotion, "by": by, "why": why}))

    async def _one(self, promotion: int | None) -> Promotion | None:
        rows = await self._fetch("promotion", {"id": promotion})
        return _promotion(rows[0]) if rows else None

    async def _fetch(self, query: str, values: Mapping[str, object]) -> list[Any]:
        async def fetch(connection: AsyncConnection) -> list[Any]:
            return await (await connection.execute(self._queries[query], values)).fetchall()

        return await self._database.run(fetch)


class PromotionJob:
    """What a replica of the router does about the order that it was given: says what it saw, judges it when
    it is its turn, and follows what the table says. Safe to run from several processes at once."""

    def __init__(self, promotions: Promotions, classifier: StagedClassifier, *, replica: str) -> None:
        self._promotions = promotions
        self._classifier = classifier
        self._replica = replica

    async def run_once(self) -> None:
        """Raises Overloaded; nothing is lost, and the next run makes up for it."""
        figures = self._classifier.figures()
        if not figures.promotion:
            return
        await self._promotions.report(self._replica, figures)
        order = await self._promotions.find(figures.promotion)
        if order is not None and order.stands:
            order = await self._judged(order, figures)
        if order is None:
            return
        if not order.stands:
            self._classifier.lower(order.id, order.rolled_back_why or "")
        elif figures.candidate == order.candidate and not figures.stands:
            self._classifier.confirm(order.id)
            await self._promotions.report(self._replica, self._classifier.figures())

    async def _judged(self, order: Promotion, figures: StagedFigures) -> Promotion | None:
        """What has become of it."""
        if figures.refused:
            why = f"a replica refuses it: {figures.refused}"
            await self._promotions.roll_back(order.id, by=GUARD, why=why)
        elif not await self._promotions.claim(order.id):
            return order
        else:
            verdict = decide(order.stage, await self._promotions.evidence(order))
            await self._promotions.keep(order.id, verdict)
            if verdict.action != "rollback":
                return order
            await self._promotions.roll_back(order.id, by=GUARD, why="; ".join(verdict.reasons))
        return await self._promotions.find(order.id)


def _promotion(row: Sequence[Any]) -> Promotion:
    promotion, serving, candidate, serving_folder, candidate_folder, version, *rest = row
    stage, share, by, since, verdict, at, back_by, why = rest
    return Promotion(
        id=promotion,
        serving=serving,
        candidate=candidate,
        serving_folder=None if serving_folder is None else Path(serving_folder),
        candidate_folder=Path(candidate_folder),
        candidate_version=version,
        stage=stage,
        share=share,
        ordered_by=by,
        since=since,
        verdict=None if verdict is None else msgspec.json.decode(verdict, type=Verdict),
        rolled_back_at=at,
        rolled_back_by=back_by,
        rolled_back_why=why,
    )


def _trial(row: Sequence[Any]) -> Trial:
    replica, serving, candidate, stands, refused, evidence, age_s = row
    return Trial(
        replica=replica,
        serving=serving,
        candidate=candidate,
        stands=stands,
        refused=refused,
        evidence=msgspec.json.decode(evidence, type=Evidence),
        age_s=age_s,
    )


def _outcomes(row: Sequence[Any]) -> Figures:
    requests, errors, rated, total, squares = row
    return Figures(requests=requests, errors=errors, dissatisfaction=Sums(rated, total, squares))
