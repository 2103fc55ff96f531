"""What a call may cost at most, and what it probably costs, before or without the provider's word."""

import msgspec
from msgspec import Struct

from models.catalog import Model, Price
from models.chat import (
    ChatRequest,
    File,
    Image,
    Message,
    Native,
    Opaque,
    Part,
    Refusal,
    Text,
    Thinking,
    Tool,
    ToolCall,
    Usage,
)
from models.ledger.experience import ByEffort, Ratio
from models.ledger.pricing import InputKind, OutputKind, ceiling
from models.money import Pico

USUAL_OUTPUT_TOKENS = 4_096
"""Answers are rarely longer; held for where the caller set no limit and money is short."""
LEAST_OUTPUT_TOKENS = 16
"""A call that could not answer with more is not made."""

_REQUEST_TOKENS = 32
_MESSAGE_TOKENS = 16
"""Role, separators and template of a message; the providers' own are 3 to 8."""
_TOOLS_TOKENS = 1_024
"""The system prompt that a provider adds to describe tools: 313 to 496 tokens at Anthropic
(platform.claude.com, Tool use, Pricing), less elsewhere."""
_IMAGE_TOKENS = 8_192
"""An image in its highest detail: the dearest published rule (Anthropic's) stays below 5,000."""

_SOUND = "audio"
"""Kind of an artefact that names sound kept at its provider."""

_OUTPUT_KINDS: tuple[OutputKind, ...] = ("output", "reasoning")
_TEXT_KINDS: tuple[InputKind, ...] = ("input", "cache_read", "cache_write_5m")

_PRIOR_UNITS = 4_000


class Size(Struct, frozen=True):
    """What of a request can be counted without a tokenizer."""

    text_bytes: int
    """UTF-8 bytes of every text. Byte-level tokenizers never make more tokens than there are bytes."""
    overhead: int
    """Most tokens that templates, tools and images add."""
    is_bounded: bool = True
    """False where something lies behind a URL or an id, or is a document whose pages are not known."""
    has_audio: bool = False
    has_images: bool = False
    long_cache: bool = False

    def bound(self, model: Model) -> int:
        """No request of this size has more input tokens for the model that takes it."""
        return min(self.text_bytes + self.overhead, model.max_input) if self.is_bounded else model.max_input


class Quote(Struct, frozen=True):
    """What has to be held for a call: from the shortest answer worth having to the longest possible."""

    least_pico: int
    usual_pico: int
    most_pico: int
    input_pico: int
    output_rate_pico: int

    def max_tokens(self, granted_pico: int) -> int | None:
        """The longest answer that so much pays for; None where no answer can be dearer."""
        if granted_pico >= self.most_pico or not self.output_rate_pico:
            return None
        return (granted_pico - self.input_pico) // self.output_rate_pico


def size_of(request: ChatRequest) -> Size:
    size = _Measured()
    for message in request.messages:
        size.message(message)
    for tool in request.tools:
        size.tool(tool)
    if request.tools:
        size.overhead += _TOOLS_TOKENS
    if request.response_format is not None and request.response_format.schema is not None:
        size.text_bytes += 2 * len(msgspec.json.encode(request.response_format.schema))
    return Size(
        size.text_bytes, size.overhead, size.is_bounded, size.has_audio, size.has_images, size.long_cache
    )


def quote(request: ChatRequest, size: Size, *, model: Model, price: Price) -> Quote:
    """Raises UnknownPrice where a call of this size may have none."""
    kinds = _TEXT_KINDS
    kinds += ("cache_write_1h",) if size.long_cache else ()
    kinds += ("audio_input", "cache_read_audio") if size.has_audio else ()
    kinds += ("image_input",) if size.has_images else ()
    tokens = size.bound(model)
    most_tokens = min(request.max_tokens or model.max_output, model.max_output)
    usual_tokens = most_tokens if request.max_tokens else min(most_tokens, USUAL_OUTPUT_TOKENS)
    tiers = {request.service_tier or "standard", "standard"}
    if request.service_tier == "auto" and any(rates.service == "priority" for rates in price.rates):
        tiers.add("priority")  # where the provider is left the choice

    def at_most(output_tokens: int) -> Pico:
        return max(
            ceiling(
                price,
                input_tokens=tokens,
                max_tokens=output_tokens,
                service_tier=tier,
                input_kinds=kinds,
                output_kinds=_OUTPUT_KINDS,
            )
            for tier in tiers
        )

    no_output = at_most(0)
    rate = at_most(1) - no_output
    return Quote(
        least_pico=no_output + rate * min(most_tokens, LEAST_OUTPUT_TOKENS),
        usual_pico=no_output + rate * usual_tokens,
        most_pico=no_output + rate * most_tokens,
        input_pico=no_output,
        output_rate_pico=rate,
    )


def effort_of(request: ChatRequest) -> str:
    """How much the model was asked to think, in few different words: budgets of one magnitude are alike."""
    asked = request.reasoning
    if asked is None:
        return ""
    return asked.effort or ("" if asked.budget_tokens is None else str(asked.budget_tokens.bit_length()))


