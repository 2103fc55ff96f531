"""What is read of a request of Anthropic's dialect; other fields may be sent as well."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1)]
Json = dict[str, Any]


class CacheControl(Struct, tag_field="type", tag="ephemeral"):
    ttl: Literal["5m", "1h"] | None = None


class Base64Source(Struct, tag_field="type", tag="base64"):
    data: str
    media_type: str | None = None


class UrlSource(Struct, tag_field="type", tag="url"):
    url: str


class FileSource(Struct, tag_field="type", tag="file"):
    file_id: str


class TextSource(Struct, tag_field="type", tag="text"):
    data: str


Source = Base64Source | UrlSource | FileSource | TextSource


class TextBlock(Struct, tag_field="type", tag="text"):
    text: str
    citations: list[Json] | None = None
    cache_control: CacheControl | None = None


class ImageBlock(Struct, tag_field="type", tag="image"):
    source: Base64Source | UrlSource | FileSource
    cache_control: CacheControl | None = None


class DocumentBlock(Struct, tag_field="type", tag="document"):
    source: Source
    title: str | None = None
    cache_control: CacheControl | None = None


class ThinkingBlock(Struct, tag_field="type", tag="thinking"):
    thinking: str
    signature: str | None = None


class RedactedThinking(Struct, tag_field="type", tag="redacted_thinking"):
    data: str


class ToolUse(Struct, tag_field="type", tag="tool_use"):
    id: Name
    name: Name
    input: Json | None = None


class ToolResult(Struct, tag_field="type", tag="tool_result"):
    tool_use_id: Name
    content: str | list[TextBlock | ImageBlock | DocumentBlock] | None = None
    is_error: bool | None = None
    cache_control: CacheControl | None = None


Block = TextBlock | ImageBlock | DocumentBlock | ThinkingBlock | RedactedThinking | ToolUse | ToolResult


class AnthropicMessage(Struct):
    role: Literal["user", "assistant", "system"]
    content: str | list[Block]


class AnthropicTool(Struct):
    name: Name
    description: str | None = None
    input_schema: Json | None = None
    strict: bool | None = None
    type: str | None = None
    """Other types than `custom` are Anthropic's own."""
    cache_control: CacheControl | None = None


class AnthropicChoice(Struct):
    type: Literal["auto", "none", "any", "tool"]
    name: str | None = None
    disable_parallel_tool_use: bool | None = None


class AnthropicThinking(Struct):
    type: Literal["adaptive", "enabled", "disabled"]
    budget_tokens: int | None = None
    display: Literal["summarized", "omitted"] | None = None


class OutputFormat(Struct, tag_field="type", tag="json_schema"):
    schema: Json


class OutputConfig(Struct):
    effort: Literal["low", "medium", "high", "xhigh", "max"] | None = None
    format: OutputFormat | None = None


class AnthropicMetadata(Struct):
    user_id: str | None = None
    conversation_id: str | None = None


class CountMessages(Struct):
    """Of a request's messages, tools and instructions."""

    model: Name
    messages: Annotated[list[AnthropicMessage], Meta(min_length=1)]
    system: str | list[TextBlock] | None = None
    tools: list[AnthropicTool] | None = None
    tool_choice: AnthropicChoice | None = None
    thinking: AnthropicThinking | None = None


class CreateMessage(CountMessages):
    max_tokens: Annotated[int, Meta(ge=0)] | None = None
    stream: bool | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    output_config: OutputConfig | None = None
    service_tier: str | None = None
    metadata: AnthropicMetadata | None = None
