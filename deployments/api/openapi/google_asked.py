"""What is read of a request of Google's dialect; other fields may be sent as well."""

from typing import Annotated, Any, Literal

from msgspec import Meta, Struct

Name = Annotated[str, Meta(min_length=1)]
Json = dict[str, Any]


class Camel(Struct, rename="camel"):
    """Names may be written in snake case too."""


class Blob(Camel):
    """Data in base64, or the address of a file."""

    mime_type: str | None = None
    data: str | None = None
    file_uri: str | None = None
    display_name: str | None = None


class FunctionCall(Camel):
    name: Name
    args: Json | None = None
    id: str | None = None


class FunctionResponse(Camel):
    name: Name
    response: Json | None = None
    id: str | None = None


class Part(Camel):
    text: str | None = None
    thought: bool | None = None
    thought_signature: str | None = None
    inline_data: Blob | None = None
    file_data: Blob | None = None
    function_call: FunctionCall | None = None
    function_response: FunctionResponse | None = None


class Contents(Camel):
    parts: list[Part]
    role: Literal["user", "model", "function"] | None = None


class FunctionDeclaration(Camel):
    name: Name
    description: str | None = None
    parameters: Json | None = None
    parameters_json_schema: Json | None = None


class GeminiTool(Camel):
    function_declarations: list[FunctionDeclaration] | None = None


class FunctionCalling(Camel):
    mode: Literal["AUTO", "NONE", "ANY"] | None = None
    allowed_function_names: list[str] | None = None


class ToolConfig(Camel):
    function_calling_config: FunctionCalling | None = None


class ThinkingConfig(Camel):
    thinking_level: Literal["minimal", "low", "medium", "high"] | None = None
    thinking_budget: int | None = None
    include_thoughts: bool | None = None


class GenerationConfig(Camel):
    max_output_tokens: Annotated[int, Meta(ge=0)] | None = None
    stop_sequences: list[str] | None = None
    temperature: float | None = None
    top_p: float | None = None
    top_k: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    seed: int | None = None
    response_mime_type: str | None = None
    response_schema: Json | None = None
    response_json_schema: Json | None = None
    thinking_config: ThinkingConfig | None = None
    candidate_count: Literal[1] | None = None


class GenerateContent(Camel):
    contents: str | Annotated[list[Contents], Meta(min_length=1)]
    system_instruction: str | Contents | None = None
    tools: list[GeminiTool] | None = None
    tool_config: ToolConfig | None = None
    generation_config: GenerationConfig | None = None
    service_tier: str | None = None


class CountTokens(Camel):
    contents: str | Annotated[list[Contents], Meta(min_length=1)] | None = None
    generate_content_request: GenerateContent | None = None
