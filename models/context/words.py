"""Words as search sees them: content words in one form, with those that every sentence has left out."""

import re
from functools import lru_cache

_WORD = re.compile(r"[^\W_](?:[\w'’@./:+#-]*[^\W_])?")
_CJK = re.compile(r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]")
_CJK_RUN = re.compile(
    r"[\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af\u0e00-\u0e7f]+|[^\W_\u3040-\ud7af\u0e00-\u0e7f]+"
)
_THOUSANDS = re.compile(r"(?<=\d),(?=\d{3})")
_SAY_NOTHING = """
    a an the this that these those it its he she they him them his her their i me my mine we us our ours
    you your yours who whom whose what which when where why how there here am is are was were be been
    being do does did doing done has have had having can could will would shall should may might must let
    and or but if then else so because as than of to in on at by for with from into onto about over under
    up down out off again also just very really quite too only some any no not nor yes all both each more
    most such own oh ah ok okay yeah yep nope well um uh uhm hmm mm mhm huh hey hi hello right sure please
    thanks isn't aren't wasn't weren't don't doesn't didn't won't wouldn't can't couldn't shouldn't
    haven't hasn't hadn't i'm i've i'll i'd you're you've you'll you'd he's she's it's we're we've we'll
    they're they've they'll that's there's what's who's let's n't 's 're 've 'll 'd ca wo gon na got get
    gets getting go goes going
"""
_STOP = frozenset(_SAY_NOTHING.split())
_SUFFIXES = "ations ation ingly edly ments ment ness ings ing ies ied ers er ed es ly s"
_ENDINGS = tuple(_SUFFIXES.split())


def terms(text: str) -> list[str]:
    """The content words of a text in order, each in the form under which it is searched."""
    if "," in text:
        text = _THOUSANDS.sub("", text)
    found: list[str] = []
    for word in _WORD.findall(text):
        term = _term(word)
        if term:
            found.append(term)
        elif term is None:
            found.extend(_pairs(word))
    return found


@lru_cache(maxsize=1 << 17)
def _term(word: str) -> str | None:
    """Empty for a word that says nothing; None for one without spaces between words, as in Chinese."""
    if not word.isascii() and _CJK.search(word):
        return None
    lower = word.casefold().replace("’", "'")
    if lower in _STOP:
        return ""
    return _stem(lower.removesuffix("'s"))


def _stem(word: str) -> str:
    if len(word) < 4 or not word.isalpha():
        return word
    for ending in _ENDINGS:
        if word.endswith(ending) and len(word) - len(ending) >= 3:
            word = word[: -len(ending)] + ("y" if ending in ("ies", "ied") else "")
            break
    if len(word) > 4 and word[-1] == "e":
        word = word[:-1]
    if len(word) > 4 and word[-1] == word[-2] and word[-1] not in "lsz":
        word = word[:-1]
    return word


def _pairs(word: str) -> list[str]:
    """Neighbouring characters, two by two: what stands in for words in scripts that write none apart."""
    found: list[str] = []
    for run in _CJK_RUN.findall(word):
        if _CJK.match(run):
            found.extend(run[i : i + 2] for i in range(max(1, len(run) - 1)))
        else:
            found.append(_stem(run.casefold()))
    return found
