"""A question taken apart into what has to be the same in two of them. What it knows is in `guard.toml`."""

import re
import tomllib
from collections import Counter
from collections.abc import Iterator
from functools import cache
from importlib.resources import files
from unicodedata import normalize

import msgspec
from msgspec import Struct

Row = frozenset[str]

_TOKEN = re.compile(
    r"""
    [\w.+-]*@[\w.-]+ | https?://\S+                      # addresses
    | [A-Za-z_][\w]*(?:[._/:\\-]+\w+)+(?:\(\))?          # os.path.join, foo-bar, a/b
    | \d+(?:[.,:/-]\d+)*(?:[^\W\d_]+|%)?                 # 1,000  3.11  10:30  5km  20%
    | [\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af]          # each sign of a script without spaces is a word
    | [^\W_]+(?:['’][^\W\d_]+)*[+#]*                     # don't  C++
    """,
    re.VERBOSE,
)
_QUOTED = re.compile(r"[\"“«`]([^\"”»`]{1,200})[\"”»`]")
_SENTENCE = re.compile(r"[.!?:]\s+|^\s*")
_ORDINAL = re.compile(r"\d+(st|nd|rd|th)$")
_FIRST_PERSON = ("I", "I'm", "I'd", "I've", "I'll")
_SHORT = 4
"""Words that are no longer are told apart by each letter."""
_STEMS = (("ies", 3), ("ing", 4), ("ed", 3), ("es", 3), ("s", 3))
"""Endings, and how much of a word has to be left."""


class Words(Struct, frozen=True):
    negations: Row
    opposites: tuple[tuple[str, str], ...]
    synonyms: tuple[tuple[str, ...], ...]
    fillers: Row
    weak: Row
    relations: Row
    askers: tuple[Row, ...]
    polar: Row
    measures: Row
    manners: Row
    tenses: tuple[Row, ...]
    modals: tuple[Row, ...]
    persons: tuple[Row, ...]
    directions: Row
    places: Row
    articles: Row
    infinitives: tuple[str, ...]
    courtesies: tuple[str, ...]
    idle: tuple[str, ...]
    numbers: dict[str, str]


@cache
def known_words() -> Words:
    text = files(__package__).joinpath("guard.toml").read_text("utf-8")
    return msgspec.convert(tomllib.loads(text), Words)


class Reading:
    """Of one question. Words are in lower case."""

    def __init__(self, text: str) -> None:
        known = known_words()
        text = normalize("NFKC", text).replace("’", "'")
        asked = _without_courtesies(text.casefold())
        words = [match[0] for match in _TOKEN.finditer(asked)]
        self.words = frozenset(words)
        self.quoted = Counter(quoted.casefold().strip() for quoted in _QUOTED.findall(text))
        self.entities = frozenset(_entities(text))
        self.names = [name for word in words if (name := word.removesuffix("'s")) in self.entities]
        self.numbers = Counter(number for word in words if (number := _number(word)))
        self.negations = sum(word in known.negations or word.endswith("n't") for word in words)
        self.content = [_class_of(word) for word in words if not _is_aside(word)]
        self.weak = frozenset(_stem(word) for word in known.weak & self.words)
        directing = _without_infinitives(asked).split()
        self.relations = known.relations.intersection(directing)
        self.is_directed = not known.directions.isdisjoint(directing)
        self.placed = frozenset(_placed(asked))
        self.is_polar = bool(words) and words[0] in known.polar
        self.is_of_manner = any(_of_manner(words))
        self.is_fragment = not self.is_polar and not self.words & _ASKING


_ASKING = frozenset(("what", "what's", "which", "who", "who's", "when", "where", "why", "how", "how's"))


def _of_manner(words: list[str]) -> Iterator[bool]:
    """How something is done, or what its way is; not how much of it there is."""
    known = known_words()
    for word, following in zip(words, [*words[1:], ""], strict=False):
        yield word in ("how", "how's") and following not in known.measures
        yield word in ("what", "what's") and not known.manners.isdisjoint(words)


def _placed(asked: str) -> Iterator[str]:
    """What something is said to be in, of or with; whose it is; and what stands before a colon."""
    known = known_words()
    words = re.findall(r"[^\s,?!.]+", asked)
    for at, word in enumerate(words):
        if word in known.places:
            behind = (one for one in words[at + 1 :] if one not in known.articles)
            yield _class_of(next(behind, ""))
        elif word.endswith(("'s", ":")) and word not in known.fillers:
            yield _class_of(word.rstrip(":"))


def _entities(text: str) -> Iterator[str]:
    """Names and the like: words with capitals that no sentence begins with, and words of which each letter
    counts."""
    begins = {match.end() for match in _SENTENCE.finditer(text)}
    for match in _TOKEN.finditer(text):
        word = match[0]
        inner = any(c.isupper() for c in word[1:]) or not word.replace("'", "").isalpha()
        named = word[0].isupper() and match.start() not in begins and word not in _FIRST_PERSON
        if (inner or named) and not word[0].isdigit():
            yield word.casefold().removesuffix("'s")


def _number(word: str) -> str | None:
    if not word[0].isdigit():
        return known_words().numbers.get(word)
    if _ORDINAL.match(word):
        return word
    plain = word.replace(",", "")
    try:
        return f"{float(plain):g}"
    except ValueError:
        return plain


def _without_courtesies(text: str) -> str:
    text, known = text.lstrip(), known_words()
    for courtesy in known.courtesies:
        text = text.removeprefix(courtesy + " ")
    for idle in known.idle:
        text = text.replace(idle, "way")
    return text


def _without_infinitives(asked: str) -> str:
    for infinitive in known_words().infinitives:
        asked = asked.replace(infinitive, "")
    return asked


def _is_aside(word: str) -> bool:
    return word in _small() or word.endswith("n't") or _number(word) is not None


@cache
def _small() -> Row:
    """Words that are no part of the content."""
    known = known_words()
    return known.fillers | known.weak | known.relations | known.negations | {"how"}


def _class_of(word: str) -> str:
    word = word.removesuffix("'s")
    return _classes().get(word) or _classes().get(stem := _stem(word)) or stem


def _stem(word: str) -> str:
    for ending, rest in _STEMS:
        if word.endswith(ending) and len(word) >= len(ending) + rest and not word.endswith("ss"):
            word = word[: -len(ending)]
            break
    return word.removesuffix("e") if len(word) > _SHORT else word


@cache
def _classes() -> dict[str, str]:
    return {form: row[0] for row in known_words().synonyms for word in row for form in (word, _stem(word))}
