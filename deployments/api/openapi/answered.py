"""Answers of the hot path as types: what every one of them has. Others' fields may stand beside."""

from typing import Any, Literal

from msgspec import Struct

Json = dict[str, Any]


class OpenAIError(Struct):
    message: str
    type: str
    param: str | None
    code: str
    provider: str | None = None
    """Where a provider is the cause."""
    provider_status: int | None = None
    provider_code: str | None = None


class OpenAIFailure(Struct):
    error: OpenAIError


class AnthropicError(Struct):
    type: str
    message: str
    details: Json
    """`error_code`, and what else is known."""


class AnthropicFailure(Struct):
    type: Literal["error"]
    error: AnthropicError
    request_id: str


class GoogleError(Struct):
    code: int
    message: str
    status: str
    details: list[Json]


class GoogleFailure(Struct):
    error: GoogleError


class Healthy(Struct):
    status: Literal["ok"]


class Ready(Struct):
    status: Literal["ready"]


class Starting(Struct):
    status: Literal["starting"]
    waiting_for: list[str]


class Usage(Struct):
    prompt_tokens: int
    total_tokens: int
    completion_tokens: int | None = None
    cost: float | None = None
    """USD."""


class Choice(Struct):
    index: int
    message: Json
    finish_reason: str


class ChatCompletion(Struct):
    id: str
    object: Literal["chat.completion"]
    created: int
    model: str
    choices: list[Choice]
    usage: Usage


class Embedding(Struct):
    object: Literal["embedding"]
    index: int
    embedding: list[float] | str


class EmbeddingList(Struct):
    object: Literal["list"]
    data: list[Embedding]
    model: str
    usage: Usage


class AnthropicUsage(Struct):
    input_tokens: int
    output_tokens: int
    cache_creation_input_tokens: int
    cache_read_input_tokens: int
    cost: float | None = None


class MessageAnswer(Struct):
    id: str
    type: Literal["message"]
    role: Literal["assistant"]
    model: str
    content: list[Json]
    stop_reason: str | None
    stop_sequence: str | None
    usage: AnthropicUsage


class InputTokens(Struct):
    input_tokens: int


class ResponseTokens(Struct):
    object: Literal["response.input_tokens"]
    input_tokens: int


class ResponsesUsage(Struct):
    input_tokens: int
    output_tokens: int
    total_tokens: int
    cost: float | None = None


class Response(Struct):
    id: str
    object: Literal["response"]
    created_at: int
    status: Literal["completed", "incomplete", "in_progress", "failed"]
    model: str
    output: list[Json]
    usage: ResponsesUsage | None


class ResponseGone(Struct):
    id: str
    object: Literal["response.deleted"]
    deleted: bool


class Compaction(Struct):
    id: str
    object: Literal["response.compaction"]
    created_at: int
    output: list[Json]
    usage: ResponsesUsage


class Generated(Struct, rename="camel"):
    candidates: list[Json]
    usage_metadata: Json
    model_version: str
    response_id: str


class GeneratedPiece(Struct, rename="camel"):
    """The last one has the usage."""

    candidates: list[Json]
    model_version: str
    response_id: str
    usage_metadata: Json | None = None


class TotalTokens(Struct, rename="camel"):
    total_tokens: int


class File(Struct):
    id: str
    object: Literal["file"]
    bytes: int
    created_at: int
    expires_at: int | None
    filename: str
    purpose: str


class OpenAIModel(Struct):
    id: str
    object: Literal["model"]
    created: int
    owned_by: str
    kind: str | None = None
    context_length: int | None = None
    max_output_tokens: int | None = None
    tier: str | None = None
    capabilities: list[str] | None = None
    pricing: dict[str, float] | None = None
    """USD per token."""
    simulated: bool | None = None


class OpenAIModels(Struct):
    object: Literal["list"]
    data: list[OpenAIModel]


class AnthropicModel(Struct):
    type: Literal["model"]
    id: str
    display_name: str
    created_at: str


class AnthropicModels(Struct):
    data: list[AnthropicModel]
    has_more: bool
    first_id: str
    last_id: str


class GoogleModel(Struct, rename="camel"):
    name: str
    base_model_id: str
    display_name: str
    supported_generation_methods: list[str]


class GoogleModels(Struct):
    models: list[GoogleModel]


class Sent(Struct, rename="camel"):
    id: str
    conversation_id: str
    model_id: str
    provider: str
    message: Json
    finish_reason: str
    usage: Json
    cost_usd: str
    preserve_context: bool
    context_report: Json | None


class Switch(Struct, rename="camel"):
    conversation_id: str
    version: int
    previous_model_id: str | None
    model_id: str
    preserve_context: bool
    preservation_score: float
    compressed: bool
    parts: Json
    facts: Json
    shares: Json
    open_tool_calls: list[str]
    context_report: Json
    warnings: list[str]


MODEL = OpenAIModel | AnthropicModel | GoogleModel
MODELS = OpenAIModels | AnthropicModels | GoogleModels
"""By who asks."""