class Estimator:
    """Usage that a provider has not told, by what it has told of other calls of the same model.

    Starts from four bytes a token, which is about right for English, and is soon the model's own.
    """

    def __init__(self) -> None:
        self._models: dict[str, _Learned] = {}

    def learn(
        self,
        model_id: str,
        size: Size,
        usage: Usage,
        *,
        shown_chars: int,
        thoughts_shown: bool,
        effort: str = "",
        waited_ms: int | None = None,
    ) -> None:
        """From a complete answer: `shown_chars` of text, thoughts and arguments were in it, the first of them
        after `waited_ms`, if it was a stream."""
        learned = self._of(model_id)
        if not (size.has_images or size.has_audio or not size.is_bounded):
            learned.input.learn(usage.total_input, size.text_bytes)
        hidden = 0 if thoughts_shown else usage.reasoning
        learned.output.learn(usage.output - hidden, shown_chars)
        if not thoughts_shown:
            learned.hidden.learn(hidden, effort, waited_ms=waited_ms)
        learned.answers.learn(usage.output, effort)

    def input_tokens(self, model: Model, size: Size) -> int:
        """At least one: no call is without."""
        tokens = max(1, round(self._of(model.id).input.of(size.text_bytes)))
        return min(tokens + (size.overhead // 4 if size.has_images else 0), size.bound(model))

    def output_tokens(
        self,
        model_id: str,
        *,
        shown_chars: int,
        thoughts_shown: bool,
        effort: str = "",
        waited_ms: int | None = None,
    ) -> int:
        """Of an answer that was cut: hidden thoughts came before its first character.

        They are made one after another, so the wait tells how many there are, where it is not lost among
        other delays. Nothing else does before the end.
        """
        learned, hidden = self._of(model_id), 0.0
        if shown_chars and not thoughts_shown:
            hidden = learned.hidden.of(effort, waited_ms=waited_ms)
        elif waited_ms is not None and not shown_chars:
            hidden = learned.hidden.so_far(effort, waited_ms=waited_ms)
        return round(learned.output.of(shown_chars) + hidden)

    def whole_answer_tokens(self, model_id: str, *, effort: str = "") -> int:
        """Of an answer that nobody saw."""
        return round(self._of(model_id).answers.of(effort))

    def _of(self, model_id: str) -> "_Learned":
        return self._models.setdefault(model_id, _Learned())


class _Learned:
    def __init__(self) -> None:
        self.input = Ratio(0.25, prior_units=_PRIOR_UNITS)
        self.output = Ratio(0.25, prior_units=_PRIOR_UNITS)
        self.hidden = ByEffort(0.0)
        self.answers = ByEffort(400.0)


class _Measured:
    """A request's size while it is being taken."""

    def __init__(self) -> None:
        self.text_bytes = 0
        self.overhead = _REQUEST_TOKENS
        self.is_bounded = True
        self.has_audio = False
        self.has_images = False
        self.long_cache = False

    def message(self, message: Message) -> None:
        self.overhead += _MESSAGE_TOKENS
        self.opaque(message.opaque)
        for part in message.parts:
            if type(part) is Text:
                self.text(part.text)
                self.long_cache = self.long_cache or part.cache == "1h"
                if part.opaque or part.citations:
                    self.artefacts(part)
            else:
                self.part(part)

    def tool(self, tool: Tool) -> None:
        self.overhead += _MESSAGE_TOKENS
        # What a provider makes of a schema repeats its keys in a language of its own.
        self.text_bytes += 2 * (len(tool.name) + len(msgspec.json.encode(tool.parameters)))
        self.text(tool.description)
        self.opaque(tool.opaque)
        self.long_cache = self.long_cache or tool.cache == "1h"

    def text(self, text: str) -> None:
        self.text_bytes += len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))

    def opaque(self, held: tuple[Opaque, ...]) -> None:
        for artefact in held:
            self.text(artefact.value)

    def artefacts(self, part: Text) -> None:
        self.opaque(part.opaque)
        for citation in part.citations:
            for text in (citation.text, citation.title, citation.url):
                self.text(text)
            if citation.opaque is not None:
                self.text(citation.opaque.value)

    def part(self, part: Part) -> None:
        self.long_cache = self.long_cache or getattr(part, "cache", None) == "1h"
        if isinstance(part, Native):
            self.text(part.opaque.value)
            self.overhead += _IMAGE_TOKENS  # there may be pictures inside
            self.has_images = True
            if part.opaque.kind == _SOUND:
                self.is_bounded, self.has_audio = False, True
        elif not isinstance(part, Text):
            self.opaque(part.opaque)
        match part:
            case Text(text=text):
                self.text(text)
                self.artefacts(part)
            case Refusal(text=text):
                self.text(text)
            case Image():
                self.overhead += _IMAGE_TOKENS
                self.has_images = True
            case File(text=text) if text:
                self.text(text)
            case File(media_type=media_type):
                self.is_bounded = False
                self.has_audio = self.has_audio or media_type.startswith(("audio/", "video/"))
                self.has_images = True
            case ToolCall(name=name, arguments=arguments):
                self.overhead += _MESSAGE_TOKENS
                self.text(name)
                self.text(arguments)
            case Thinking(text=text):
                self.text(text)
            case _:
                self.overhead += _MESSAGE_TOKENS
                for inner in part.parts:
                    self.part(inner)
