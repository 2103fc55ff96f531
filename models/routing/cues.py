"""The words by which people say what they want, found in a text whatever language it is in.

`cues.toml` lists them by concept. A concept means the same in every language, so that what is learned
about it from prompts in one holds in the others.
"""

import hashlib
import re
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import NamedTuple

_FILE = Path(__file__).with_suffix(".toml")
_WORD = re.compile(r"[^\W_]+[+#]*")
_UNSPACED = re.compile("[\u0590-\u1dff\u3040-\uffef]")
"""Scripts without spaces between words, or with words that grow at their front."""
_LONGEST_STEM = 12
_LONGEST_PHRASE = 4


class Hit(NamedTuple):
    place: int
    """The word's index, or for unspaced scripts the character's."""
    concept: int


class Found(NamedTuple):
    words: Sequence[str]
    """Lower case, in order."""
    by_word: Sequence[Hit]
    by_glyph: Sequence[Hit]
    unspaced: int
    """Characters of unspaced scripts; places of `by_glyph` are counted in the text."""


class Cues:
    """Finds concepts. Some tens of microseconds for a prompt's head and tail."""

    def __init__(self, table: Mapping[str, Mapping[str, str]]) -> None:
        self.concepts = tuple(table)
        self.digest = hashlib.sha256(repr(table).encode()).hexdigest()
        self._words: dict[str, tuple[int, ...]] = {}
        self._stems: dict[str, tuple[int, ...]] = {}
        self._phrases: dict[str, tuple[int, ...]] = {}
        self._glyphs: dict[str, tuple[int, ...]] = {}
        for number, entries in enumerate(table.values()):
            for listed in entries.values():
                for entry in listed.split(","):
                    self._add(entry.strip().lower(), number)
        self._stem_lengths = sorted({len(stem) for stem in self._stems}, reverse=True)
        self._openers = frozenset(phrase.split(" ", 1)[0] for phrase in self._phrases)
        self._glyph_lengths: dict[str, list[int]] = {}
        for glyphs in sorted(self._glyphs, key=len, reverse=True):
            lengths = self._glyph_lengths.setdefault(glyphs[0], [])
            if len(glyphs) not in lengths:
                lengths.append(len(glyphs))

    def _add(self, entry: str, concept: int) -> None:
        words = _WORD.findall(entry)
        if _UNSPACED.match(entry) and not _is_cyrillic(entry):
            table, key = self._glyphs, entry
        elif len(words) > 1:
            table, key = self._phrases, " ".join(words)
        elif entry.endswith("*"):
            table, key = self._stems, words[0][:_LONGEST_STEM]
        else:
            table, key = self._words, words[0]
        known = table.get(key, ())
        table[key] = known if concept in known else (*known, concept)

    def find(self, text: str) -> Found:
        """`text` in lower case."""
        words = _WORD.findall(text)
        by_word = [Hit(at, concept) for at, word in enumerate(words) for concept in self._of(words, at, word)]
        unspaced = 0 if text.isascii() else len(_UNSPACED.findall(text))
        by_glyph = list(self._glyph_hits(text)) if unspaced else []
        return Found(words, by_word, by_glyph, unspaced)

    def _of(self, words: Sequence[str], at: int, word: str) -> tuple[int, ...]:
        found = self._words.get(word, ()) or self._by_stem(word)
        if word in self._openers:
            for last in range(at + 2, min(at + _LONGEST_PHRASE, len(words)) + 1):
                found += self._phrases.get(" ".join(words[at:last]), ())
        return found

    def _by_stem(self, word: str) -> tuple[int, ...]:
        stems, length = self._stems, len(word)
        for longest in self._stem_lengths:
            if longest <= length and (found := stems.get(word[:longest])):
                return found
        return ()

    def _glyph_hits(self, text: str) -> Iterator[Hit]:
        lengths, glyphs = self._glyph_lengths, self._glyphs
        for at, glyph in enumerate(text):
            for length in lengths.get(glyph, ()):
                if found := glyphs.get(text[at : at + length]):
                    yield from (Hit(at, concept) for concept in found)
                    break


def _is_cyrillic(entry: str) -> bool:
    return "\u0400" <= entry[0] <= "\u052f"


@cache
def cues() -> Cues:
    """Those of `cues.toml`."""
    return Cues(tomllib.loads(_FILE.read_text(encoding="utf-8")))
