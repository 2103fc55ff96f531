"""`python -m tests.matrix.cost`: what translation costs, in processor time of one core.

For each dialect and provider: what the gateway does (read the request, write the answer) and what the lane
does (write the provider's request, read its answer), of a short question and of an agent's long one, and of
each streamed piece of text. The status is 1 where the gateway's share of a row misses its goal.
"""

import json
import sys
import time
from collections.abc import Callable
from typing import Any, Protocol

import orjson

from models.chat import ChatRequest, ChatResponse, Chunk
from models.dialects import (
    anthropic_answer,
    anthropic_messages,
    anthropic_stream,
    gemini,
    gemini_answer,
    gemini_stream,
    openai_chat,
    openai_chat_stream,
    openai_responses,
    openai_responses_answer,
    openai_responses_stream,
)
from models.providers.clients import Protocol as Speech
from models.providers.names import original_names
from models.providers.wire import wire_for
from models.providers.wishes import left_out, profile_of, refuse_unheeded
from tests.contract.scripted import Answer, Stream
from tests.matrix.clients import body_of
from tests.matrix.feature import DIALECTS, PARIS, PROVIDERS, Dialect, Json, Provider
from tests.matrix.providers import MODELS, script
from tests.matrix.tools import RESULTS

CHUNK_GOAL_US = 20.0
ROUNDS = 7
CHUNKS = 400
_SIZES: dict[str, tuple[int, float | None]] = {
    "question": (0, 300.0),
    "agent": (4, 300.0),
    "long": (40, None),
}
"""How often an agent has had results of two tools, and the goal for the gateway's share."""
_PROTOCOLS: dict[Provider, Speech] = {
    "openai": "openai_chat",
    "anthropic": "anthropic_messages",
    "google": "google_generate",
}
_LISTS: dict[Dialect, str] = {
    "chat": "messages",
    "responses": "input",
    "messages": "messages",
    "gemini": "contents",
}


def main() -> int:
    print(f"{'dialect':<11}{'provider':<11}{'request':<10}{'gateway':>11}{'lane':>11}{'goal':>11}  verdict")
    met = [_row(dialect, provider) for dialect in DIALECTS for provider in PROVIDERS]
    return 0 if all(met) else 1


def _row(dialect: Dialect, provider: Provider) -> bool:
    met = True
    for name, (rounds, goal) in _SIZES.items():
        fields = _agent(dialect, rounds) if rounds else Json()
        body = orjson.dumps(body_of(dialect, MODELS[provider], fields, stream=False))
        ours, theirs = _whole(dialect, provider, body)
        met &= _shown(dialect, provider, name, ours, theirs, goal)
    ours, theirs = _piece(dialect, provider)
    return _shown(dialect, provider, "piece", ours, theirs, CHUNK_GOAL_US) and met


def _shown(dialect: str, provider: str, name: str, ours: float, theirs: float, goal: float | None) -> bool:
    met = goal is None or ours <= goal
    wanted = f"{goal:>8.0f} µs  {'pass' if met else 'miss'}" if goal is not None else ""
    print(f"{dialect:<11}{provider:<11}{name:<10}{ours:>8.1f} µs{theirs:>8.1f} µs{wanted}", flush=True)
    return met


def _agent(dialect: Dialect, rounds: int) -> Json:
    fields = dict(RESULTS.asked[dialect])
    return fields | {_LISTS[dialect]: fields[_LISTS[dialect]] * rounds}


def _whole(dialect: Dialect, provider: Provider, body: bytes) -> tuple[float, float]:
    model = MODELS[provider]
    request = _decode(dialect, model, body)
    wire, profile = wire_for(_PROTOCOLS[provider]), profile_of(provider, model)
    said = script(provider, PARIS[provider], stream=False)
    assert isinstance(said, Answer)
    names = original_names(request, profile)
    response = wire.decode(json.loads(said.body), tool_names=names, keep_rest=False)

    def gateway() -> None:
        asked = _decode(dialect, model, body)
        refuse_unheeded(asked, provider, model)
        left_out(asked, provider, model)
        _encode(dialect, response, model)

    def lane() -> None:
        orjson.dumps(wire.encode(request, model=model, profile=profile, max_output_tokens=9_999))
        wire.decode(orjson.loads(said.body), tool_names=names, keep_rest=False)

    return _microseconds(gateway), _microseconds(lane)


def _piece(dialect: Dialect, provider: Provider) -> tuple[float, float]:
    said = script(provider, PARIS[provider], stream=True)
    assert isinstance(said, Stream)
    data = [piece.split(b"data: ", 1)[1].strip() for piece in said.pieces]
    opening, text = (data[:2], data[2]) if provider == "anthropic" else ([data[0]], data[1])
    if provider == "google":
        text = opening[0]
    decoder = wire_for(_PROTOCOLS[provider]).StreamDecoder(
        provider=provider, model=MODELS[provider], tool_names={}, keep_rest=False
    )
    encoder = _encoder(dialect, MODELS[provider])
    for event in opening:
        if chunks := decoder.feed("", event):
            encoder.encode(chunks)
    chunks = decoder.feed("", text)
    assert chunks

    def gateway() -> None:
        for _ in range(CHUNKS):
            encoder.encode(chunks)

    def lane() -> None:
        for _ in range(CHUNKS):
            decoder.feed("", text)

    return _microseconds(gateway) / CHUNKS, _microseconds(lane) / CHUNKS


def _decode(dialect: Dialect, model: str, body: bytes) -> ChatRequest:
    match dialect:
        case "chat":
            return openai_chat.decode(body).request
        case "responses":
            return openai_responses.decode(body).request
        case "messages":
            return anthropic_messages.decode(body).request
        case "gemini":
            return gemini.decode(body, model=model, stream=False).request


def _encode(dialect: Dialect, answer: ChatResponse, model: str) -> bytes:
    named: dict[str, Any] = {"id": "c1", "model": model, "cost_pico": 1}
    match dialect:
        case "chat":
            return openai_chat.encode(answer, created=1, **named)
        case "responses":
            return openai_responses_answer.encode(answer, created=1, echo=openai_responses.ECHOED, **named)
        case "messages":
            return anthropic_answer.encode(answer, is_own=False, **named)
        case "gemini":
            return gemini_answer.encode(answer, **named)


def _encoder(dialect: Dialect, model: str) -> "_Encoder":
    match dialect:
        case "chat":
            return openai_chat_stream.StreamEncoder(id="c1", model=model, created=1, include_usage=True)
        case "responses":
            echo = openai_responses.ECHOED
            return openai_responses_stream.StreamEncoder(id="c1", model=model, created=1, echo=echo)
        case "messages":
            return anthropic_stream.StreamEncoder(id="c1", model=model, is_own=False)
        case "gemini":
            return gemini_stream.StreamEncoder(id="c1", model=model, sse=True)


class _Encoder(Protocol):
    def encode(self, chunks: list[Chunk]) -> bytes: ...


def _microseconds(work: Callable[[], None]) -> float:
    """Of the best round, which the machine's other work disturbed least."""
    work()
    begun = time.process_time()
    work()
    times = max(1, round(0.05 / max(time.process_time() - begun, 1e-6)))
    best = float("inf")
    for _ in range(ROUNDS):
        begun = time.process_time()
        for _ in range(times):
            work()
        best = min(best, (time.process_time() - begun) / times)
    return best * 1e6


if __name__ == "__main__":
    sys.exit(main())
