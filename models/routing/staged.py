"""The classifier that serves, and beside it a candidate for its place: looking on, answering some, or all."""

import asyncio
import logging
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from models.chat import Message
from models.errors import Overloaded, PolyvoxError
from models.routing.artefact import BUNDLED
from models.routing.classifying import SHARE
from models.routing.promotion import Evidence, Figures, Stage, chosen_for
from models.routing.serving import Contender, Load, RouterConfig, artefact_digest, load
from models.routing.task import TaskPrediction

log = logging.getLogger(__name__)

T = TypeVar("T")

MAX_SHADOWS = 256
"""Requests that wait for a shadow to look at them; others it does not see."""


class StagedFigures(Struct, frozen=True, kw_only=True):
    """What one replica has seen of an order, and how it has taken it."""

    promotion: int
    serving: str
    """Digests of manifests."""
    candidate: str
    """Empty where there is none, or none any more."""
    stage: Stage
    share: float
    stands: bool
    """Whether the order is known to stand."""
    evidence: Evidence
    refused: str = ""
    """Why the candidate is not tried here."""


class _Setting(Struct, frozen=True, kw_only=True):
    serving: Contender
    candidate: Contender | None = None
    config: RouterConfig
    stands: bool = False
    refused: str = ""

    def answers(self, key: str) -> bool:
        """Whether the candidate is to answer."""
        if self.candidate is None or not self.stands or self.config.stage == "shadow":
            return False
        return self.config.stage == "full" or chosen_for(key, self.candidate.digest, self.config.share)

    def looks_on(self, key: str) -> bool:
        if self.candidate is None or (self.stands and self.config.stage != "shadow"):
            return False
        share = self.config.share if self.config.stage == "shadow" else 1.0
        return chosen_for(key, self.candidate.digest, share)


