"""Gemini generateContent: the streamed answer.

A row of answers (google-genai 3.4, types.py, GenerateContentResponse) without an end mark: `finishReason`
ends it and the last `usageMetadata` counts.
"""

from collections.abc import Mapping
from typing import Any

import msgspec
import orjson

from models.chat import (
    Chunk,
    CitationDelta,
    Finished,
    Native,
    Opaque,
    OpaqueDelta,
    Started,
    TextDelta,
    ThinkingDelta,
    ToolCallStarted,
)
from models.errors import ProviderGarbled
from models.parts import EVENT, json_text
from models.providers.failures import garbled, stream_error
from models.providers.google_generate_answer import (
    BROKEN,
    PROVIDER,
    Answer,
    Counted,
    Grounding,
    end_of,
    finish_of,
    normal,
    read_part,
    rest_of_answer,
    tool_call,
)
from models.providers.logprobs import of_google
from models.providers.private import BLOCK
from models.usage import read_counts

_events = msgspec.json.Decoder(Answer | list[Answer])


class StreamDecoder:
    """One streamed answer. Function calls come whole, pictures as blocks of the provider's own."""

    def __init__(
        self,
        *,
        provider: str = PROVIDER,
        model: str = "",
        tool_names: Mapping[str, str] | None = None,
        keep_rest: bool = False,
    ) -> None:
        self._provider = provider
        self._model = model
        self._names = tool_names or {}
        self._id = ""
        self._started = False
        self._finished = False
        self._reason: str | None = None
        self._usage: object = None
        self._grounding: Grounding | None = None
        self._calls = 0
        self._keep_rest = keep_rest
        self._rest: dict[str, Any] = {}
        """What the latest answer said that the chunks do not have."""

    def feed(self, event: str, data: bytes) -> list[Chunk]:  # noqa: ARG002  # Google names no events
        try:
            got = _events.decode(data)
        except (msgspec.DecodeError, ValueError) as error:
            raise self._garbled(str(error)) from None
        chunks: list[Chunk] = []
        # An error may come as a list of one.
        for answer in got if isinstance(got, list) else (got,):
            self._add(answer, data, chunks)
        return self._with_rest(data, chunks) if self._keep_rest else chunks

    def _with_rest(self, data: bytes, chunks: list[Chunk]) -> list[Chunk]:
        """The answer's chunks after what else it says, where that is not what the one before said."""
        raw = orjson.loads(data)
        rest = rest_of_answer(raw[0] if isinstance(raw, list) else raw)
        if rest == self._rest:
            return chunks
        self._rest = rest
        said = Opaque(PROVIDER, EVENT, json_text(rest))
        if chunks and isinstance(begun := chunks[0], Started):
            return [Started(begun.id, begun.model, opaque=(said,)), *chunks[1:]]
        return [OpaqueDelta(said), *chunks]

    def finish(self) -> list[Chunk]:
        """Call at the end of the stream; raises ProviderGarbled if the answer had not ended."""
        if self._finished:
            return []
        if self._reason is None:
            raise self._garbled("the stream ended before the answer did")
        self._finished = True
        usage = read_counts(self._usage, Counted)
        finish = finish_of(self._reason, calls=self._calls > 0)
        tier = (usage.service_tier if usage else None) or ""
        return [Finished(finish, normal(usage, self._grounding), service_tier=tier)]

    def _add(self, answer: Answer, data: bytes, chunks: list[Chunk]) -> None:
        if answer.error is not None:
            raise stream_error(data, provider=self._provider, model=self._model)
        if not self._started:
            self._started, self._id = True, answer.response_id
            chunks.append(Started(answer.response_id, answer.model_version))
        if answer.usage_metadata is not None:
            self._usage = answer.usage_metadata
        candidate = answer.candidates[0] if answer.candidates else None
        if candidate is not None:
            if candidate.logprobs_result and not self._keep_rest:
                chunks += map(OpaqueDelta, of_google(candidate.logprobs_result))
            for part in candidate.parts:
                self._add_part(part, chunks)
            if candidate.grounding_metadata is not None:
                self._grounding = candidate.grounding_metadata
                chunks += map(CitationDelta, candidate.citations)
        self._reason = end_of(answer, candidate) or self._reason
        if self._reason in BROKEN:
            raise self._garbled(f"the answer has finishReason {self._reason}")

    def _add_part(self, raw: dict[str, Any], chunks: list[Chunk]) -> None:
        part = read_part(raw)
        if isinstance(part, Native):
            chunks.append(OpaqueDelta(part.opaque))
        elif part.inline_data is not None:
            chunks.append(OpaqueDelta(Opaque(PROVIDER, BLOCK, json_text(raw))))
        elif part.function_call is not None:
            call = tool_call(part.function_call, part.opaque, self._id, self._calls, self._names)
            chunks.append(ToolCallStarted(self._calls, call.id, call.name, call.arguments, call.opaque))
            self._calls += 1
        elif part.text or part.thought_signature:
            text = part.text or ""
            chunks.append(ThinkingDelta(text) if part.thought else TextDelta(text))
            chunks += map(OpaqueDelta, part.opaque)

    def _garbled(self, what: str) -> ProviderGarbled:
        return garbled(what, provider=self._provider, model=self._model)
