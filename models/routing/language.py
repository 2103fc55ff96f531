"""Which language a text is in, by its script and, among those in Latin letters, by their commonest words.

Good for choosing what a prompt's words are held against, and for reports; not for a list of every language.
"""

import re
from collections import Counter

UNKNOWN = "und"
_LOOKED_AT_CHARS = 400

_SCRIPTS: tuple[tuple[str, str], ...] = (
    ("ja", "\u3040-\u30ff"),
    ("ko", "\uac00-\ud7af\u1100-\u11ff"),
    ("zh", "\u4e00-\u9fff\u3400-\u4dbf"),
    ("ru", "\u0400-\u04ff"),
    ("ar", "\u0600-\u06ff"),
    ("he", "\u0590-\u05ff"),
    ("hi", "\u0900-\u097f"),
    ("th", "\u0e00-\u0e7f"),
    ("el", "\u0370-\u03ff"),
)
_OTHER = re.compile("[\u0370-\u1dff\u3040-\uffef]")
_SCRIPT_PATTERNS = tuple((language, re.compile(f"[{span}]")) for language, span in _SCRIPTS)
_UKRAINIAN = re.compile("[іїєґ]")
_PERSIAN = re.compile("[پچژگ]")
_LATIN_WORD = re.compile(r"[^\W\d_]+")
_KANA_SHARE = 0.1
"""Of the characters of a text in Chinese ones: with more of them it is Japanese."""

_COMMON = {
    "en": "the of and to in is that for it with as on what how are you a i my this me write can do why who",
    "es": "el la los las de que y en un una es por con para del qué cómo mi se lo al más cuál escribe",
    "fr": "le la les des et en un une est que pour dans qui du sur avec quel comment je mon ce est-ce quelle",
    "de": "der die das und ist ein eine nicht mit auf für von zu den wie was ich mein im dem wer einen bitte",
    "pt": "o os as de que e em um uma é para com do da não como meu por mais qual no na escreva você",
    "it": "il lo gli di che e in un una è per con del della non come mio sono qual le scrivi chi al",
    "nl": "de het een en van is in dat op te voor met niet zijn wat hoe mijn ik aan wie schrijf",
    "pl": "i w na z do się nie jest to że jak co dla po mi od jaki czy kto napisz jest",
    "tr": "bir ve bu için ile ne nasıl mi da de çok olan bana kim daha gibi mı",
    "id": "yang dan di untuk dengan ini itu dari apa saya adalah pada bagaimana ke sebuah tentang",
    "vi": "là và của cho một các có không được những trong với tôi này hãy về như",
    "cs": "a je na se v že jak pro s do mi co jsem která který o kdo napiš",
    "sv": "och är att en ett det på för som med av den till hur vad jag inte skriv",
}
_LANGUAGES_OF_WORD: dict[str, list[str]] = {}
for _language, _words in _COMMON.items():
    for _word in _words.split():
        _LANGUAGES_OF_WORD.setdefault(_word, []).append(_language)


def language_of(text: str) -> str:
    """ISO 639-1, or `und`. Of the first few hundred characters: a prompt says first what it asks for."""
    looked_at = text[:_LOOKED_AT_CHARS].lower()
    if looked_at.isascii():
        return _latin(looked_at)
    others = len(_OTHER.findall(looked_at))
    if others * 4 < sum(map(str.isalpha, looked_at)):
        return _latin(looked_at)
    return _by_script(looked_at)


def _by_script(text: str) -> str:
    counts = {language: len(pattern.findall(text)) for language, pattern in _SCRIPT_PATTERNS}
    if counts["ja"] > _KANA_SHARE * counts["zh"]:
        counts["ja"] += counts["zh"]
    language = max(counts, key=counts.__getitem__)
    if not counts[language]:
        return UNKNOWN
    if language == "ru" and _UKRAINIAN.search(text):
        return "uk"
    if language == "ar" and _PERSIAN.search(text):
        return "fa"
    return language


def _latin(text: str) -> str:
    votes: Counter[str] = Counter()
    words = _LATIN_WORD.findall(text)
    for word in words:
        for language in _LANGUAGES_OF_WORD.get(word, ()):
            votes[language] += 1
    if votes:
        return max(votes, key=lambda language: (votes[language], language == "en"))
    return "en" if words and text.isascii() else UNKNOWN
