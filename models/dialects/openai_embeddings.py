"""OpenAI's embeddings: decode a request, encode an answer.

Fields as in the OpenAI API reference of November 2026 and openai 3.54's types. Others are ignored.
"""

import struct
from collections.abc import Iterator, Sequence
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Raw, Struct

from models.dialects.json_body import read_json
from models.embedding import EmbeddingRequest, TokenIds
from models.errors import InvalidRequest
from models.money import usd_text

MAX_INPUTS = 2_048
_ROWS_AT_ONCE = 32

Format = Literal["float", "base64"]
TokenId = Annotated[int, Meta(ge=0, le=2**31 - 1)]
Given = str | list[str | TokenId | list[TokenId]]


class Request(Struct, frozen=True, kw_only=True):
    model: Annotated[str, Meta(min_length=1, max_length=256)]
    input: Given
    dimensions: Annotated[int, Meta(ge=1, le=2**31 - 1)] | None = None
    encoding_format: Format | None = None
    user: str | None = None


class Ask(Struct, frozen=True):
    """A decoded request, with what only the answer's encoder needs."""

    request: EmbeddingRequest
    format: Format


class _Row(Struct, frozen=True):
    object: str
    index: int
    embedding: bytes | tuple[float, ...]


_request = msgspec.json.Decoder(Request)
_json = msgspec.json.Encoder().encode


def decode(body: bytes) -> Ask:
    """Raises InvalidRequest naming the field at fault."""
    asked = read_json(body, _request)
    inputs = _inputs(asked.input)
    if not inputs or not all(inputs):
        raise InvalidRequest("there is nothing to embed, or an empty text among the inputs", param="input")
    if len(inputs) > MAX_INPUTS:
        raise InvalidRequest(f"{len(inputs)} inputs are more than {MAX_INPUTS}", param="input")
    request = EmbeddingRequest(
        model=asked.model, inputs=inputs, dimensions=asked.dimensions, end_user=asked.user or ""
    )
    return Ask(request, asked.encoding_format or "float")


def encode(
    vectors: Sequence[bytes], format: Format, *, model: str, tokens: int, cost_pico: int
) -> Iterator[bytes]:
    """The answer in pieces: written as numbers, many vectors are many times as large as they are here."""
    opening = b'{"object":"list","data":['
    for start in range(0, len(vectors), _ROWS_AT_ONCE):
        some = vectors[start : start + _ROWS_AT_ONCE]
        rows = [_Row("embedding", start + i, _written(each, format)) for i, each in enumerate(some)]
        yield opening + _json(rows)[1:-1]
        opening = b","
    usage: dict[str, Any] = {
        "prompt_tokens": tokens,
        "total_tokens": tokens,
        "cost": Raw(usd_text(cost_pico).encode()),
    }
    yield b"]," + _json({"model": model, "usage": usage})[1:]


def _inputs(given: Given) -> tuple[str | TokenIds, ...]:
    """A list of numbers is one text; a list of anything else is of one kind."""
    if isinstance(given, str):
        return (given,)
    if len({type(each) for each in given}) > 1:
        raise InvalidRequest("the inputs are texts or token ids, not both", param="input")
    texts = tuple(each for each in given if isinstance(each, str))
    lists = tuple(tuple(each) for each in given if isinstance(each, list))
    ids = tuple(each for each in given if isinstance(each, int))
    return texts or lists or ((ids,) if ids else ())


def _written(vector: bytes, format: Format) -> bytes | tuple[float, ...]:
    """Bytes are written as base64."""
    return vector if format == "base64" else struct.unpack(f"<{len(vector) // 4}f", vector)
