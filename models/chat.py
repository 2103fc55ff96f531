"""The canonical chat model: what every dialect decodes to and every provider is spoken to from.

msgspec structs rather than dicts, so that a request costs microseconds to decode, to carry between
replicas and to store, and so that a wrong field is an error where it enters. What messages are made of is
in `models.parts`. Chunks travel as arrays, being many and never stored; what is stored travels by name.
"""

from typing import Any, Literal

from msgspec import Struct
from msgspec.structs import astuple

from models.parts import CacheTtl as CacheTtl
from models.parts import Citation as Citation
from models.parts import File as File
from models.parts import Image as Image
from models.parts import Native as Native
from models.parts import Opaque as Opaque
from models.parts import Part as Part
from models.parts import Refusal as Refusal
from models.parts import Text as Text
from models.parts import Thinking as Thinking
from models.parts import ToolCall as ToolCall
from models.parts import ToolResult as ToolResult

Role = Literal["system", "developer", "user", "assistant", "tool"]
Effort = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]
FinishReason = Literal["stop", "length", "tool_calls", "content_filter", "refusal"]
ServerTool = Literal["web_search", "web_fetch", "maps", "file_search", "code_execution"]
"""Tools that providers run themselves, and may charge for."""


class Message(Struct, frozen=True, omit_defaults=True):
    """`tool` messages hold only `ToolResult` parts; `assistant` ones never do."""

    role: Role
    parts: tuple[Part, ...]
    name: str = ""
    opaque: tuple[Opaque, ...] = ()


class Tool(Struct, frozen=True, omit_defaults=True):
    name: str
    description: str = ""
    parameters: dict[str, Any] | None = None
    """JSON Schema of the arguments, an object."""
    strict: bool | None = None
    cache: CacheTtl | None = None
    freeform: bool = False
    """Takes one text rather than JSON (OpenAI's custom tools); to others it has one field, `input`."""
    opaque: tuple[Opaque, ...] = ()
    """With an artefact of kind `tool` it is one that the provider runs itself, and offered there alone."""


class ToolChoice(Struct, frozen=True, omit_defaults=True):
    mode: Literal["auto", "none", "required"] = "auto"
    names: tuple[str, ...] = ()
    """A call must be to one of these; to any tool where there are none."""


class ResponseFormat(Struct, frozen=True, omit_defaults=True):
    kind: Literal["text", "json_object", "json_schema"]
    name: str = ""
    description: str = ""
    schema: dict[str, Any] | None = None
    strict: bool | None = None
    opaque: tuple[Opaque, ...] = ()


class Reasoning(Struct, frozen=True, omit_defaults=True):
    effort: Effort | None = None
    budget_tokens: int | None = None
    include_thoughts: bool = False


class ChatRequest(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """One turn asked of a model. Sampling fields are wishes: each provider gets what its model accepts."""

    model: str
    """A catalogue model or alias, as the caller wrote it."""
    messages: tuple[Message, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    reasoning: Reasoning | None = None
    max_tokens: int | None = None
    """Ceiling of output tokens, reasoning included."""
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    service_tier: str | None = None
    end_user: str = ""
    """The caller's own id for its user; never the id of a Polyvox user."""
    stream: bool = False
    provider_options: dict[str, dict[str, Any]] = {}
    """Fields that exist at one provider only, by provider id; sent there and nowhere else."""
    provider_headers: dict[str, dict[str, str]] = {}
    """HTTP headers, likewise."""
    auto_cache: bool = False
    """The prompt is to be cached where that is likely to pay, if the caller has marked nothing itself."""
    dialect: str = ""
    """The provider whose own dialect the answer is written in: what it alone says comes along."""


class Usage(Struct, frozen=True, omit_defaults=True):
    """What a call used, in the one normal form: counts are disjoint, only `reasoning` is a part of `output`.

    `models.usage` makes it from what a provider counted.
    """

    input: int = 0
    """Input tokens that no cache served or stored and that are neither sound nor picture."""
    cache_read: int = 0
    cache_write_5m: int = 0
    cache_write_1h: int = 0
    output: int = 0
    """Output tokens that are neither sound nor picture."""
    reasoning: int = 0
    audio_input: int = 0
    image_input: int = 0
    cache_read_audio: int = 0
    """Sound that a cache served: some providers price it apart."""
    audio_output: int = 0
    image_output: int = 0
    tool_uses: tuple[tuple[ServerTool, int], ...] = ()
    """How often the provider used tools of its own, each tool once."""
    estimated: bool = False
    """The provider did not say; counted here instead."""

    @property
    def total_input(self) -> int:
        cached = self.cache_read + self.cache_read_audio + self.cache_write_5m + self.cache_write_1h
        return self.input + self.audio_input + self.image_input + cached

    @property
    def total_output(self) -> int:
        return self.output + self.audio_output + self.image_output

    @property
    def counts(self) -> tuple[int, ...]:
        """Every count, whatever it is of."""
        *tokens, tool_uses, _ = astuple(self)
        return (*tokens, *(uses for _, uses in tool_uses))


class ChatResponse(Struct, frozen=True, omit_defaults=True, kw_only=True):
    """A whole answer."""

    id: str
    """The provider's id of the answer."""
    model: str
    """The model that the provider says answered."""
    parts: tuple[Part, ...]
    finish: FinishReason
    usage: Usage
    stop_sequence: str = ""
    service_tier: str = ""
    opaque: tuple[Opaque, ...] = ()
    """Of kind `rest`: what else its provider's answer says, to be laid over the answer in its dialect."""


class Started(Struct, frozen=True, array_like=True, tag="started"):
    """First chunk of a stream."""

    id: str
    model: str
    usage: Usage | None = None
    """What the provider already says of the input, if anything."""
    opaque: tuple[Opaque, ...] = ()
    """Of kind `event`, as `OpaqueDelta` may hold."""


class TextDelta(Struct, frozen=True, array_like=True, tag="text"):
    """An empty one opens a part of its own."""

    text: str


class ThinkingDelta(Struct, frozen=True, array_like=True, tag="thinking"):
    text: str


class RefusalDelta(Struct, frozen=True, array_like=True, tag="refusal"):
    text: str


class CitationDelta(Struct, frozen=True, array_like=True, tag="citation"):
    citation: Citation


class ToolCallStarted(Struct, frozen=True, array_like=True, tag="tool_call"):
    index: int
    """Counts tool calls of the answer from 0."""
    id: str
    name: str
    arguments: str = ""
    opaque: tuple[Opaque, ...] = ()


class ToolCallDelta(Struct, frozen=True, array_like=True, tag="tool_arguments"):
    index: int
    arguments: str


class OpaqueDelta(Struct, frozen=True, array_like=True, tag="opaque"):
    """An artefact of the part that is open (thinking or text); of kind `block`, a part of its own.

    Of kind `event`: what else its provider's events say, to be laid over those in its dialect, from here on;
    of kind `raw_event`, an event that nobody knows.
    """

    opaque: Opaque


class Finished(Struct, frozen=True, array_like=True, tag="finished"):
    """Last chunk of a stream: nothing follows it."""

    finish: FinishReason
    usage: Usage
    stop_sequence: str = ""
    service_tier: str = ""


class Completed(Struct, frozen=True, array_like=True, tag="completed"):
    """The only chunk of an answer that was not streamed."""

    response: ChatResponse


Chunk = (
    Started
    | TextDelta
    | ThinkingDelta
    | RefusalDelta
    | CitationDelta
    | ToolCallStarted
    | ToolCallDelta
    | OpaqueDelta
    | Finished
    | Completed
)