class StagedClassifier:
    """For one event loop. A candidate that fails is dropped, and the request that it failed is answered."""

    def __init__(
        self,
        artefact: Path = BUNDLED,
        *,
        load: Load = load,
        digest_of: Callable[[Path], str] = artefact_digest,
        max_shadows: int = MAX_SHADOWS,
        share: float = SHARE,
    ) -> None:
        """`share` is of a core; see `classifying`. Raises Internal if there is nothing to serve with."""
        self._load, self._digest_of = load, digest_of
        self._max_shadows = max_shadows
        self._share = share
        self._now = _Setting(serving=Contender(load(artefact), share=share), config=RouterConfig())
        self._changing = asyncio.Lock()
        self._compared = Evidence()
        self._shadows: set[asyncio.Task[None]] = set()

    async def classify(self, messages: Sequence[Message], key: str = "") -> TaskPrediction:
        """`key` (a conversation, a user, a request) is always answered by the same of the two.

        Raises Overloaded if the one that serves does.
        """
        now = self._now
        if now.candidate is not None and now.answers(key):
            try:
                return _by(now.candidate, await now.candidate.classify(messages))
            except Overloaded:
                self._drop_if_broken(now.candidate)
        answer = await now.serving.classify(messages)
        if now.candidate is not None and now.looks_on(key):
            self._show(now.candidate, messages, answer)
        return _by(now.serving, answer)

    async def use(self, config: RouterConfig) -> None:
        """From the next request on. An artefact that is no good is refused: what serves goes on."""
        async with self._changing:
            before, refused = self._now, ""
            serving = await self._found(config.artefact or BUNDLED, before) or before.serving
            candidate = None
            if config.candidate is not None:
                steps_back = config.stage == "shadow"
                candidate = await self._found(config.candidate, before, steps_back=steps_back)
                refused = "" if candidate else "the artefact cannot be read, or does not work"
            if candidate is not None and candidate.digest == serving.digest:
                if candidate is not serving:
                    candidate.close()
                candidate = None
            self._now = _Setting(serving=serving, candidate=candidate, config=config, refused=refused)
            self._begin_anew()
            for old in {before.serving, before.candidate} - {serving, candidate, None}:
                assert old is not None
                old.close()

    def confirm(self, promotion: int) -> None:
        """The order stands: its stage counts."""
        if self._now.config.promotion == promotion:
            self._now = replace(self._now, stands=True)

    def lower(self, promotion: int, why: str) -> None:
        """The order was taken back: only the classifier that served before it goes on."""
        candidate = self._now.candidate
        if self._now.config.promotion == promotion and candidate is not None:
            log.warning("the classifier %s is taken back: %s", candidate.version, why)
            self._compared += Evidence(candidate=candidate.figures)
            self._now = replace(self._now, candidate=None, stands=False, refused=why)
            candidate.close()

    def figures(self) -> StagedFigures:
        now = self._now
        return StagedFigures(
            promotion=now.config.promotion,
            serving=now.serving.digest,
            candidate=now.candidate.digest if now.candidate else "",
            stage=now.config.stage,
            share=now.config.share,
            stands=now.stands,
            evidence=self._evidence(),
            refused=now.refused,
        )

    def _evidence(self) -> Evidence:
        now = self._now
        candidate = now.candidate.figures if now.candidate else Figures()
        return self._compared + Evidence(serving=now.serving.figures, candidate=candidate)

    def _begin_anew(self) -> None:
        now = self._now
        self._compared = Evidence(candidate=Figures(failed=int(bool(now.refused))))
        for one in (now.serving, now.candidate):
            if one is not None:
                one.count(None)

    async def settle(self) -> None:
        """Wait until the shadow has seen what it is to see."""
        while self._shadows:
            await asyncio.wait(set(self._shadows))

    def close(self) -> None:
        for shadow in self._shadows:
            shadow.cancel()
        for one in (self._now.serving, self._now.candidate):
            if one is not None:
                one.close()

    async def _found(self, folder: Path, before: _Setting, *, steps_back: bool = False) -> Contender | None:
        """The one at hand, if it is the same; else loaded, beside the event loop."""
        try:
            digest = await _aside(self._digest_of, folder)
            for one in (before.serving, before.candidate):
                if one is not None and (one.digest, one.steps_back) == (digest, steps_back):
                    return one
            loaded = await _aside(self._load, folder)
            return Contender(loaded, steps_back=steps_back, share=self._share)
        except PolyvoxError as error:
            log.warning("%s goes on serving: %s", before.serving.version, error.message)
            return None

    def _show(self, candidate: Contender, messages: Sequence[Message], answer: TaskPrediction) -> None:
        """Nobody waits for what it says."""
        if len(self._shadows) >= self._max_shadows:
            self._compared += Evidence(skipped=1)
            return
        task = asyncio.get_running_loop().create_task(self._compare(candidate, messages, answer))
        self._shadows.add(task)
        task.add_done_callback(self._shadows.discard)

    async def _compare(
        self, candidate: Contender, messages: Sequence[Message], answer: TaskPrediction
    ) -> None:
        try:
            told = await candidate.classify(messages)
        except Overloaded:
            self._compared += Evidence(skipped=1)
            self._drop_if_broken(candidate)
            return
        if candidate is self._now.candidate:
            self._compared += Evidence(compared=1, disagreed=int(told.task != answer.task))

    def _drop_if_broken(self, candidate: Contender) -> None:
        """Once, whoever notices first."""
        if candidate.broken and self._now.candidate is candidate:
            log.error("the classifier %s is dropped: %s", candidate.version, candidate.broken)
            self._compared += Evidence(candidate=candidate.figures + Figures(failed=1))
            self._now = replace(self._now, candidate=None, stands=False, refused=candidate.broken)
            candidate.close()


def _by(contender: Contender, prediction: TaskPrediction) -> TaskPrediction:
    return replace(prediction, artefact=contender.digest)


def _aside(call: Callable[[Path], T], folder: Path) -> Awaitable[T]:
    return asyncio.get_running_loop().run_in_executor(None, call, folder)
