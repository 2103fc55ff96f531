"""How people state what holds, decide, ask to be reminded, and take back what they said. English."""

import re
from typing import Literal, NamedTuple

FactKind = Literal["fact", "constraint", "decision", "task"]


def _any_of(*phrases: str) -> re.Pattern[str]:
    return re.compile(rf"\b(?:{'|'.join(phrases)})\b", re.IGNORECASE)


_KINDS: tuple[tuple[FactKind, re.Pattern[str]], ...] = (
    (
        "constraint",
        _any_of(
            "must(?:n't| not)?",
            "never|always|avoid|strictly|forbidden|not allowed|only use|do not",
            "don't (?:use|add|change|touch|ever|forget|include|send|mention)",
            "at (?:most|least)|no (?:more|less|later|earlier) than",
            "make sure|has to|have to|requirement",
            "allergic|budget|deadline|limit(?:ed)? to|prefer(?:s|red)?",
        ),
    ),
    (
        "decision",
        _any_of(
            "let's (?:go with|use|do|take|keep|stick)",
            "we(?:'ll| will)? (?:decided?|agreed?|chose|go with|use)",
            "I(?:'ve| have)? (?:decided|chosen)|I(?:'ll| will) (?:take|go with)",
            "go(?:ing)? with|settled on|confirm(?:ed)?|approved|instead of",
            "final(?:ly|ised|ized)? (?:choice|answer|decision)",
        ),
    ),
    (
        "fact",
        _any_of(
            "my name(?:'s| is)|call me|I live|I work|I'm from|I am from",
            "my (?:e-?mail|phone|number|address|birthday|account|order|password|flight)",
            "my (?:wife|husband|partner|son|daughter|dog|cat|team|company|boss)",
            "remember|note that|keep in mind|for the record|important|from now on|by the way|FYI",
        ),
    ),
    (
        "task",
        _any_of("to-?do|next step|remind me|still (?:need|have) to|follow up|don't forget|later"),
    ),
)
_CHANGE = _any_of(
    "make (?:it|that)|change|move|switch(?:ed)? (?:it|to)|push(?:ed)? (?:it|back|to)",
    "update|updated|wait|sorry|turns out|now|after all|no longer|not any ?more",
    "slipped|delayed|postponed|rescheduled|brought forward",
    "(?:up|down)graded|migrated|replaced|turned|became",
)
_RETRACTION = _any_of(
    "actually|instead|correction|scratch that|I meant|rather than|no longer",
    "changed? (?:my|our) mind|on second thoughts?|forget (?:what|that)",
)
_DROPPED = re.compile(
    r"(?:\b(?:instead of|rather than|no longer|forget(?: about)?|drop|cancel"
    r"|(?:switch(?:ed|ing)?|chang(?:ed?|ing)|mov(?:ed?|ing)) from)|, (?:and )?not)"
    r"\s+(?:use |the |on |at |in |for |a )?"
    r"(?P<old>[\w$€£][\w$€£.,:@-]*(?:\s+[A-Z0-9][\w.:@-]*){0,2})"
)


class Correction(NamedTuple):
    retracts: bool
    """Whether it takes something back in so many words."""
    dropped: str
    """What it says holds no more, if it does."""


def kind_of(text: str) -> FactKind | None:
    """What a sentence states, by its wording."""
    return next((kind for kind, wording in _KINDS if wording.search(text)), None)


def correction(text: str) -> Correction | None:
    dropped = _DROPPED.search(text)
    retracts = bool(_RETRACTION.search(text))
    if not (dropped or retracts or _CHANGE.search(text)):
        return None
    return Correction(retracts, dropped["old"].rstrip(".,") if dropped else "")
