"""How an answer was taken, by what was said of it and by what was done after it, as a reward from 0 to 1."""

from collections.abc import Sequence
from typing import Literal

from msgspec import Struct

Signal = Literal[
    "thumbs", "rating", "comparison", "regenerated", "switched_away", "abandoned", "asked_again", "went_on"
]
"""The first three are said, the others are done."""
SAID: frozenset[Signal] = frozenset({"thumbs", "rating", "comparison"})

REWARDS: dict[Signal, float] = {
    "regenerated": 0.1,
    "switched_away": 0.15,
    "abandoned": 0.3,
    "asked_again": 0.2,
    "went_on": 0.8,
}

ASKED_AGAIN_WITHIN_S = 300.0
ASKED_AGAIN_LIKENESS = 0.6
"""Of the words of the shorter question, that the other has too."""


class NextTurn(Struct, frozen=True, kw_only=True):
    """What came after an answer in its conversation."""

    after_s: float
    question: str
    same_branch: bool = True
    """False: the answer was left behind and the question asked anew from before it."""
    model_named: str = ""
    """The model that the user asked for by name, if any."""


def reward_of(signal: Signal, value: float | None = None) -> float:
    """`value`: 1 or -1 of thumbs and comparisons (better or worse), 1 to 5 of a rating. Raises ValueError."""
    if signal == "rating":
        if value is None or not 1 <= value <= 5:
            raise ValueError("a rating is from 1 to 5")
        return (value - 1) / 4
    if signal in SAID:
        if value not in (1, -1):
            raise ValueError("1 or -1")
        return 1.0 if value > 0 else 0.0
    return REWARDS[signal]


def implied(*, question: str, model_id: str, cut_off: bool, next_turn: NextTurn | None) -> Signal | None:
    """What is to be made of an answer to `question` by what was done next; None where that says nothing.

    `cut_off`: the client left before the answer's end.
    """
    if next_turn is None:
        return "abandoned" if cut_off else None
    if next_turn.model_named and next_turn.model_named != model_id:
        return "switched_away"
    alike = likeness(question, next_turn.question)
    if not next_turn.same_branch:
        return "regenerated"
    if next_turn.after_s <= ASKED_AGAIN_WITHIN_S and alike >= ASKED_AGAIN_LIKENESS:
        return "asked_again"
    return "went_on"


def likeness(one: str, other: str) -> float:
    """Share of the words of the text with fewer that the other has; without spaces, of its letter pairs."""
    first, second = _pieces(one), _pieces(other)
    if not first or not second:
        return 0.0
    return len(first & second) / min(len(first), len(second))


def _pieces(text: str) -> frozenset[str]:
    words: Sequence[str] = text.lower().split()
    if len(words) < 3:
        joined = "".join(words)
        words = [joined[at : at + 2] for at in range(max(0, len(joined) - 1))]
    return frozenset(words)
