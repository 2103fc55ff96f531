"""A candidate beside the classifier that serves: what it is shown, what it answers, and how it goes."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from pydantic import ValidationError

from models.chat import Message, Text
from models.errors import Internal
from models.routing.promotion import chosen_for
from models.routing.serving import Loaded, RouterConfig
from models.routing.staged import StagedClassifier
from models.routing.task import Task, TaskPrediction

SERVING, CANDIDATE = Path("serving"), Path("candidate")
ASKED = (Message("user", (Text("Sort a list."),)),)


class Fixed:
    """Always says the same; `may_answer` holds it back, `broken` makes it fail."""

    def __init__(self, task: Task) -> None:
        self.task = task
        self.batches: list[int] = []
        self.may_answer = threading.Event()
        self.may_answer.set()
        self.broken = False

    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        assert self.may_answer.wait(10)
        if self.broken:
            raise ValueError("broken")
        self.batches.append(len(texts))
        return [TaskPrediction(task=self.task, confidence=0.9) for _ in texts]


class Shelf:
    """Artefacts by folder."""

    def __init__(self) -> None:
        self.made = {SERVING: Fixed("writing"), CANDIDATE: Fixed("code")}
        self.loads = 0

    def load(self, folder: Path) -> Loaded:
        self.loads += 1
        return Loaded(self.digest(folder), folder.name, self.made[folder])

    def digest(self, folder: Path) -> str:
        if folder not in self.made:
            raise Internal("there is no artefact")
        return f"digest of {folder.name}"


@pytest.fixture
def shelf() -> Shelf:
    return Shelf()


@pytest.fixture
def staged(shelf: Shelf) -> StagedClassifier:
    return StagedClassifier(SERVING, load=shelf.load, digest_of=shelf.digest, max_shadows=4)


def _config(**changes: object) -> RouterConfig:
    fields: dict[str, object] = {"artefact": SERVING, "candidate": CANDIDATE, "promotion": 1}
    return RouterConfig.model_validate(fields | changes)


async def _answers(staged: StagedClassifier, keys: int = 100) -> list[Task]:
    told = await asyncio.gather(*(staged.classify(ASKED, f"k{number}") for number in range(keys)))
    await staged.settle()
    return [one.task for one in told]


async def test_without_a_candidate_there_is_one_classifier(staged: StagedClassifier) -> None:
    told = await staged.classify(ASKED, "k")
    assert (told.task, told.artefact) == ("writing", "digest of serving")
    assert staged.figures().evidence.serving.classified == 1


async def test_a_shadow_looks_on_and_its_answers_are_compared(staged: StagedClassifier, shelf: Shelf) -> None:
    await staged.use(_config())
    for number in range(10):
        assert (await staged.classify(ASKED, f"k{number}")).task == "writing"
        await staged.settle()
    evidence = staged.figures().evidence
    assert (evidence.compared, evidence.disagreed, evidence.skipped) == (10, 10, 0)
    assert evidence.candidate.classified == evidence.serving.classified == 10
    assert evidence.candidate.cpu_ms.number == 10
    assert sum(shelf.made[CANDIDATE].batches) == 10


async def test_a_shadow_sees_its_share(staged: StagedClassifier, shelf: Shelf) -> None:
    await staged.use(_config(share=0.0))
    assert await _answers(staged, 20) == ["writing"] * 20
    assert shelf.made[CANDIDATE].batches == []


async def test_nobody_waits_for_a_shadow(staged: StagedClassifier, shelf: Shelf) -> None:
    await staged.use(_config())
    shelf.made[CANDIDATE].may_answer.clear()
    for number in range(10):
        assert (await staged.classify(ASKED, f"k{number}")).task == "writing"
    shelf.made[CANDIDATE].may_answer.set()
    await staged.settle()
    evidence = staged.figures().evidence
    assert (evidence.compared, evidence.skipped) == (4, 6)


@pytest.mark.parametrize("stage", ["canary", "full"])
async def test_an_order_that_is_not_known_to_stand_is_a_shadow_s(
    staged: StagedClassifier, stage: str
) -> None:
    await staged.use(_config(stage=stage))
    staged.confirm(2)
    assert set(await _answers(staged)) == {"writing"}
    staged.confirm(1)
    assert staged.figures().stands
    assert set(await _answers(staged)) == {"code"}


async def test_a_canary_answers_its_share_of_keys(staged: StagedClassifier) -> None:
    await staged.use(_config(stage="canary", share=0.25))
    staged.confirm(1)
    expected = ["code" if chosen_for(f"k{n}", "digest of candidate", 0.25) else "writing" for n in range(100)]
    assert await _answers(staged) == expected
    evidence = staged.figures().evidence
    assert evidence.candidate.classified == expected.count("code")
    assert evidence.serving.classified == expected.count("writing")
    assert evidence.compared == 0


async def test_an_order_that_is_taken_back_leaves_what_served(staged: StagedClassifier) -> None:
    await staged.use(_config(stage="full"))
    staged.confirm(1)
    staged.lower(2, "another's")
    assert set(await _answers(staged)) == {"code"}
    staged.lower(1, "worse")
    assert set(await _answers(staged)) == {"writing"}
    assert (staged.figures().candidate, staged.figures().refused) == ("", "worse")


@pytest.mark.parametrize("stage", ["shadow", "canary", "full"])
async def test_a_candidate_that_fails_is_dropped_and_no_request_with_it(
    staged: StagedClassifier, shelf: Shelf, stage: str
) -> None:
    await staged.use(_config(stage=stage))
    staged.confirm(1)
    shelf.made[CANDIDATE].broken = True
    assert set(await _answers(staged, 4)) == {"writing"}
    figures = staged.figures()
    assert (figures.candidate, figures.evidence.candidate.failed) == ("", 1)
    assert "failed" in figures.refused


async def test_an_artefact_that_is_no_good_is_refused(staged: StagedClassifier) -> None:
    await staged.use(_config(candidate="missing", stage="full"))
    assert staged.figures().refused
    assert staged.figures().evidence.candidate.failed == 1
    assert await _answers(staged, 3) == ["writing"] * 3
    await staged.use(_config(artefact="missing", candidate=None))
    assert await _answers(staged, 3) == ["writing"] * 3


async def test_a_candidate_becomes_what_serves_without_being_loaded_again(
    staged: StagedClassifier, shelf: Shelf
) -> None:
    await staged.use(_config(stage="full"))
    staged.confirm(1)
    assert set(await _answers(staged)) == {"code"}
    await staged.use(_config(artefact=CANDIDATE, candidate=None, promotion=0))
    assert set(await _answers(staged)) == {"code"}
    assert shelf.loads == 2
    # A candidate that serves already is none.
    await staged.use(_config(artefact=CANDIDATE, stage="canary"))
    assert staged.figures().candidate == ""
    assert set(await _answers(staged)) == {"code"}


async def test_figures_begin_anew_with_an_order(staged: StagedClassifier) -> None:
    await staged.use(_config(stage="canary"))
    await _answers(staged, 5)
    await staged.use(_config(stage="canary", promotion=2))
    assert staged.figures().evidence.serving.classified == 0
    assert not staged.figures().stands


async def test_the_real_artefact_classifies() -> None:
    staged = StagedClassifier()
    asked = Message("user", (Text("Translate to German: where is the station?"),))
    told = await staged.classify((asked,), "k")
    assert told.task == "translation"
    assert len(told.artefact) == 64
    staged.close()


async def test_who_waits_for_a_classifier_that_leaves_gets_an_answer(
    staged: StagedClassifier, shelf: Shelf
) -> None:
    shelf.made[SERVING].may_answer.clear()
    calls = [asyncio.create_task(staged.classify(ASKED, f"k{n}")) for n in range(40)]
    await asyncio.sleep(0)
    await staged.use(_config(artefact=CANDIDATE, candidate=None))
    shelf.made[SERVING].may_answer.set()
    assert {(await call).task for call in calls} == {"writing"}
    assert (await staged.classify(ASKED, "k")).task == "code"


@pytest.mark.parametrize(
    "wrong", [{"stage": "half"}, {"share": 1.5}, {"share": -0.1}, {"promotion": -1}, {"candidat": "x"}]
)
def test_a_wrong_configuration_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        RouterConfig.model_validate(wrong)
