"""What prompts are about: a quick look answers what it is sure of, a sentence encoder the rest.

Synchronous, and for one thread at a time: a deployment gives it a thread and hands it the prompts of several
requests at once.
"""

import hashlib
from collections import OrderedDict
from collections.abc import Sequence
from functools import cache
from typing import Protocol

import numpy as np

from models.chat import Message
from models.errors import Internal
from models.routing.artefact import BUNDLED, Artefact, Manifest, read_signed
from models.routing.difficulty import difficulty
from models.routing.features import Seen, is_readable, look
from models.routing.heads import Heads, Scores
from models.routing.language import language_of
from models.routing.sentences import Encode, load_sentences
from models.routing.task import TASKS, TaskPrediction
from models.routing.turns import classified_text

KEPT_ANSWERS = 50_000
_NONE = len(TASKS)


class Classifier(Protocol):
    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        """In the order of the texts; `hurried`: by what takes little time."""
        ...


class TaskClassifier:
    """One artefact's. Answers are kept by a text's hash, the longest unused forgotten first."""

    def __init__(
        self, artefact: Artefact, *, encode: Encode | None = None, kept_answers: int = KEPT_ANSWERS
    ) -> None:
        """`encode` stands in for the artefact's encoder. Raises Internal if the artefact does not work."""
        self.manifest: Manifest = artefact.manifest
        try:
            self._heads = Heads(artefact.heads)
            self._encode = encode or load_sentences(artefact.encoder, artefact.tokenizer)
            self._kept: OrderedDict[bytes, TaskPrediction] = OrderedDict()
            self._kept_answers = kept_answers
            self.by_encoder = 0
            """Texts that the second stage had to answer."""
            self._prove()
        except Exception as error:
            raise Internal(f"the classifier's artefact {self.manifest.version} does not work") from error

    def classify(self, texts: Sequence[str], *, hurried: bool = False) -> list[TaskPrediction]:
        """`hurried`: by what is remembered and the first look alone, which is not remembered then."""
        keys = [_key(text) for text in texts]
        missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in self._kept}
        made = dict(zip(missing, self._classified(list(missing.values()), hurried=hurried), strict=True))
        answers = [made.get(key) or self._kept[key] for key in keys]
        known = {key: answer for key, answer in zip(keys, answers, strict=True) if key not in made}
        self._keep(known if hurried else dict(zip(keys, answers, strict=True)))
        return answers

    def classify_turns(self, conversations: Sequence[Sequence[Message]]) -> list[TaskPrediction]:
        """What each conversation's last user turn asks for, in the light of what went before."""
        return self.classify([classified_text(messages) for messages in conversations])

    def _classified(self, texts: Sequence[str], *, hurried: bool) -> list[TaskPrediction]:
        seen = [look(text) for text in texts]
        scores = [self._heads.first(one) for one in seen]
        unsure = [
            row for row, one in enumerate(seen) if not hurried and self._wants_encoder(one, scores[row])
        ]
        if unsure:
            vectors = self._encode([texts[row] for row in unsure])
            second = self._heads.second([seen[row] for row in unsure], vectors)
            for row, made in zip(unsure, second, strict=True):
                scores[row] = made[None]
            self.by_encoder += len(unsure)
        return [self._told(*one) for one in zip(texts, seen, scores, strict=True)]

    def _wants_encoder(self, seen: Seen, scores: Scores) -> bool:
        return (
            len(seen.hashed) > 0 and float(np.exp(scores.max())) < self.manifest.sure_at and is_readable(seen)
        )

    def _told(self, text: str, seen: Seen, scores: Scores) -> TaskPrediction:
        every = np.exp(scores[0].astype(np.float64))
        probabilities = every[:_NONE] / every[:_NONE].sum()
        best = int(probabilities.argmax())
        confidence, none = float(probabilities[best]), float(every[_NONE])
        limits = self.manifest
        return TaskPrediction(
            task=TASKS[best],
            confidence=confidence,
            probabilities=tuple(probabilities.tolist()),
            difficulty=difficulty(text, TASKS[best]),
            language=language_of(text),
            abstained=len(seen.hashed) == 0 or confidence < limits.abstain_below or none >= limits.none_above,
        )

    def _keep(self, answers: dict[bytes, TaskPrediction]) -> None:
        for key, answer in answers.items():
            self._kept[key] = answer
            self._kept.move_to_end(key)
        while len(self._kept) > self._kept_answers:
            self._kept.popitem(last=False)

    def _prove(self) -> None:
        """That shapes fit and numbers are numbers, before anybody waits for an answer."""
        text = "Translate to French: good morning, my friend."
        scores = self._heads.second([look(text)], self._encode([text]))
        if scores.shape != (1, _NONE + 1) or not np.isfinite(scores).all():
            raise Internal("its scores are none")


def _key(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


@cache
def _bundled() -> TaskClassifier:
    return TaskClassifier(read_signed(BUNDLED))


def classify(texts: Sequence[str]) -> list[TaskPrediction]:
    """With the artefact that the project comes with, loaded at the first call."""
    return _bundled().classify(texts)
