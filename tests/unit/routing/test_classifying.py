"""A classifier's thread: what many ask at once, and how much of a core they may take."""

import asyncio
import time
from collections.abc import Sequence

import pytest

from models.chat import Message, Text
from models.errors import Overloaded
from models.routing.classifying import Budget, ClassifierThread
from models.routing.task import TaskPrediction


class Careful:
    """Takes its time, of a core, unless it is in a hurry."""

    def __init__(self, takes_s: float) -> None:
        self.takes_s = takes_s
        self.careful = self.hurried = 0

    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        if hurried:
            self.hurried += len(texts)
        else:
            self.careful += len(texts)
            until = time.thread_time() + self.takes_s * len(texts)
            while time.thread_time() < until:
                pass
        return [TaskPrediction(task="code", confidence=0.9) for _ in texts]


def _asked(text: str) -> tuple[Message, ...]:
    return (Message("user", (Text(text),)),)


async def test_few_texts_are_looked_at_with_care_and_many_in_a_hurry() -> None:
    classifier = Careful(0.01)
    thread = ClassifierThread(classifier, share=0.1, saved_s=0.1)
    for number in range(5):
        await thread.classify(_asked(f"few {number}"))
    assert (classifier.careful, classifier.hurried) == (5, 0)
    began = time.monotonic()
    for number in range(200):
        await asyncio.gather(thread.classify(_asked(f"many {number}")), asyncio.sleep(0.002))
    took_s = time.monotonic() - began
    thread.close()
    assert classifier.hurried > 100
    # What was saved, its share of the time, and the one that began with the last of it.
    assert classifier.careful * classifier.takes_s <= 0.1 + 0.1 * took_s + 2 * classifier.takes_s


def test_a_budget_keeps_no_more_than_it_may() -> None:
    budget = Budget(0.5, 1.0)
    assert budget.has_some(0.0)
    budget.spend(3.0)
    assert not budget.has_some(3.9)
    assert budget.has_some(4.1)
    assert budget.has_some(1_000.0)
    budget.spend(1.0)
    assert not budget.has_some(1_000.0)


async def test_whoever_waits_hears_of_a_classifier_that_fails() -> None:
    class Broken:
        def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
            raise ValueError("broken")

    thread = ClassifierThread(Broken())
    with pytest.raises(Overloaded, match="ValueError"):
        await thread.classify(_asked("anything"))
    thread.close()
