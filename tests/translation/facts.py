"""What the models of these tests accept, written down by hand: the product's table is not asked."""

from typing import Literal, NamedTuple

Format = Literal["openai_chat", "openai_responses", "anthropic", "gemini"]
FORMATS: tuple[Format, ...] = ("openai_chat", "openai_responses", "anthropic", "gemini")


class Anthropic(NamedTuple):
    sampling: bool
    prefill: bool
    mid_system: bool
    forced_tools: bool
    thinking: Literal["none", "budget", "adaptive"]
    always_thinks: bool = False
    structured: bool = True


class OpenAI(NamedTuple):
    reasons: bool
    efforts: tuple[str, ...] = ()
    breakpoints: int = 0
    verbosity: bool = False


class Gemini(NamedTuple):
    signed: bool
    ids: bool
    sampling: bool
    thinking: Literal["none", "budget", "level"]
    json_schema: bool = True
    structured_with_tools: bool = True
    media_in_results: frozenset[str] = frozenset()


ANTHROPIC = {
    "claude-opus-5-5": Anthropic(False, False, True, False, "adaptive", always_thinks=True),
    "claude-sonnet-5-5": Anthropic(False, False, True, False, "adaptive", always_thinks=True),
    "claude-haiku-5-5": Anthropic(False, False, True, True, "adaptive"),
    "claude-opus-4-8": Anthropic(False, False, True, True, "adaptive"),
    "claude-sonnet-5": Anthropic(False, False, False, True, "adaptive"),
    "claude-sonnet-4-6": Anthropic(True, False, False, True, "adaptive"),
    "claude-haiku-4-5": Anthropic(True, True, False, True, "budget"),
    "claude-3-5-haiku-20241022": Anthropic(True, True, False, True, "none", structured=False),
}
OPENAI = {
    "gpt-5.6-sol": OpenAI(True, ("none", "low", "medium", "high", "xhigh", "max"), 3, True),
    "gpt-5.5": OpenAI(True, ("none", "low", "medium", "high", "xhigh"), 0, True),
    "o3": OpenAI(True, ("low", "medium", "high")),
    "gpt-4o": OpenAI(False),
}
_RICH = frozenset(("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain"))
GEMINI = {
    "gemini-3.5-flash": Gemini(True, True, True, "level", media_in_results=_RICH),
    "gemini-3.7-flash": Gemini(True, True, False, "level", media_in_results=_RICH),
    "gemini-2.5-flash": Gemini(False, False, True, "budget", structured_with_tools=False),
    "gemini-2.0-flash": Gemini(False, False, True, "none", json_schema=False, structured_with_tools=False),
}
MODELS: dict[Format, tuple[str, ...]] = {
    "openai_chat": tuple(OPENAI),
    "openai_responses": tuple(OPENAI),
    "anthropic": tuple(ANTHROPIC),
    "gemini": tuple(GEMINI),
}
