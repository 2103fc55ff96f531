"""Answers that can be given again: which ones, how they are written down, and how they are told."""

from collections.abc import AsyncGenerator, Sequence

import msgspec
from msgspec import Struct

from models.chat import (
    ChatRequest,
    ChatResponse,
    Chunk,
    Completed,
    Finished,
    OpaqueDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
)
from models.providers.assembly import Assembly
from models.reply import Reply

MAX_ANSWER_BYTES = 256 * 1024

pack = msgspec.msgpack.Encoder().encode


class Cached(Struct, frozen=True, array_like=True):
    model_id: str
    response: ChatResponse
    asked_at: int = 0
    """By the shared store's clock, in µs: invalidations after that are of this, too."""


unpack = msgspec.msgpack.Decoder(Cached).decode


def is_plain(response: ChatResponse) -> bool:
    """Whether it is an answer that ended by itself and can be told whole or as a stream without losing
    anything: a text, with thoughts or not; no call of a tool, no refusal, no estimate of what it cost."""
    return (
        response.finish == "stop"
        and not response.usage.estimated
        and any(isinstance(part, Text) and part.text for part in response.parts)
        and all(
            isinstance(part, Thinking) or (isinstance(part, Text) and not part.citations)
            for part in response.parts
        )
    )


def whole(last: Finished | Completed, heard: Assembly, reply: Reply) -> ChatResponse:
    """The answer that `last` ends."""
    if isinstance(last, Completed):
        return last.response
    return ChatResponse(
        id=reply.request_id,
        model=reply.model.wire_name,
        parts=heard.parts,
        finish=last.finish,
        usage=last.usage,
        stop_sequence=last.stop_sequence,
        service_tier=last.service_tier,
    )


def told(response: ChatResponse, request: ChatRequest) -> AsyncGenerator[list[Chunk], None]:
    """As the request wants it."""
    return _played(_chunks(response) if request.stream else [Completed(response)])


def _chunks(response: ChatResponse) -> Sequence[Chunk]:
    chunks: list[Chunk] = [Started(response.id, response.model)]
    for part in response.parts:
        if isinstance(part, Text | Thinking):
            chunks.append(TextDelta(part.text) if isinstance(part, Text) else ThinkingDelta(part.text))
            chunks += map(OpaqueDelta, part.opaque)
    return [
        *chunks,
        Finished(response.finish, response.usage, response.stop_sequence, response.service_tier),
    ]


async def _played(chunks: Sequence[Chunk]) -> AsyncGenerator[list[Chunk], None]:
    yield list(chunks)
