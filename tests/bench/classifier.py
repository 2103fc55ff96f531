"""How long the task classifier takes on one thread, and how good its artefact says that it is.

`python -m tests.bench.classifier` prints goal, figure and verdict; the status is 1 where a goal is missed.
"""

import re
import sys
import time
from collections.abc import Callable, Iterator

from models.routing.artefact import BUNDLED, Manifest, read_artefact
from models.routing.classifier import TaskClassifier
from models.routing.features import look
from tests.bench.figures import quantile

ROUNDS = 200
BATCH = 32
BATCHES = 20
_WORDS = re.findall(
    r"\w+", "the bridge over our river was closed because somebody had seen a crack in one of its old piers"
)


Row = tuple[str, float, float, bool]
"""What, the goal, the figure, and whether more is better."""


def main() -> int:
    classifier = TaskClassifier(read_artefact(BUNDLED), kept_answers=0)
    every = [*_goodness(classifier.manifest), *_speed(classifier)]
    missed = 0
    for what, goal, figure, more in every:
        met = figure >= goal if more else figure <= goal
        missed += not met
        sys.stdout.write(f"{what:48} {goal:>9.3f} {figure:>9.3f}  {'pass' if met else 'miss'}\n")
    return int(missed > 0)


def _goodness(manifest: Manifest) -> Iterator[Row]:
    figures = manifest.metrics
    yield "macro-F1, sources never seen", 0.76, figures["cascade_macro_f1"], True
    yield "accuracy with second answers, the same", 0.83, figures["cascade_accuracy_with_alt"], True
    yield "worst task's F1, the same", 0.58, figures["cascade_worst_f1"], True
    yield "accuracy in other languages, the same", 0.68, figures["cascade_not_english"], True
    yield "expected calibration error, the same", 0.05, figures["cascade_ece"], False
    yield "accuracy of the surest 70 %, the same", 0.89, figures["cascade_at_70_percent_coverage"], True
    yield "no request recognised, kinds never seen", 0.80, figures["none_recall"], True
    yield "requests taken for none or a guess", 0.05, figures["none_false"], False


def _speed(classifier: TaskClassifier) -> Iterator[Row]:
    short, long = _texts(24), _texts(800)
    first = _times(look, short)
    first.sort()
    yield "first stage p50, 30 tokens, ms", 0.2, quantile(first, 0.5), False
    both = _times(lambda text: classifier.classify([text]), short)
    yield "classifier p50, 30 tokens, ms", 4.0, quantile(both, 0.5), False
    yield "classifier p95, 30 tokens, ms", 8.0, quantile(both, 0.95), False
    both = _times(lambda text: classifier.classify([text]), long)
    yield "classifier p50, 1,000 tokens, ms", 15.0, quantile(both, 0.5), False
    yield "classifier p95, 1,000 tokens, ms", 25.0, quantile(both, 0.95), False
    batches = [[f"{number} {text}" for text in short[:BATCH]] for number in range(BATCHES)]
    start = time.perf_counter()
    for batch in batches:
        classifier.classify(batch)
    yield "texts a second, in batches of 32", 250.0, BATCHES * BATCH / (time.perf_counter() - start), True


def _texts(words: int) -> list[str]:
    """No two alike, and none that the first stage could be sure of."""
    return [
        f"{number}, " + " ".join(_WORDS[(number + at) % len(_WORDS)] for at in range(words))
        for number in range(ROUNDS)
    ]


def _times(work: Callable[[str], object], texts: list[str]) -> list[float]:
    """Milliseconds of each."""
    work(texts[0])
    made = []
    for text in texts:
        start = time.perf_counter()
        work(text)
        made.append(1_000 * (time.perf_counter() - start))
    return sorted(made)


if __name__ == "__main__":
    sys.exit(main())
