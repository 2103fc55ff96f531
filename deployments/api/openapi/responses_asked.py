"""What is read of a request for a response of OpenAI's; other fields may be sent as well."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

from models.chat import Effort

Json = dict[str, Any]


class Content(Struct):
    """A part of a message or of a tool's output: its fields are those of its type."""

    type: Literal["input_text", "output_text", "refusal", "input_image", "input_file"]
    text: str | None = None
    refusal: str | None = None
    image_url: str | None = None
    detail: Literal["auto", "low", "high", "original"] | None = None
    file_data: str | None = None
    file_url: str | None = None
    file_id: str | None = None
    filename: str | None = None
    annotations: list[Json] | None = None


class Item(Struct):
    """What was said, called or thought: its fields are those of its type, `message` if there is none."""

    type: str | None = None
    role: Literal["system", "developer", "user", "assistant"] | None = None
    content: str | list[Content] | None = None
    call_id: str | None = None
    name: str | None = None
    namespace: str | None = None
    arguments: str | None = None
    input: str | None = None
    output: str | list[Content] | None = None
    summary: list[Json] | None = None
    encrypted_content: str | None = None


class ResponsesTool(Struct):
    type: str
    name: str | None = None
    description: str | None = None
    parameters: Json | None = None
    strict: bool | None = None
    tools: list[Json] | None = None
    """Of a namespace."""


class ResponsesText(Struct):
    format: Json | None = None
    verbosity: Literal["low", "medium", "high"] | None = None


class ResponsesReasoning(Struct):
    effort: Effort | None = None
    summary: Literal["auto", "concise", "detailed"] | None = None


Said = str | Annotated[list[Item], Meta(min_length=1)]


class CompactResponse(Struct):
    model: Annotated[str, Meta(min_length=1)]
    input: Said | None = None
    instructions: str | None = None
    previous_response_id: str | None = None


class CreateResponse(Struct):
    input: Said
    model: str | None = None
    """May be left out in a conversation."""
    instructions: str | None = None
    previous_response_id: str | None = None
    conversation: str | Json | None = None
    store: bool | None = None
    stream: bool | None = None
    tools: list[ResponsesTool] | None = None
    tool_choice: Literal["auto", "none", "required"] | Json | None = None
    parallel_tool_calls: bool | None = None
    text: ResponsesText | None = None
    reasoning: ResponsesReasoning | None = None
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    temperature: float | None = None
    top_p: float | None = None
    service_tier: str | None = None
    user: str | None = None
    metadata: Json | None = None
