"""Searching what is in memory: whole words, as they are written but for their case."""

import math
import re
from collections.abc import Sequence
from typing import NamedTuple

from models.conversations.conversation import Conversation
from models.conversations.message import StoredMessage
from models.conversations.search import (
    CLOSES,
    OPENS,
    SNIPPET_CHARS,
    Hit,
    Sought,
    Vector,
    fragments,
)

_WORD = re.compile(r"\w+")
_TERM = re.compile(r'(-?)(?:"([^"]*)"|(\S+))')


class Candidate(NamedTuple):
    conversation: Conversation
    message: StoredMessage
    text: str
    encoder: str
    vectors: Sequence[Sequence[float]]


class _Wanted(NamedTuple):
    words: frozenset[str]
    phrases: tuple[str, ...]
    unwanted: tuple[str, ...]

    def rank(self, text: str, *, of_any: bool) -> float:
        said = [word.casefold() for word in _WORD.findall(text)]
        joined = f" {' '.join(said)} "
        hits = sum(word in self.words for word in said)
        if not of_any and (not self.words <= set(said) or any(f" {p} " not in joined for p in self.phrases)):
            return 0.0
        if any(f" {word} " in joined for word in self.unwanted):
            return 0.0
        return hits / (1 + math.log(len(said))) if said else 0.0


def found(candidates: Sequence[Candidate], sought: Sought) -> list[Hit]:
    wanted = _wanted(sought.words)
    of_any = sought.vector is not None
    ranked = [
        (one, wanted.rank(one.text, of_any=of_any), _similarity(one, sought.vector)) for one in candidates
    ]
    best = max((rank for _, rank, _ in ranked), default=0.0) or 1.0
    hits = [
        _hit(one, rank / best + similarity, similarity, wanted.words if rank else frozenset())
        for one, rank, similarity in ranked
        if rank or (of_any and one.vectors)
    ]
    return sorted(hits, key=lambda hit: -hit.score)[: sought.limit]


def _wanted(words: str) -> _Wanted:
    terms: list[str] = []
    phrases: list[str] = []
    unwanted: list[str] = []
    for minus, phrase, word in _TERM.findall(words):
        plain = " ".join(part.casefold() for part in _WORD.findall(phrase or word))
        if minus:
            unwanted.append(plain)
        else:
            terms += plain.split()
            phrases.append(plain)
    return _Wanted(frozenset(terms), tuple(phrases), tuple(unwanted))


def _similarity(one: Candidate, vector: Vector | None) -> float:
    if vector is None or one.encoder != vector.encoder:
        return 0.0
    return max((_cosine(own, vector.values) for own in one.vectors), default=0.0)


def _cosine(a: Sequence[float], b: Sequence[float]) -> float:
    return sum(x * y for x, y in zip(a, b, strict=True)) / (math.hypot(*a) * math.hypot(*b))


def _hit(one: Candidate, score: float, similarity: float, words: frozenset[str]) -> Hit:
    def mark(match: re.Match[str]) -> str:
        word = match[0]
        return f"{OPENS}{word}{CLOSES}" if word.casefold() in words else word

    return Hit(
        message_id=one.message.id,
        conversation_id=one.conversation.id,
        title=one.conversation.title,
        user_id=one.conversation.user_id,
        branch=one.message.branch,
        seq=one.message.seq,
        role=one.message.message.role,
        score=score,
        similarity=similarity,
        snippet=fragments(_WORD.sub(mark, one.text[:SNIPPET_CHARS])),
    )
