"""How likely a unit is to be asked for later, before any question is known.

Weights are logarithms of a rate, fitted to which sentences of conversations questions were later asked about,
rounded, and kept only where they helped with each kind of conversation left out in turn.
"""

import re
from collections.abc import Sequence
from typing import Literal

_DIGIT = re.compile(r"\d")
_NAME = re.compile(r"(?<=[a-z,;] )[A-Z][a-z]+")
_CAPITALISED = re.compile(r"\b[A-Z][a-z]+")
_FIRST_PERSON = re.compile(r"\b(?:I|I'm|I'll|I've|I'd|my|me)\b")
_FAILURE = re.compile(
    r"\b(?:error|fatal|failed|failure|exception|traceback|warn(?:ing)?|denied|refused)\b", re.I
)
_SIGNATURE = re.compile(
    r"^\s*(?:async def|def|class|func|fn|function|export|interface|struct|CREATE TABLE)\b", re.M
)

_SAYS_NOTHING = -2.0
_QUESTION = -0.2
_NUMBER = 0.25
_PERSONAL = 0.2
_ANSWER = 0.15
_NARRATION = 0.3
_NAMED = 0.3
_MOST_NAMES = 3
_LAST = 0.15
_OUTPUT = -2.0
_CALL = -1.5
_NOTABLE = 0.7


def names_in(text: str) -> list[str]:
    """Words that are written with a capital within a sentence."""
    return _NAME.findall(text)


def salience(
    text: str,
    words: Sequence[str],
    *,
    kind: Literal["prose", "code", "call", "output"],
    names: frozenset[str],
    ends: bool,
    answers: bool,
) -> float:
    """`names` that occur in the conversation; `ends`: it closes its turn; `answers`: the turn before ended
    with a question."""
    weight = _SAYS_NOTHING if len(set(words)) <= 1 else 0.0
    if _DIGIT.search(text):
        weight += _NUMBER
    match kind:
        case "output":
            return weight + _OUTPUT + _NOTABLE * bool(_FAILURE.search(text))
        case "call":
            return weight + _CALL
        case "code":
            return weight + _NOTABLE * bool(_SIGNATURE.search(text))
        case "prose":
            named = min(_MOST_NAMES, len(names.intersection(_CAPITALISED.findall(text))))
            return weight + _NAMED * named + _of_prose(text, ends=ends, answers=answers)


def _of_prose(text: str, *, ends: bool, answers: bool) -> float:
    weight = _QUESTION if text.endswith("?") else 0.0
    weight += _PERSONAL * bool(_FIRST_PERSON.search(text))
    weight += _NARRATION * (text[:1] in "[(#*")
    return weight + _LAST * ends + _ANSWER * answers
