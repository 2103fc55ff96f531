"""What a request is about, as far as somebody could tell: all that the policy takes of a classifier."""

from typing import Literal, get_args

from msgspec import Struct

Task = Literal[
    "code",
    "math_reasoning",
    "writing",
    "rewrite_edit",
    "summarization",
    "translation",
    "extract_classify",
    "knowledge_qa",
    "analysis",
    "brainstorm_chat",
]

TASKS: tuple[Task, ...] = get_args(Task)
"""In the order in which probabilities are given."""


class TaskPrediction(Struct, frozen=True, kw_only=True):
    """`task` is the most probable one. What decides on it weighs by `probabilities` where they are there."""

    task: Task
    confidence: float
    """The calibrated probability that `task` is right."""
    probabilities: tuple[float, ...] = ()
    """One for each of `TASKS`, adding up to 1; empty where only `task` is known."""
    difficulty: float = 0.5
    """From 0, which any model does, to 1."""
    language: str = "und"
    """ISO 639-1 of what is asked in; `und` where nobody can tell."""
    abstained: bool = False
    """The prompt is like none that the classifier knows: `task` is a guess."""
    artefact: str = ""
    """The digest of the classifier's manifest, where one said so."""

    def distribution(self) -> tuple[float, ...]:
        """One probability for each of `TASKS`, whatever is known."""
        if self.probabilities:
            return self.probabilities
        rest = (1.0 - self.confidence) / (len(TASKS) - 1)
        return tuple(self.confidence if task == self.task else rest for task in TASKS)


def unknown_task() -> TaskPrediction:
    """Of a request that nobody has looked at: every task is as likely as the others."""
    even = 1.0 / len(TASKS)
    return TaskPrediction(
        task="brainstorm_chat",
        confidence=even,
        probabilities=(even,) * len(TASKS),
        abstained=True,
    )
