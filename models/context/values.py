"""Values in a sentence, and what they are the values of: `our budget is $700`, `moved to Friday`."""

import re
from collections.abc import Iterator
from functools import lru_cache
from typing import NamedTuple

from models.context.words import terms

_MONTH = (
    "(?:jan(?:uary)?|feb(?:ruary)?|mar(?:ch)?|apr(?:il)?|may|june?|july?|aug(?:ust)?|sept?(?:ember)?"
    "|oct(?:ober)?|nov(?:ember)?|dec(?:ember)?)"
)
_DAY = r"\d{1,2}(?:st|nd|rd|th)?"
_WRITTEN: dict[str, tuple[str, ...]] = {
    "email": (r"\b[\w.+-]+@[\w-]+\.[\w.]+\b",),
    "phone": (r"(?<!\w)\+?\d[\d ()-]{7,}\d\b",),
    "money": (
        r"[$€£¥]\s?\d[\d,.]*\d?\s?[km]?\b",
        r"\b\d[\d,.]*\s?(?:dollars?|euros?|pounds?|usd|eur|gbp)\b",
    ),
    "time": (r"\b\d{1,2}(?::\d\d)?\s?[ap]\.?m\b\.?", r"\b\d{1,2}:\d\d\b", r"\b(?:noon|midnight)\b"),
    "date": (
        r"\b\d{4}-\d\d-\d\d\b",
        rf"\b{_MONTH}\s+{_DAY}\b",
        rf"\b{_DAY}\s+(?:of\s+)?{_MONTH}\b",
        r"\b\d{1,2}/\d{1,2}(?:/\d{2,4})?\b",
        r"\b\d{1,2}(?:st|nd|rd|th)\b",
    ),
    "weekday": (r"\b(?:mon|tues|wednes|thurs|fri|satur|sun)day\b",),
    "version": (r"\bv?\d+\.\d+(?:\.\d+)*\b",),
    "number": (r"(?<![\w.$€£:/-])\d+(?:[.,]\d+)?%?(?![\w:/-])",),
}
_KINDS = {kind: re.compile("|".join(forms), re.IGNORECASE) for kind, forms in _WRITTEN.items()}
_SAYS = (
    "(?:is|are|was|were|will be|should be|must be|has to be|is now|are now|is actually|is going to be"
    "|(?:has |have )?(?:been )?(?:changed|moved|switched|updated|pushed|raised|lowered|cut) to|becomes|=|:)"
)
_REST = r"\s+(?P<value>[^;!?\n]+)"
_OWNED = re.compile(
    r"\b(?:my|our|the|his|her|their|your)\s+(?P<key>(?:[\w'’-]+\s+){0,3}?[\w-]+)\s*(?:'s\s+)?"
    + _SAYS
    + _REST,
    re.IGNORECASE,
)
_CHANGED = re.compile(
    "(?:set|change|changed|make|move|moved|switch|switched|update|updated|rename|push|raise|lower|bump"
    r"|increase|reduce|reschedule|rescheduled|cut)\s+(?:my|our|the|that|this)\s+"
    r"(?P<key>(?:[\w-]+\s+){0,2}?[\w-]+)\s+(?:(?:up|down|back|out)\s+)?(?:from\s+.{1,30}?\s+)?to(?:\s+be)?"
    + _REST,
    re.IGNORECASE,
)
_NAMED = re.compile(r"^\s*(?:[-*]\s*)?(?P<key>[A-Za-z][\w /-]{1,30}?)\s*[:=]\s*(?P<value>\S[^\n]{0,80})$")
_OF_ONESELF = {
    key: re.compile(
        r"\b(?:I|we)(?:'m|'ve|'re| am| are| have)?\s+(?:now\s+|just\s+|currently\s+|actually\s+)?"
        rf"(?:{verbs}){_REST}",
        re.IGNORECASE,
    )
    for key, verbs in {
        "home": "living in|live in|moved to|moving to|based in|relocated to|staying (?:at|in)",
        "work": "work(?:ing)? (?:at|for)|joined|started at",
        "name": "called|renamed to",
    }.items()
}
_CALL_ME = re.compile(r"\bcall me\s+(?P<value>\w+)", re.IGNORECASE)
_VALUE_ENDS = re.compile(
    r"[,.](?:\s|$)|\s(?:and|but|because|so|which|not|instead|rather|for|since|now|these days)\b"
)
_NO_THING = """
    thing problem point question idea truth fact reason way one first last next issue answer only best other
    same good bad matter case part rest result whole something everything anything nothing
"""
_NO_KEYS = frozenset(_NO_THING.split())
_QUALIFIERS = frozenset(("new", "current", "now", "final", "total"))
_MAX_VALUE_WORDS = 6
_MAX_STATEMENT = 300
"""Characters beyond which a sentence is not read for the value of something."""
_CHANGES = "set mak mov chang switch updat renam push rais lower bump increas reduc reschedul cut"
_STATED: tuple[tuple[re.Pattern[str], tuple[str, ...]], ...] = (
    (_OWNED, ("my ", "our ", "the ", "his ", "her ", "their ", "your ")),
    (_CHANGED, tuple(_CHANGES.split())),
    (_NAMED, (":", "=")),
)
"""What to search for, and of what one must be there: a glance that saves most searches."""


class Statement(NamedTuple):
    """That something has a value."""

    key: frozenset[str]
    """The words of the thing."""
    kind: str
    """What the value is written like."""
    value: frozenset[str]
    text: str
    """The value as it stands."""


@lru_cache(maxsize=1 << 14)
def statements(text: str) -> tuple[Statement, ...]:
    """What a sentence says the value of something is."""
    return tuple(_statements(text))


def _statements(text: str) -> Iterator[Statement]:
    if len(text) > _MAX_STATEMENT:
        return
    low = text.casefold()
    for pattern, hints in _STATED:
        found = pattern.search(text) if any(hint in low for hint in hints) else None
        if found:
            yield from _statement(frozenset(terms(found["key"])), found["value"])
    for key, pattern in (*_OF_ONESELF.items(), ("name", _CALL_ME)):
        found = pattern.search(text)
        if found:
            yield from _statement(frozenset((key,)), found["value"])


@lru_cache(maxsize=1 << 14)
def typed_values(text: str) -> tuple[tuple[str, str], ...]:
    """Money, times, dates and the like in a text, by kind: of each the last that stands there. A number that
    is part of another value is not counted again."""
    if (
        not any(map(str.isdigit, text))
        and "day" not in text
        and "noon" not in text
        and "midnight" not in text
    ):
        return ()
    found: list[tuple[str, str]] = []
    for kind, pattern in _KINDS.items():
        matches = [match.group(0).strip() for match in pattern.finditer(text)]
        if matches:
            found.append((kind, matches[-1]))
            text = pattern.sub(" ", text)
    return tuple(found)


def _statement(key: frozenset[str], said: str) -> Iterator[Statement]:
    key -= _QUALIFIERS
    if not key or key & _NO_KEYS:
        return
    typed = next(iter(typed_values(said)), None)
    if typed is not None:
        kind, text = typed
        yield Statement(key, kind, frozenset(terms(text)), text)
        return
    text = _VALUE_ENDS.split(said, maxsplit=1)[0]
    words = terms(text)
    if 0 < len(words) <= _MAX_VALUE_WORDS:
        yield Statement(key, "words", frozenset(words), text.strip(" .'\""))
