"""How many tokens a text is for a model family: exact where its tokenizer is at hand, else an estimate.

The estimate adds up weights of the runs of a text: words (dearer beyond seven letters), digits by threes,
marks, line breaks, and letters of other scripts. The weights were fitted to real tokenizers so that
undercounts cost five times what overcounts do; `ERROR` says by how much a text of 2,000 characters is
undercounted at the most. docs/context.md has the figures.
"""

import hashlib
import importlib
import os
import re
from collections.abc import Callable
from functools import cache, lru_cache
from importlib.resources import files
from pathlib import Path
from typing import Literal, Protocol

import msgspec
from msgspec import Struct

Family = Literal["gpt", "claude", "gemini", "other"]
Count = Callable[[str], int]

MESSAGE_OVERHEAD = 4
"""Tokens that a message costs beside its text."""
ERROR = 0.10
"""The most that an estimate falls short of prose, code, JSON or logs (minified code: twice that)."""

_RUN = re.compile(r"[A-Za-z]+|[0-9]+|[^\W\d_]+|\s+|.", re.DOTALL)
_O200K = "https://openaipublic.blob.core.windows.net/encodings/o200k_base.tiktoken"
_CHARS_PER_TOKEN = 4
_LONG_WORD = 7


class Weights(Struct, frozen=True):
    """Tokens per run, or per character where the name says so."""

    word: float
    letter_beyond: float
    """Per letter of a word beyond the seventh."""
    capitals: float
    mixed: float
    mixed_letter: float
    """Of a run such as `aGVsbG8`: per letter."""
    three_digits: float
    line_break: float
    mark: float
    symbol_byte: float
    accented: float
    accented_letter: float
    greek: float
    cyrillic: float
    semitic: float
    indic: float
    hangul: float
    cjk: float
    scale: float
    """Times the sum of all."""


def counter(family: Family) -> Count:
    """Counts for a budget that must hold: exact for GPT where tiktoken and its file are there."""
    if family == "gpt" and (exact := exact_gpt()) is not None:
        return exact
    return _estimator(family)


def default_counter() -> Count:
    """For a budget of no particular model: o200k_base where it is at hand, else four characters a token."""
    return exact_gpt() or four_characters


def four_characters(text: str) -> int:
    return (len(text) + _CHARS_PER_TOKEN - 1) // _CHARS_PER_TOKEN


def estimate(text: str, *, family: Family) -> int:
    return _estimator(family)(text)


def family_of(host: str) -> Family:
    """The family of a host of the catalogue."""
    families: dict[str, Family] = {"openai": "gpt", "anthropic": "claude", "google": "gemini"}
    return families.get(host, "other")


@cache
def _estimator(family: Family) -> Count:
    weights = _weights()[family]

    @lru_cache(maxsize=1 << 16)
    def weigh(run: str) -> float:
        return weights.scale * _weigh(run, weights)

    def count(text: str) -> int:
        return round(sum(map(weigh, _RUN.findall(text))) + 0.49)

    return count


@cache
def _weights() -> dict[Family, Weights]:
    table = files("models.context").joinpath("tokens.toml").read_bytes()
    return msgspec.toml.decode(table, type=dict[Family, Weights])


def _weigh(run: str, w: Weights) -> float:
    first = run[0]
    if run.isascii():
        if first.isalpha():
            return _letters(run, w)
        if first.isdigit():
            return w.three_digits * -(-len(run) // 3)
        if first.isspace():
            return w.line_break if "\n" in run else 0.0
        return w.mark
    if not first.isalpha() and not "\u0900" <= first <= "\u0e7f":
        return w.symbol_byte * len(run.encode("utf-8", "surrogatepass"))
    highest = max(run)
    for top, weight in (
        ("\u0400", w.greek),
        ("\u0530", w.cyrillic),
        ("\u0900", w.semitic),
        ("\u1100", w.indic),
    ):
        if "\u0370" <= highest < top:
            return weight * len(run)
    if highest < "\u0370" or "\u1e00" <= highest < "\u1f00":
        return w.accented + w.accented_letter * len(run)
    return (w.hangul if "\uac00" <= highest <= "\ud7ff" else w.cjk) * len(run)


def _letters(run: str, w: Weights) -> float:
    if run.islower() or run[1:].islower() or len(run) == 1:
        return w.word + w.letter_beyond * max(0, len(run) - _LONG_WORD)
    if run.isupper():
        return w.capitals * max(1.0, len(run) / 4)
    return w.mixed + w.mixed_letter * len(run)


class _Encoding(Protocol):
    def encode_ordinary(self, text: str) -> list[int]: ...


@cache
def exact_gpt() -> Count | None:
    """tiktoken's count, if it is installed and its table lies in TIKTOKEN_CACHE_DIR. It would be fetched from
    the network otherwise, which counting must never do."""
    folder = os.environ.get("TIKTOKEN_CACHE_DIR")
    table = hashlib.sha1(_O200K.encode(), usedforsecurity=False).hexdigest()
    if not folder or not (Path(folder) / table).is_file():
        return None
    try:
        encoding: _Encoding = importlib.import_module("tiktoken").get_encoding("o200k_base")
    except ImportError:
        return None
    return lambda text: len(encoding.encode_ordinary(text))
