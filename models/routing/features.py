"""What a first look at a prompt sees: how it is built, which concepts it names, and its words, hashed.

The request sits in the first and the last sentences, so only a prompt's head and tail are looked at, however
long it is.
"""

import hashlib
import math
import re
import string
from collections.abc import Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple
from zlib import crc32

import numpy as np
from numpy.typing import NDArray

from models.routing.cues import Cues, Found, Hit, cues

HEAD_CHARS = 300
TAIL_CHARS = 160
HASHED = 1 << 14
"""Columns that words and word pairs share."""

_UNREAD_SHARE = 0.3
_OPENING_WORDS = 12
_OPENING_GLYPHS = 24
_PLACES = 3
_MANY = 4.0
_CAPITALS = string.ascii_uppercase.encode()
_MASK = HASHED - 1
_PAIR = 0x9E3779B1
_GLYPHS = re.compile("[\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]+")
"""Thai, kana, Chinese characters and Hangul: what stands between two spaces is no word."""
_GLYPH_ENDS = (2, 3)
_CODE = re.compile(
    r"```|[{};]\s*$|^\s*(?:def|class|import|from|#include|public|const|let|var|SELECT)\b|</?\w+>|\w\(\)|=>|::|->",
    re.M,
)
_LATEX = re.compile(r"\\[a-z]+\{|\$[^$\n]+\$|\\\(|\^\{?\d|[∑∫√≤≥π]")
_ARITHMETIC = re.compile(r"\d\s*[-+*/×÷^=<>]\s*[\d(x-]")
_NUMBER = re.compile(r"\d+(?:[.,]\d+)*")
_BULLET = re.compile(r"^\s*(?:[-*•]|\(?[a-eA-E1-9][.)])\s", re.M)
_LABEL = re.compile(r"^[A-Z][\w ]{0,24}[:：]", re.M)
_QUOTE = re.compile('["“”«»„「」『』《》]')
_ASKS = ("?", "？", "؟")
_ASKS_FOR_LENGTH = re.compile(
    r"\b\d{2,5}[- ]?(?:words?|字|characters|palabras|mots|wörter)|\d{2,5}\s?[字文]|以上字|\d+\s?sentences?"
)
_FORMULA = re.compile(r"\b[xyzn]\s*[=+^-]|\bf\(x\)")

_PROBES = (
    "",
    "Translate to French: see you at 10.30!",
    "请用三句话总结下面的文章：",
    "Why does `x = f(y)[0];` fail?\n\n```\ndef f(y):\n    return y->next;\n```\n- a\n- b\nName: none",
    "¿Cuánto es 3 * 4 + $x^2$? " + "Lorem ipsum, dolor sit amet. " * 80 + "Write 200 words «о погоде».",
)
"""Texts by which one notices that the code has changed."""


class Seen(NamedTuple):
    dense: NDArray[np.float32]
    """(DENSE,), each about from 0 to 1."""
    hashed: NDArray[np.int64]
    """Columns below HASHED, each once."""


def look(text: str, known: Cues | None = None) -> Seen:
    found_by = known or cues()
    head, tail = text[:HEAD_CHARS], text[HEAD_CHARS:][-TAIL_CHARS:]
    view = f"{head}\n{tail}" if tail else head
    found = found_by.find(view.lower())
    dense = [*_built(text, view), *_named(found, len(view), len(found_by.concepts))]
    return Seen(np.asarray(dense, np.float32), _hashes(found, view))


def unread_share(seen: Seen) -> float:
    """Of a text's head and tail, the characters outside ASCII: the last of what `_built` tells."""
    return float(seen.dense[-_PLACES * len(cues().concepts) - 1])


def is_readable(seen: Seen) -> bool:
    """By the encoder: of a text in letters that it does not know its vectors say nothing."""
    return unread_share(seen) < _UNREAD_SHARE


def dense_width(known: Cues | None = None) -> int:
    return len(look("", known).dense)


def fingerprint() -> str:
    """Of what `look` gives: learned weights hold for one fingerprint only."""
    digest = hashlib.sha256(cues().digest.encode())
    for probe in _PROBES:
        seen = look(probe)
        digest.update(np.round(seen.dense * 1_000).astype("<i4").tobytes())
        digest.update(seen.hashed.astype("<i8").tobytes())
    return digest.hexdigest()


