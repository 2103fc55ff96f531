"""Whether two questions that sound alike ask for something else: what a vector of their meaning blurs.

It errs on the side of two questions: to answer one anew costs money, to answer it with another's answer costs
trust.
"""

from collections import Counter
from collections.abc import Sequence
from typing import Literal

from models.caching.question import Reading, Row, known_words

Difference = Literal[
    "number", "negation", "opposite", "entity", "question", "modal", "person", "tense", "words", "order"
]

_SHARED = 0.34
"""Of the shorter question's words: with so many in common, the others tell two questions apart."""
_LITTLE = 2
"""Fewer words than these leave the meaning to the small ones."""


def difference(asked: str, known: str) -> Difference | None:
    """The first that would make the answer to one a wrong answer to the other, if any is seen."""
    if asked == known:
        return None
    one, other, words = Reading(asked), Reading(known), known_words()
    if one.numbers != other.numbers:
        return "number"
    if one.negations != other.negations:
        return "negation"
    if any(_apart(one.words, other.words, pair) for pair in words.opposites):
        return "opposite"
    if one.quoted != other.quoted or _missing(one, other) or _missing(other, one):
        return "entity"
    if _asks_otherwise(one, other):
        return "question"
    if _other_row(one.words, other.words, words.modals):
        return "modal"
    if _is_of_another(one, other):
        return "person"
    if _other_row(one.words, other.words, words.tenses):
        return "tense"
    return _says_otherwise(one, other)


def _apart(one: Row, other: Row, pair: Sequence[str]) -> bool:
    left, right = pair
    if left in one and right in other:
        return left not in other or right not in one
    return right in one and left in other


def _missing(one: Reading, other: Reading) -> bool:
    return not one.entities <= other.words | other.entities


def _asks_otherwise(one: Reading, other: Reading) -> bool:
    """When or where or who or why; whether or what; what or how."""
    askers = known_words().askers
    if _rows(one.words, askers) != _rows(other.words, askers) or one.is_polar != other.is_polar:
        return True
    return one.is_of_manner != other.is_of_manner and not (one.is_fragment or other.is_fragment)


def _is_of_another(one: Reading, other: Reading) -> bool:
    """Who it is about. What is mine is not what there is, unless it is asked how it is done."""
    persons = known_words().persons
    of_one, of_other = _rows(one.words, persons), _rows(other.words, persons)
    if of_one == of_other:
        return False
    if of_one and of_other:
        return not of_one & of_other
    is_done = one.is_of_manner or other.is_of_manner
    return not is_done and any("my" in x.words or _rows(x.words, persons[1:]) for x in (one, other))


def _other_row(one: Row, other: Row, rows: Sequence[Row]) -> bool:
    """Whether each has some of the rows, and none in common."""
    of_one, of_other = _rows(one, rows), _rows(other, rows)
    return bool(of_one and of_other and not of_one & of_other)


def _rows(words: Row, rows: Sequence[Row]) -> set[int]:
    return {at for at, row in enumerate(rows) if words & row}


def _says_otherwise(one: Reading, other: Reading) -> Difference | None:
    if Counter(one.content) == Counter(other.content):
        if _replaced(one.relations, other.relations) or _replaced(one.weak, other.weak):
            return "words"
        if len(one.content) < _LITTLE and one.weak != other.weak:
            return "words"
        return None if _in_order(one, other) else "order"
    shared = Counter(one.content) & Counter(other.content)
    fewest = min(len(set(one.content)), len(set(other.content)))
    return "words" if fewest < _LITTLE or len(shared) >= _SHARED * fewest else None


def _replaced(one: Row, other: Row) -> bool:
    return bool(one - other and other - one)


def _in_order(one: Reading, other: Reading) -> bool:
    """Whether the same words stand in the same order, but for where something is: that may come first or
    last."""
    if one.content == other.content:
        return True
    if one.is_directed or other.is_directed or (one.placed and other.placed and one.placed != other.placed):
        return False
    if one.names != other.names and len(one.names) > 1:
        return False
    placed = one.placed | other.placed
    return _is_moved(one.content, other.content, placed) or _is_moved(other.content, one.content, placed)


def _is_moved(said: list[str], again: list[str], placed: Row) -> bool:
    """Whether a part that begins with one of `placed`, or such a word, was taken to the other end."""
    return any(
        said[at:] + said[:at] == again and not placed.isdisjoint((said[0], said[at]))
        for at in range(1, len(said))
    ) or any(
        said[at] in placed and again in ([*rest, said[at]], [said[at], *rest])
        for at in range(len(said))
        for rest in [said[:at] + said[at + 1 :]]
    )
