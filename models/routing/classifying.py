"""A classifier for an event loop: one thread does the work, and those who wait are answered together."""

import asyncio
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor

from models.chat import Message
from models.errors import Overloaded
from models.routing.classifier import Classifier
from models.routing.task import TaskPrediction
from models.routing.turns import classified_text

MAX_WAITING = 1_000
BATCH = 16
"""Texts that are classified at once: who comes next waits for no more than that."""
PATIENCE_S = 0.5
"""A decision is not worth waiting longer for what it is about."""

SHARE = 0.1
"""Of a core, for whatever takes more than a first look, where many ask: a decision that is somewhat better is
not worth an answer that comes later. `SAVED_S` of it are at hand after a while in which few asked."""
SAVED_S = 1.0

_Waiting = tuple[str, "asyncio.Future[TaskPrediction]"]


class ClassifierThread:
    """Belongs to one event loop."""

    def __init__(self, classifier: Classifier, *, share: float = SHARE, saved_s: float = SAVED_S) -> None:
        self._classifier = classifier
        self._budget = Budget(share, saved_s)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="classifier")
        self._waiting: deque[_Waiting] = deque()
        self._work: asyncio.Task[None] | None = None

    async def classify(self, messages: Sequence[Message]) -> TaskPrediction:
        """What the last user turn asks for. Raises Overloaded where that would take too long."""
        if len(self._waiting) >= MAX_WAITING:
            raise Overloaded("too many texts wait to be classified")
        answer: asyncio.Future[TaskPrediction] = asyncio.get_running_loop().create_future()
        self._waiting.append((classified_text(messages), answer))
        if self._work is None or self._work.done():
            self._work = asyncio.create_task(self._answer_all(), name="classifier")
        try:
            async with asyncio.timeout(PATIENCE_S):
                return await answer
        except TimeoutError:
            raise Overloaded("the classifier takes too long") from None

    def close(self) -> None:
        """What the thread is at, it ends."""
        for _, answer in self._waiting:
            answer.cancel()
        self._thread.shutdown(wait=False, cancel_futures=True)

    async def _answer_all(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            batch = [self._waiting.popleft() for _ in range(min(BATCH, len(self._waiting)))]
            batch = [one for one in batch if not one[1].done()]
            try:
                tasks = await loop.run_in_executor(self._thread, self._classify, [text for text, _ in batch])
            except Exception as error:  # noqa: BLE001  # whatever a classifier may raise, those who wait are to hear of it
                failure = Overloaded(f"the classifier failed: {type(error).__name__}")
                for _, answer in batch:
                    if not answer.done():
                        answer.set_exception(failure)
                continue
            for (_, answer), task in zip(batch, tasks, strict=True):
                if not answer.done():
                    answer.set_result(task)

    def _classify(self, texts: Sequence[str]) -> Sequence[TaskPrediction]:
        if not texts:
            return []
        hurried = not self._budget.has_some(time.monotonic())
        began = time.thread_time()
        try:
            return self._classifier.classify(texts, hurried=hurried)
        finally:
            self._budget.spend(time.thread_time() - began)


class Budget:
    """Seconds of a core: `share` of the time that goes by, of which no more than `saved_s` are kept."""

    def __init__(self, share: float, saved_s: float) -> None:
        self._share, self._most_s = share, saved_s
        self._left_s = saved_s
        self._as_of: float | None = None

    def has_some(self, now: float) -> bool:
        """`now` in seconds, by any clock that does not go back."""
        gone_by = 0.0 if self._as_of is None else now - self._as_of
        self._as_of = now
        self._left_s = min(self._most_s, self._left_s + gone_by * self._share)
        return self._left_s > 0

    def spend(self, seconds: float) -> None:
        self._left_s -= seconds
