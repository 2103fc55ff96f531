"""A row of the matrix: what clients ask, what providers are sent and say, what clients are told."""

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Dialect = Literal["chat", "responses", "messages", "gemini"]
Provider = Literal["openai", "anthropic", "google"]
Cell = tuple[Dialect, Provider]
State = Literal["supported", "refused", "left out", "none"]

DIALECTS: tuple[Dialect, ...] = ("chat", "responses", "messages", "gemini")
PROVIDERS: tuple[Provider, ...] = ("openai", "anthropic", "google")
EVERY: frozenset[Cell] = frozenset((dialect, provider) for dialect in DIALECTS for provider in PROVIDERS)

PARIS: Mapping[Provider, Json] = {
    "openai": {"choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}]},
    "anthropic": {"content": [{"type": "text", "text": "Paris."}], "stop_reason": "end_turn"},
    "google": {"candidates": [{"content": {"parts": [{"text": "Paris."}]}, "finishReason": "STOP"}]},
}
SAID_PARIS: Mapping[Dialect, Json] = {
    "chat": {
        "object": "chat.completion",
        "choices": [{"message": {"role": "assistant", "content": "Paris."}, "finish_reason": "stop"}],
    },
    "responses": {
        "object": "response",
        "status": "completed",
        "output": [{"type": "message", "content": [{"type": "output_text", "text": "Paris."}]}],
    },
    "messages": {
        "type": "message",
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
    },
    "gemini": {
        "candidates": [{"content": {"role": "model", "parts": [{"text": "Paris."}]}, "finishReason": "STOP"}]
    },
}


@dataclass(frozen=True, kw_only=True)
class Then:
    """The turn after: what the client makes of its answer, and what that provider is sent of it."""

    asked: Mapping[Dialect, Callable[[Json], Json]]
    sent: Mapping[Provider, Json]
    in_conversation: bool = False
    """The client says what is new alone, and names the conversation."""


@dataclass(frozen=True, kw_only=True)
class Feature:
    """Bodies are given in part: see `assert_has`. Whole and streamed answers are told alike."""

    name: str
    asked: Mapping[Dialect, Json]
    """A dialect that is not here has no words for it."""
    sent: Mapping[Provider, Json] = field(default_factory=dict)
    """A provider that is not here has no such thing, unless the cell is refused."""
    sent_in: Mapping[Cell, Json] = field(default_factory=dict)
    """Where that depends on the client's dialect too."""
    answer: Mapping[Provider, Json] = field(default_factory=lambda: PARIS)
    told: Mapping[Dialect, Json] = field(default_factory=lambda: SAID_PARIS)
    told_in: Mapping[Cell, Json] = field(default_factory=dict)
    """Where that depends on the provider too."""
    refused: Mapping[Cell, str] = field(default_factory=dict)
    """By the code of the error that refuses."""
    left_out: Mapping[Cell, str] = field(default_factory=dict)
    """Wishes that the provider's models do not take, by the name under which the answer says so."""
    then: Then | None = None
    remark: str = ""

    def state(self, cell: Cell) -> State:
        dialect, provider = cell
        if dialect not in self.asked:
            return "none"
        if cell in self.refused:
            return "refused"
        if cell in self.left_out:
            return "left out"
        return "supported" if provider in self.sent or cell in self.sent_in else "none"

    def sent_of(self, cell: Cell) -> Json:
        return self.sent_in[cell] if cell in self.sent_in else self.sent[cell[1]]

    def told_of(self, cell: Cell) -> Json:
        return self.told_in[cell] if cell in self.told_in else self.told[cell[0]]


def cells(*named: Dialect | Provider) -> frozenset[Cell]:
    """Those of the dialects and the providers that are named; of all, where none is."""
    dialects, providers = set(DIALECTS).intersection(named), set(PROVIDERS).intersection(named)
    return frozenset(
        cell for cell in EVERY if cell[0] in (dialects or DIALECTS) and cell[1] in (providers or PROVIDERS)
    )


def refused(which: Collection[Cell] = EVERY, *, code: str = "unsupported_parameter") -> Mapping[Cell, str]:
    return dict.fromkeys(which, code)
