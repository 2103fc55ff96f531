"""Embeddings on the wire: what is asked for, what is read out of an answer, and what is none."""

import base64
import struct
from typing import Any

import orjson
import pytest

from models.chat import Usage
from models.embedding import EmbeddingRequest
from models.providers.clients import Protocol
from models.providers.embeddings import CODECS
from models.usage import UNKNOWN

OPENAI: Protocol = "openai_chat"
GOOGLE: Protocol = "google_generate"


def packed(*numbers: float) -> bytes:
    return struct.pack(f"<{len(numbers)}f", *numbers)


def b64(*numbers: float) -> str:
    return base64.b64encode(packed(*numbers)).decode()


def row(index: int, embedding: object) -> dict[str, Any]:
    return {"object": "embedding", "index": index, "embedding": embedding}


@pytest.mark.parametrize(
    ("protocol", "request_", "body"),
    [
        (
            OPENAI,
            EmbeddingRequest(model="m", inputs=("a", "b")),
            {"model": "wire", "input": ["a", "b"], "encoding_format": "base64"},
        ),
        (
            OPENAI,
            EmbeddingRequest(model="m", inputs=((1, 2), (3,)), dimensions=8, end_user="ada"),
            {
                "model": "wire",
                "input": [[1, 2], [3]],
                "encoding_format": "base64",
                "dimensions": 8,
                "user": "ada",
            },
        ),
        (
            GOOGLE,
            EmbeddingRequest(model="m", inputs=("a", "b"), dimensions=8, end_user="ada"),
            {
                "requests": [
                    {
                        "model": "models/wire",
                        "content": {"parts": [{"text": text}]},
                        "outputDimensionality": 8,
                    }
                    for text in "ab"
                ]
            },
        ),
        (
            GOOGLE,
            EmbeddingRequest(model="m", inputs=("a",)),
            {"requests": [{"model": "models/wire", "content": {"parts": [{"text": "a"}]}}]},
        ),
    ],
)
def test_what_is_asked_for(protocol: Protocol, request_: EmbeddingRequest, body: dict[str, Any]) -> None:
    assert orjson.loads(orjson.dumps(CODECS[protocol].encode(request_, model="wire"))) == body


@pytest.mark.parametrize(
    ("protocol", "body", "usage"),
    [
        (
            OPENAI,
            {
                "data": [row(0, b64(1, 0.5)), row(1, b64(0, -1))],
                "usage": {"prompt_tokens": 5, "total_tokens": 5},
            },
            Usage(input=5),
        ),
        (
            OPENAI,
            {"data": [row(1, [0, -1.0]), row(0, [1, 0.5])], "usage": {"prompt_tokens": 5}},
            Usage(input=5),
        ),
        (OPENAI, {"data": [row(0, b64(1, 0.5)), row(1, b64(0, -1))]}, UNKNOWN),
        (
            OPENAI,
            {"data": [row(0, b64(1, 0.5)), row(1, b64(0, -1))], "usage": {"prompt_tokens": 0}},
            UNKNOWN,
        ),
        (
            OPENAI,
            {"data": [row(0, b64(1, 0.5)), row(1, b64(0, -1))], "usage": {"prompt_tokens": -5}},
            UNKNOWN,
        ),
        (
            OPENAI,
            {"data": [row(0, b64(1, 0.5)), row(1, b64(0, -1))], "usage": {"prompt_tokens": "many"}},
            UNKNOWN,
        ),
        (
            GOOGLE,
            {
                "embeddings": [{"values": [1, 0.5]}, {"values": [0.0, -1]}],
                "usageMetadata": {"promptTokenCount": 5, "promptTokenDetails": []},
            },
            Usage(input=5),
        ),
        (GOOGLE, {"embeddings": [{"values": [1, 0.5]}, {"values": [0, -1]}]}, UNKNOWN),
        (
            GOOGLE,
            {"embeddings": [{"values": [1, 0.5]}, {"values": [0, -1]}], "usageMetadata": {}},
            UNKNOWN,
        ),
    ],
)
def test_u6_what_is_read_out_of_an_answer(protocol: Protocol, body: dict[str, Any], usage: Usage) -> None:
    response = CODECS[protocol].decode(orjson.dumps(body), inputs=2)
    assert response.vectors == (packed(1, 0.5), packed(0, -1))
    assert response.usage == usage


@pytest.mark.parametrize("protocol", [OPENAI, GOOGLE])
@pytest.mark.parametrize(
    "answer",
    [
        b"",
        b"not JSON",
        b"[]",
        b'{"data": [], "embeddings": []}',
        b'{"data": [{"index": 0, "embedding": ""}], "embeddings": [{"values": []}]}',
        b'{"data": [{"index": 0, "embedding": [1e39]}], "embeddings": [{"values": [1e39]}]}',
        b'{"data": [{"index": 0, "embedding": [1e999]}], "embeddings": [{"values": [1e999]}]}',
        b'{"data": [{"index": 0, "embedding": [null]}], "embeddings": [{"values": [null]}]}',
        b'{"data": [{"index": 0, "embedding": "AAA="}], "embeddings": [{"values": "AACAPw=="}]}',
        b'{"data": [{"index": 1, "embedding": [1]}], "embeddings": [{}]}',
        b'{"data": [{"index": 0, "embedding": [1]}, {"index": 1, "embedding": [1]}],'
        b' "embeddings": [{"values": [1]}, {"values": [1]}]}',
    ],
)
def test_u7_an_answer_that_is_none(protocol: Protocol, answer: bytes) -> None:
    with pytest.raises(ValueError, match=r"\w"):
        CODECS[protocol].decode(answer, inputs=1)