def _built(text: str, view: str) -> Iterator[float]:
    """How the text is built. Lengths by logarithm; shares and counts bounded."""
    length = max(len(view), 1)
    plain = view.encode("ascii", "ignore")
    lines = view.count("\n")
    yield min(math.log1p(len(text)) / 9, 1.0)
    yield float(len(text) < 60)
    yield float(len(text) > HEAD_CHARS)
    yield float(len(text) > 1_500)
    yield min(math.log1p(lines) / 3, 1.0)
    yield float("\n\n" in view)
    first, _, _ = text.partition("\n")
    yield min(len(first) / HEAD_CHARS, 1.0)
    yield min(len(text.rstrip().rpartition("\n")[2]) / HEAD_CHARS, 1.0)
    ending = text.rstrip()[-1:]
    yield float(ending in _ASKS and bool(ending))
    yield float(ending in {":", "：", ">"})
    yield float(ending in {".", "。", "!"})
    yield float(ending.isalnum())
    yield float(any(mark in first for mark in _ASKS))
    yield _few(sum(view.count(mark) for mark in _ASKS))
    yield _few(len(_NUMBER.findall(view)))
    yield min(4 * _count(plain, b"0123456789") / length, 1.0)
    yield min(6 * _count(plain, b"{}[]();=<>_\\/|&*#`") / length, 1.0)
    yield _few(len(_CODE.findall(view)))
    yield float("```" in text)
    yield _few(len(_LATEX.findall(view)))
    yield _few(len(_ARITHMETIC.findall(view)))
    yield float(_FORMULA.search(view) is not None)
    yield _few(len(_BULLET.findall(view)))
    yield _few(len(_LABEL.findall(view)))
    yield _few(len(_QUOTE.findall(view)))
    yield float(_ASKS_FOR_LENGTH.search(view.lower()) is not None)
    yield float("://" in view)
    yield min(8 * _count(plain, _CAPITALS) / length, 1.0)
    yield float(first[:1].islower())
    yield float("\n" in text and len(first) < 120 < len(text))
    yield float(":" in first or "：" in first)
    yield 1.0 - len(plain) / length if view else 0.0


def _count(plain: bytes, wanted: bytes) -> int:
    return len(plain) - len(plain.translate(None, wanted))


def _few(count: int) -> float:
    return min(count, _MANY) / _MANY


def _named(found: Found, length: int, concepts: int) -> list[float]:
    """For each concept: whether the opening names it, whether the closing does, and how often it comes."""
    named = [0.0] * (_PLACES * concepts)
    _mark(named, found.by_word, opening=_OPENING_WORDS, closing=len(found.words) - _OPENING_WORDS)
    _mark(named, found.by_glyph, opening=_OPENING_GLYPHS, closing=length - _OPENING_GLYPHS)
    return named


def _mark(named: list[float], hits: Sequence[Hit], *, opening: int, closing: int) -> None:
    for place, concept in hits:
        at = _PLACES * concept
        if place < opening:
            named[at] = 1.0
        if place >= closing:
            named[at + 1] = 1.0
        named[at + 2] = min(named[at + 2] + 1 / _MANY, 1.0)


def _hashes(found: Found, view: str) -> NDArray[np.int64]:
    """Words, pairs of neighbours, what the text opens and ends with, and concepts in their order."""
    words = [_hash(word) for word in found.words]
    columns = set(words)
    columns.update(a * _PAIR + b for a, b in pairwise(words))
    columns.update(word * 3 + 1 for word in words[:2])
    columns.update(word * 5 + 2 for word in words[-2:])
    if found.unspaced:
        columns.update(_glyph_hashes(view))
    hits = [hit.concept for hit in (*found.by_glyph, *found.by_word)][:40]
    columns.update((a * 977 + b) * 7919 + 3 for a, b in pairwise(hits))
    if hits:
        columns.add(hits[0] * 7907 + 5)
    return np.unique(np.fromiter(((c ^ (c >> 15)) & _MASK for c in columns), np.int64, len(columns)))


def _glyph_hashes(view: str) -> Iterator[int]:
    """Single characters, pairs of them, and what the first run of them opens and the last one ends with."""
    runs = _GLYPHS.findall(view)
    for run in runs:
        codes = [ord(glyph) * _PAIR for glyph in run]
        yield from codes
        yield from [(first >> 3) ^ (second * 31) for first, second in pairwise(codes)]
    if runs:
        for length in _GLYPH_ENDS:
            yield _hash(runs[0][:length]) * 3 + 1
            yield _hash(runs[-1][-length:]) * 5 + 2


def _hash(text: str) -> int:
    return crc32(text.encode("utf-8", "replace"))
