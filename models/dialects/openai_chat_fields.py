"""OpenAI's chat completions request, typed: what `POST /v1/chat/completions` accepts.

Fields as in the OpenAI API reference of November 2026 and openai 3.54's types. Fields that are not
named here are accepted and ignored, as OpenAI-compatible servers do; `docs/api.md` lists them.
"""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from models.chat import Effort

Text = Annotated[str, Meta(max_length=10_000_000)]
Name = Annotated[str, Meta(min_length=1, max_length=256)]


class Breakpoint(Struct, frozen=True, omit_defaults=True):
    mode: Literal["explicit"]
    ttl: Literal["30m", "12h"] | None = None


class TextPart(Struct, frozen=True, tag_field="type", tag="text"):
    text: Text
    prompt_cache_breakpoint: Breakpoint | None = None


class RefusalPart(Struct, frozen=True, tag_field="type", tag="refusal"):
    refusal: Text


class ImageUrl(Struct, frozen=True):
    url: str
    detail: Literal["auto", "low", "high", "original"] | None = None


class ImagePart(Struct, frozen=True, tag_field="type", tag="image_url"):
    image_url: ImageUrl
    prompt_cache_breakpoint: Breakpoint | None = None


class InputAudio(Struct, frozen=True):
    data: str
    format: Literal["wav", "mp3"]


class AudioPart(Struct, frozen=True, tag_field="type", tag="input_audio"):
    input_audio: InputAudio


class FileData(Struct, frozen=True):
    file_data: str | None = None
    file_id: str | None = None
    filename: str | None = None


class FilePart(Struct, frozen=True, tag_field="type", tag="file"):
    file: FileData
    prompt_cache_breakpoint: Breakpoint | None = None


Part = TextPart | RefusalPart | ImagePart | AudioPart | FilePart


class FunctionCall(Struct, frozen=True):
    name: Name
    arguments: str | None = None


class ToolCall(Struct, frozen=True, tag_field="type", tag="function"):
    id: Name
    function: FunctionCall
    extra_content: dict[str, Any] | None = None
    """Google's, whose OpenAI-like API keeps a call's signature here."""


class CustomInput(Struct, frozen=True):
    name: Name
    input: Text


class CustomCall(Struct, frozen=True, tag_field="type", tag="custom"):
    id: Name
    custom: CustomInput


class Audio(Struct, frozen=True):
    id: str


class System(Struct, frozen=True, tag_field="role", tag="system"):
    content: Text | list[TextPart]
    name: str | None = None


class Developer(Struct, frozen=True, tag_field="role", tag="developer"):
    content: Text | list[TextPart]
    name: str | None = None


class User(Struct, frozen=True, tag_field="role", tag="user"):
    content: Text | list[Part]
    name: str | None = None


class Assistant(Struct, frozen=True, tag_field="role", tag="assistant"):
    content: Text | list[TextPart | RefusalPart] | None = None
    refusal: str | None = None
    tool_calls: list[ToolCall | CustomCall] | None = None
    name: str | None = None
    audio: Audio | None = None
    function_call: FunctionCall | None = None
    """What came before tool calls, and had no ids."""
    reasoning_content: str | None = None
    reasoning: str | None = None
    """Thoughts, as vLLM and Ollama call them."""


class ToolResult(Struct, frozen=True, tag_field="role", tag="tool"):
    """Pictures and files are more than OpenAI takes here: the other providers' tools return them."""

    content: Text | list[Part] | None
    tool_call_id: Name


class FunctionResult(Struct, frozen=True, tag_field="role", tag="function"):
    content: Text | None
    name: Name


Message = System | Developer | User | Assistant | ToolResult | FunctionResult


class Function(Struct, frozen=True):
    name: Name
    description: str | None = None
    parameters: dict[str, Any] | None = None
    strict: bool | None = None


class Tool(Struct, frozen=True, tag_field="type", tag="function"):
    function: Function


class Custom(Struct, frozen=True):
    name: Name
    description: str | None = None
    format: dict[str, Any] | None = None


class CustomTool(Struct, frozen=True, tag_field="type", tag="custom"):
    custom: Custom


class ToolName(Struct, frozen=True):
    name: Name


class NamedTool(Struct, frozen=True, tag_field="type", tag="function"):
    function: ToolName


class NamedCustom(Struct, frozen=True, tag_field="type", tag="custom"):
    custom: ToolName


class AllowedTools(Struct, frozen=True):
    mode: Literal["auto", "required"]
    tools: list[NamedTool | NamedCustom]


class AllowedChoice(Struct, frozen=True, tag_field="type", tag="allowed_tools"):
    allowed_tools: AllowedTools


class TextFormat(Struct, frozen=True, tag_field="type", tag="text"):
    pass


class JsonObjectFormat(Struct, frozen=True, tag_field="type", tag="json_object"):
    pass


class JsonSchema(Struct, frozen=True):
    name: Name
    schema: dict[str, Any] | None = None
    description: str | None = None
    strict: bool | None = None


class JsonSchemaFormat(Struct, frozen=True, tag_field="type", tag="json_schema"):
    json_schema: JsonSchema


class StreamOptions(Struct, frozen=True):
    include_usage: bool | None = None


PositiveInt = Annotated[int, Meta(ge=1, le=2**31 - 1)]
Int64 = Annotated[int, Meta(ge=-(2**63), le=2**63 - 1)]
Penalty = Annotated[float, Meta(ge=-2, le=2)]


class Request(Struct, frozen=True, kw_only=True):
    model: Name
    messages: Annotated[list[Message], Meta(min_length=1, max_length=100_000)]
    tools: Annotated[list[Tool | CustomTool], Meta(max_length=1_000)] | None = None
    tool_choice: Literal["none", "auto", "required"] | NamedTool | NamedCustom | AllowedChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: TextFormat | JsonObjectFormat | JsonSchemaFormat | None = None
    reasoning_effort: Effort | None = None
    verbosity: Literal["low", "medium", "high"] | None = None
    max_completion_tokens: PositiveInt | None = None
    max_tokens: PositiveInt | None = None
    stop: str | Annotated[list[str], Meta(max_length=16)] | None = None
    temperature: Annotated[float, Meta(ge=0, le=2)] | None = None
    top_p: Annotated[float, Meta(ge=0, le=1)] | None = None
    presence_penalty: Penalty | None = None
    frequency_penalty: Penalty | None = None
    seed: Int64 | None = None
    service_tier: str | None = None
    user: str | None = None
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    metadata: dict[str, Any] | None = None
    # Fields that only OpenAI's own models know: forwarded to them, dropped for others.
    logit_bias: dict[str, float] | None = None
    prediction: dict[str, Any] | None = None
    prompt_cache_key: str | None = None
    safety_identifier: str | None = None
    # Fields that would change the shape of the answer in ways that Polyvox does not carry.
    n: PositiveInt | None = None
    logprobs: bool | None = None
    audio: Any = None
    functions: list[Function] | None = None
    function_call: Literal["none", "auto"] | ToolName | None = None
