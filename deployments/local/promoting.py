"""Orders to promote a classifier, given from the command line: checked, kept, and waited for."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import get_args

from msgspec import Struct
from msgspec.structs import asdict

from deployments.local.access import database_url
from deployments.local.home import Home
from deployments.router_config import FILE, user_config
from models.routing.artefact import BUNDLED, FILES, MANIFEST, SIGNATURE, read_signed
from models.routing.promotion import Stage
from models.routing.promotions import Order, Promotion, Promotions, Trial
from models.routing.serving import RouterConfig, artefact_digest
from models.store import Database

TAKEN_WITHIN_S = 60.0
HEARD_OF_WITHIN_S = 15.0
"""A replica that has been silent for longer is gone."""
_LOOK_EVERY_S = 0.5

STAGES: tuple[Stage, ...] = get_args(Stage)


class Refused(Exception):
    """An order that is not given, and why."""


class Report(Struct, frozen=True, kw_only=True):
    """What serves, the last order, and how replicas have taken it."""

    serving: str
    serving_folder: str
    order: Promotion | None = None
    trials: tuple[Trial, ...] = ()


class Given(Struct, frozen=True, kw_only=True):
    order: int
    config: RouterConfig
    local: bool
    """Whether a gateway of this home runs, and was told."""
    taken_by: int = 0
    """Replicas that go by it."""
    refused: str = ""


async def report(home: Home) -> Report:
    async with _promotions(home) as promotions:
        last = await promotions.last()
        digest, folder = _serves(last)
        trials = tuple(t for t in await promotions.trials(last.id) if _is_there(t)) if last else ()
        return Report(serving=digest, serving_folder=str(folder or "bundled"), order=last, trials=trials)


async def promote(
    home: Home, folder: Path, *, stage: Stage, share: float, by: str, force: bool = False
) -> Given:
    """Raises Refused, or Internal for an artefact that is no good; then nothing has changed."""
    artefact = await asyncio.to_thread(read_signed, folder, trusted=[home.artefact_keys])
    version = artefact.manifest.version
    candidate = artefact_digest(folder)
    async with _promotions(home) as promotions:
        last = await promotions.last()
        goes_on = last if last is not None and last.stands and last.candidate == candidate else None
        serving, serving_folder = _replaced(last, goes_on)
        if serving == candidate:
            raise Refused(f"{version} ({candidate[:12]}) serves already")
        if not force:
            check_step(goes_on, stage)
        kept = await asyncio.to_thread(_keep, folder, home, candidate)
        order = Order(
            serving=serving,
            candidate=candidate,
            serving_folder=serving_folder,
            candidate_folder=kept,
            candidate_version=version,
            stage=stage,
            share=share,
            ordered_by=by,
        )
        number = await promotions.order(order)
        config = RouterConfig(
            artefact=serving_folder, candidate=kept, stage=stage, share=share, promotion=number
        )
        home.write(FILE, user_config(config))
        given = Given(order=number, config=config, local=home.holder() is not None)
        return await _taken(promotions, given) if given.local else given


async def roll_back(home: Home, *, by: str, why: str) -> Promotion:
    """The order that was taken back; replicas follow within seconds. Raises Refused if none stands."""
    async with _promotions(home) as promotions:
        last = await promotions.last()
        if last is None or not await promotions.roll_back(last.id, by=by, why=why):
            raise Refused("no order stands")
        return last


def check_step(goes_on: Promotion | None, stage: Stage) -> None:
    """Raises Refused if nothing speaks for taking this candidate there. Back is always allowed."""
    at, to = STAGES.index(goes_on.stage) if goes_on else -1, STAGES.index(stage)
    if to <= at and stage != "full":
        return
    if to > at + 1:
        raise Refused(f"it has not been on trial as {STAGES[at + 1]}: begin there, or --force it to {stage}")
    if goes_on is None:
        return
    if goes_on.stage == stage:
        raise Refused("it serves already")
    if goes_on.verdict is None or goes_on.verdict.action != "advance":
        reasons = goes_on.verdict.reasons if goes_on.verdict else ("the guards have not looked yet",)
        raise Refused("\n".join([f"the guards do not say that it may be {stage}:", *reasons]))


def _serves(last: Promotion | None) -> tuple[str, Path | None]:
    """Digest and folder of what serves, if the last order is done; no folder: the bundled one."""
    if last is not None and last.stands and last.stage == "full":
        return last.candidate, last.candidate_folder
    if last is not None and last.serving_folder is not None:
        return last.serving, last.serving_folder
    return artefact_digest(BUNDLED), None


def _replaced(last: Promotion | None, goes_on: Promotion | None) -> tuple[str, Path | None]:
    """What the candidate is to replace: on its way it stays the same."""
    if goes_on is not None and goes_on.serving_folder is not None:
        return goes_on.serving, goes_on.serving_folder
    return (artefact_digest(BUNDLED), None) if goes_on is not None else _serves(last)


def _keep(folder: Path, home: Home, digest: str) -> Path:
    """A copy under its digest: what is trained into the same folder later is another artefact."""
    kept = home.path / "artefacts" / digest[:16]
    if not (kept / MANIFEST).exists():
        kept.mkdir(parents=True, exist_ok=True)
        for name in (*FILES, SIGNATURE, MANIFEST):  # the manifest last: with it, the copy is whole
            shutil.copyfile(folder / name, kept / name)
    return kept


async def _taken(promotions: Promotions, given: Given) -> Given:
    """Waits until every replica that is heard of goes by the order, or one refuses it."""
    deadline = time.monotonic() + TAKEN_WITHIN_S
    while time.monotonic() < deadline:
        trials = [trial for trial in await promotions.trials(given.order) if _is_there(trial)]
        refused = next((trial.refused for trial in trials if trial.refused), "")
        if refused or (trials and all(trial.stands for trial in trials)):
            return _with(given, trials, refused)
        await asyncio.sleep(_LOOK_EVERY_S)
    return given


def _with(given: Given, trials: Sequence[Trial], refused: str) -> Given:
    return Given(**asdict(given) | {"taken_by": sum(t.stands for t in trials), "refused": refused})


def _is_there(trial: Trial) -> bool:
    return trial.age_s <= HEARD_OF_WITHIN_S


@asynccontextmanager
async def _promotions(home: Home) -> AsyncIterator[Promotions]:
    database = Database(database_url(home), max_size=1, application_name="polyvox-router")
    try:
        yield Promotions(database)
    finally:
        await database.close()
