"""How embeddings are asked for and answered on the wire: pure functions, one codec for each protocol.

OpenAI: API reference, embeddings, November 2026. Google: the Gemini API's `batchEmbedContents`, as
google-genai 3.4 speaks it; since 2026 its answers may count tokens in `usageMetadata`, unpromised.
"""

import struct
from collections.abc import Mapping
from typing import Any
from typing import Protocol as Interface

import msgspec
from msgspec import Struct

from models.chat import Usage
from models.embedding import EmbeddingRequest, EmbeddingResponse
from models.providers.clients import Protocol
from models.usage import UNKNOWN, normal_usage, read_counts

_FLOAT_BYTES = 4


class Codec(Interface):
    def encode(self, request: EmbeddingRequest, *, model: str) -> dict[str, Any]: ...

    def decode(self, body: bytes, *, inputs: int) -> EmbeddingResponse:
        """Raises ValueError where the answer is none to so many inputs."""
        ...


class _OpenAIRow(Struct, frozen=True):
    index: int
    embedding: bytes | list[float]
    """Base64 was asked for; not every server of this protocol knows it."""


class _OpenAIUsage(Struct, frozen=True):
    prompt_tokens: int


class _OpenAIAnswer(Struct, frozen=True):
    data: list[_OpenAIRow]
    usage: Any = None


class _OpenAI:
    _answers = msgspec.json.Decoder(_OpenAIAnswer)

    def encode(self, request: EmbeddingRequest, *, model: str) -> dict[str, Any]:
        body: dict[str, Any] = {"model": model, "input": request.inputs, "encoding_format": "base64"}
        if request.dimensions is not None:
            body["dimensions"] = request.dimensions
        if request.end_user:
            body["user"] = request.end_user
        return body

    def decode(self, body: bytes, *, inputs: int) -> EmbeddingResponse:
        answer = self._answers.decode(body)
        rows = sorted(answer.data, key=lambda row: row.index)
        if [row.index for row in rows] != list(range(inputs)):
            raise ValueError("not one vector for each input")
        counted = read_counts(answer.usage, _OpenAIUsage)
        return EmbeddingResponse(
            vectors=tuple(_vector(row.embedding) for row in rows),
            usage=_usage(counted.prompt_tokens if counted else None),
        )


class _GoogleVector(Struct, frozen=True):
    values: list[float]


class _GoogleUsage(Struct, frozen=True, rename="camel"):
    prompt_token_count: int


class _GoogleAnswer(Struct, frozen=True, rename="camel"):
    embeddings: list[_GoogleVector]
    usage_metadata: Any = None


class _Google:
    _answers = msgspec.json.Decoder(_GoogleAnswer)

    def encode(self, request: EmbeddingRequest, *, model: str) -> dict[str, Any]:
        """Each text is a request of its own: of several in one content some models make a single vector."""
        common: dict[str, Any] = {"model": model if "/" in model else f"models/{model}"}
        if request.dimensions is not None:
            common["outputDimensionality"] = request.dimensions
        return {"requests": [common | {"content": {"parts": [{"text": text}]}} for text in request.inputs]}

    def decode(self, body: bytes, *, inputs: int) -> EmbeddingResponse:
        answer = self._answers.decode(body)
        if len(answer.embeddings) != inputs:
            raise ValueError("not one vector for each input")
        counted = read_counts(answer.usage_metadata, _GoogleUsage)
        return EmbeddingResponse(
            vectors=tuple(_vector(each.values) for each in answer.embeddings),
            usage=_usage(counted.prompt_token_count if counted else None),
        )


CODECS: Mapping[Protocol, Codec] = {"openai_chat": _OpenAI(), "google_generate": _Google()}
"""Anthropic has no embeddings."""


def _usage(tokens: int | None) -> Usage:
    return UNKNOWN if tokens is None else normal_usage("included", input=tokens, output=0)


def _vector(given: bytes | list[float]) -> bytes:
    if isinstance(given, bytes):
        made = given
    else:
        try:
            made = struct.pack(f"<{len(given)}f", *given)
        except OverflowError:
            raise ValueError("a number beyond float32") from None
    if not made or len(made) % _FLOAT_BYTES:
        raise ValueError("a vector that is none")
    return made
