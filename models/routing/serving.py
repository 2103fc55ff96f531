"""A classifier that serves: loaded from a folder, run in a thread of its own, and what it came to."""

import logging
import os
import threading
import time
from collections.abc import Callable, Sequence
from contextlib import suppress
from pathlib import Path

from msgspec import Struct
from pydantic import BaseModel, ConfigDict, Field

from models.chat import Message
from models.errors import Internal
from models.routing.artefact import MANIFEST, read_signed, sha256
from models.routing.classifier import Classifier, TaskClassifier
from models.routing.classifying import SHARE, ClassifierThread
from models.routing.promotion import Figures, Stage, Sums
from models.routing.task import TaskPrediction

log = logging.getLogger(__name__)

_NICE = 10


class RouterConfig(BaseModel):
    """`user_config` of the deployment `Router`: changed, it reaches the replicas without a restart."""

    model_config = ConfigDict(extra="forbid")

    artefact: Path | None = None
    """The folder of the classifier that serves; None: the one that the project comes with."""
    candidate: Path | None = None
    """The folder of one that is tried beside it."""
    stage: Stage = "shadow"
    share: float = Field(default=1.0, ge=0.0, le=1.0)
    """Of requests: those that a shadow sees too, or that a canary answers."""
    promotion: int = Field(default=0, ge=0)
    """The order in `router_promotions`. Without one that stands, a candidate is a shadow at most."""


class Loaded(Struct, frozen=True):
    digest: str
    """Of its manifest, which has those of its other files."""
    version: str
    classifier: Classifier


Load = Callable[[Path], Loaded]


def load(folder: Path, *, trusted: Sequence[Path] = ()) -> Loaded:
    """`trusted` are folders of public keys beside the bundled ones.

    Raises Internal if there is no artefact that works, signed by somebody who is trusted.
    """
    digest = artefact_digest(folder)
    artefact = read_signed(folder, trusted=trusted)
    return Loaded(digest, artefact.manifest.version, TaskClassifier(artefact))


def artefact_digest(folder: Path) -> str:
    """Raises Internal if there is no manifest."""
    try:
        return sha256((folder / MANIFEST).read_bytes())
    except OSError as error:
        raise Internal(f"there is no artefact in {folder.name}: {error.strerror}") from error


class Contender:
    """For one event loop: a classifier and its thread. `figures` are what it came to since they were set."""

    def __init__(self, loaded: Loaded, *, steps_back: bool = False, share: float = SHARE) -> None:
        """`steps_back`: with a lower priority than the rest of the process, where threads have their own."""
        self.digest, self.version, self.steps_back = loaded.digest, loaded.version, steps_back
        self.figures = Figures()
        self.broken = ""
        """How it failed, once it did."""
        self._thread = ClassifierThread(_Metered(loaded.classifier, self), share=share)
        self._counting = threading.Lock()
        self._under_way = 0
        self._leaves = False

    async def classify(self, messages: Sequence[Message]) -> TaskPrediction:
        """Raises Overloaded if it takes too long, or fails: then `broken` says so."""
        self._under_way += 1
        try:
            return await self._thread.classify(messages)
        finally:
            self._under_way -= 1
            self._end()

    def count(self, seen: Figures | None) -> None:
        """From any thread; None: from nothing."""
        with self._counting:
            self.figures = Figures() if seen is None else self.figures + seen

    def close(self) -> None:
        """Who waits still gets an answer."""
        self._leaves = True
        self._end()

    def _end(self) -> None:
        if self._leaves and self._under_way == 0:
            self._thread.close()


class _Metered:
    """Runs in the contender's thread."""

    def __init__(self, classifier: Classifier, contender: Contender) -> None:
        self._classifier = classifier
        self._contender = contender
        self._is_back = not contender.steps_back

    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        contender = self._contender
        if not self._is_back:
            self._is_back = True
            _step_back()
        began = time.thread_time()
        try:
            predictions = self._classifier.classify(texts, hurried=hurried)
            if len(predictions) != len(texts):
                raise Internal("it answered for more or fewer than it was asked for")
        except Exception as error:
            log.exception("the classifier %s failed", contender.version)
            contender.broken = f"it failed: {type(error).__name__}"
            raise
        each = (time.thread_time() - began) * 1_000 / max(1, len(texts))
        contender.count(
            Figures(
                classified=len(texts),
                abstained=sum(prediction.abstained for prediction in predictions),
                cpu_ms=Sums(len(texts), each * len(texts), each * each * len(texts)),
            )
        )
        return predictions


def _step_back() -> None:
    with suppress(OSError, AttributeError):
        os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), _NICE)
