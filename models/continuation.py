"""An answer that broke off after its first byte, gone on with by another model.

The other is told what was said so far: as the beginning of its own answer where it takes that, else with the
instruction to go on exactly there. What it says is joined on, and both calls are paid for and shown.
"""

from collections.abc import Iterable, Sequence

import msgspec
from msgspec.structs import replace

from models.catalog import Model
from models.chat import (
    ChatRequest,
    Chunk,
    CitationDelta,
    Finished,
    Message,
    OpaqueDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    Usage,
)
from models.ledger import UsageRecord
from models.money import usd_text
from models.parts import EVENT, Opaque, Part
from models.providers.profiles import Profiles

GO_ON = Text(
    "Your answer above was cut off by a technical fault. Go on with it from exactly where it stops, in the "
    "middle of a sentence or a word if need be. Write only what comes next: repeat nothing, and say nothing "
    "about this."
)
MOST_CHARS = 400_000
"""A longer answer is not told to another model."""
LEAST_TOKENS = 16
_CHARS_PER_TOKEN = 4
_LEAST_OVERLAP = 12
"""Letters and digits: brackets and blanks are repeated for good reasons."""
_MOST_OVERLAP = 200
"""Characters that a model may say again although it was told not to."""

_PROFILES = Profiles.load()


def said_so_far(parts: Sequence[Part]) -> str | None:
    """The text of an answer that can be gone on with; None of one that has anything but text and thoughts."""
    if not all(isinstance(part, Text | Thinking) for part in parts):
        return None
    said = "".join(part.text for part in parts if isinstance(part, Text))
    return said if len(said) <= MOST_CHARS else None


def is_plain(request: ChatRequest) -> bool:
    """Whether its answer may be made of two halves: no half of a JSON document fits another."""
    return request.response_format is None or request.response_format.kind == "text"


def continued(request: ChatRequest, said: str, model: Model) -> ChatRequest:
    """What `model` is asked for the rest."""
    left = request.max_tokens
    if left is not None:
        left = max(LEAST_TOKENS, left - len(said) // _CHARS_PER_TOKEN)
    told: tuple[Message, ...] = ()
    if begun := said.rstrip():
        told = (Message("assistant", (Text(begun),)),)
        if not takes_beginnings(model):
            told += (Message("user", (GO_ON,)),)
    return replace(request, messages=(*request.messages, *told), max_tokens=left)


def takes_beginnings(model: Model) -> bool:
    """Whether it goes on with an answer that it is given the beginning of: others would begin anew."""
    if model.protocol != "anthropic":
        return False
    return _PROFILES.for_model("anthropic", model.wire_name).prefill


class Seam:
    """Joins the second half on: only its words, and none twice."""

    def __init__(self, said: str, *, may_repeat: bool = True) -> None:
        """`may_repeat`: its model may say again what it was told that it has said."""
        self._said = said[-_MOST_OVERLAP:]
        self._may_repeat = may_repeat
        self._held = ""
        self._is_sewn = not said

    def join(self, chunks: Iterable[Chunk]) -> list[Chunk]:
        joined: list[Chunk] = []
        for chunk in chunks:
            match chunk:
                case TextDelta(text):
                    joined += self._text(text)
                case Started() | ThinkingDelta() | CitationDelta() | OpaqueDelta():
                    pass  # they are of an answer of its own
                case _:
                    joined += [*self._rest(), chunk]
        return joined

    def _text(self, text: str) -> list[Chunk]:
        if self._is_sewn:
            return [TextDelta(text)] if text else []
        self._held += text
        # A repetition is known as one once it differs or is over.
        fresh = self._held.lstrip()
        is_open = not fresh or (self._may_repeat and fresh in self._said)
        return [] if is_open and len(self._held) < _MOST_OVERLAP else self._rest()

    def _rest(self) -> list[Chunk]:
        """What was held back, without what had been said."""
        if self._is_sewn:
            return []
        self._is_sewn = True
        fresh = self._held[_overlap(self._said, self._held) if self._may_repeat else 0 :]
        if self._said[-1:].isspace():
            fresh = fresh.lstrip()
        return [TextDelta(fresh)] if fresh else []


def _overlap(said: str, fresh: str) -> int:
    """How many characters at the beginning of `fresh` are the end of what was said."""
    blank = len(fresh) - len(fresh.lstrip())
    for start in {0, blank}:
        for length in range(min(len(said), len(fresh) - start), _LEAST_OVERLAP - 1, -1):
            again = fresh[start : start + length]
            if said.endswith(again):
                return start + length if sum(map(str.isalnum, again)) >= _LEAST_OVERLAP else 0
    return 0


def whole(finished: Finished, earlier: Iterable[UsageRecord]) -> Finished:
    """The end of the answer, with the usage of all of it."""
    return replace(finished, usage=_sum(finished.usage, earlier))


def told_of(legs: Sequence[UsageRecord]) -> list[Chunk]:
    """What the answer's end says, in dialects with room for it: who gave which part of it, at which cost."""
    named = [
        {"model": leg.model_id, "provider": leg.provider, "cost_usd": usd_text(leg.cost_pico)} for leg in legs
    ]
    field = {"x_polyvox": {"continued": named}}
    at_the_end = {"anthropic": {"type": "message_delta"}}
    return [
        OpaqueDelta(Opaque(provider, EVENT, _json(at_the_end.get(provider, {}) | field).decode()))
        for provider in ("openai", "anthropic", "google")
    ]


_json = msgspec.json.Encoder().encode


def _sum(usage: Usage, earlier: Iterable[UsageRecord]) -> Usage:
    for leg in earlier:
        usage = replace(
            usage,
            input=usage.input + leg.input_tokens,
            cache_read=usage.cache_read + leg.cache_read_tokens,
            cache_write_5m=usage.cache_write_5m + leg.cache_write_5m_tokens,
            cache_write_1h=usage.cache_write_1h + leg.cache_write_1h_tokens,
            output=usage.output + leg.output_tokens,
            reasoning=usage.reasoning + leg.reasoning_tokens,
            estimated=True,
        )
    return usage
