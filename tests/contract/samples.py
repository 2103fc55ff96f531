"""What each protocol's answers look like: the rows that the contract is checked with."""

import json
from dataclasses import dataclass
from typing import Any

from models.providers.clients import Protocol

KEY = "sk-very-secret-0123456789"
SAID = "Paris."


@dataclass(frozen=True)
class Sample:
    protocol: Protocol
    model: str
    base_path: str
    """What the SDK expects after the host."""
    path: str
    stream_path: str
    models_path: str
    auth: tuple[str, str]
    user_agent: str
    """How the SDK's own begins."""
    answer: bytes
    events: tuple[bytes, ...]
    """A whole stream that says `SAID` in two pieces."""
    model_list: bytes

    def error(self, status: int, message: str) -> bytes:
        error: dict[str, Any] = {"message": message, "type": "some_error"}
        if self.protocol == "google_generate":
            error = {"code": status, "message": message, "status": "SOME_ERROR"}
        return json.dumps({"type": "error", "error": error}).encode()


def _event(body: dict[str, Any], *, name: str = "") -> bytes:
    return (f"event: {name}\n" if name else "").encode() + b"data: " + json.dumps(body).encode() + b"\n\n"


def _openai_chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
    choices = [{"index": 0, "delta": delta, "finish_reason": finish}]
    return _event(
        {"id": "c1", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": choices}
    )


_OPENAI_USAGE = {"prompt_tokens": 9, "completion_tokens": 2, "total_tokens": 11}

OPENAI = Sample(
    protocol="openai_chat",
    model="gpt-5.5",
    base_path="/v1",
    path="/v1/chat/completions",
    stream_path="/v1/chat/completions",
    models_path="/v1/models",
    auth=("Authorization", f"Bearer {KEY}"),
    user_agent="AsyncOpenAI/Python ",
    answer=json.dumps(
        {
            "id": "c1",
            "object": "chat.completion",
            "created": 1,
            "model": "m",
            "choices": [
                {"index": 0, "message": {"role": "assistant", "content": SAID}, "finish_reason": "stop"}
            ],
            "usage": _OPENAI_USAGE,
        }
    ).encode(),
    events=(
        _openai_chunk({"role": "assistant", "content": "Par"}),
        _openai_chunk({"content": "is."}),
        _openai_chunk({}, "stop"),
        _event(
            {
                "id": "c1",
                "object": "chat.completion.chunk",
                "created": 1,
                "model": "m",
                "choices": [],
                "usage": _OPENAI_USAGE,
            }
        ),
        b"data: [DONE]\n\n",
    ),
    model_list=json.dumps({"object": "list", "data": [{"id": "gpt-5.5", "object": "model"}]}).encode(),
)

_ANTHROPIC_MESSAGE: dict[str, Any] = {
    "id": "c1",
    "type": "message",
    "role": "assistant",
    "model": "m",
    "stop_sequence": None,
}


def _delta(text: str) -> bytes:
    delta = {"type": "text_delta", "text": text}
    return _event({"type": "content_block_delta", "index": 0, "delta": delta}, name="content_block_delta")


ANTHROPIC = Sample(
    protocol="anthropic_messages",
    model="claude-haiku-4-5",
    base_path="",
    path="/v1/messages",
    stream_path="/v1/messages",
    models_path="/v1/models",
    auth=("Authorization", f"Bearer {KEY}"),
    user_agent="AsyncAnthropic/Python ",
    answer=json.dumps(
        {
            **_ANTHROPIC_MESSAGE,
            "content": [{"type": "text", "text": SAID}],
            "stop_reason": "end_turn",
            "usage": {"input_tokens": 9, "output_tokens": 2},
        }
    ).encode(),
    events=(
        _event(
            {
                "type": "message_start",
                "message": {
                    **_ANTHROPIC_MESSAGE,
                    "content": [],
                    "stop_reason": None,
                    "usage": {"input_tokens": 9, "output_tokens": 1},
                },
            },
            name="message_start",
        ),
        _event(
            {"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}},
            name="content_block_start",
        ),
        _delta("Par"),
        _delta("is."),
        _event({"type": "content_block_stop", "index": 0}, name="content_block_stop"),
        _event(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn", "stop_sequence": None},
                "usage": {"output_tokens": 2},
            },
            name="message_delta",
        ),
        _event({"type": "message_stop"}, name="message_stop"),
    ),
    model_list=json.dumps(
        {"data": [{"id": "claude-haiku-4-5", "type": "model"}], "has_more": False}
    ).encode(),
)


def _google_answer(text: str, finish: str | None = None) -> dict[str, Any]:
    candidate: dict[str, Any] = {"index": 0, "content": {"role": "model", "parts": [{"text": text}]}}
    if finish:
        candidate["finishReason"] = finish
    usage = {"promptTokenCount": 9, "candidatesTokenCount": 2, "totalTokenCount": 11}
    return {"candidates": [candidate], "usageMetadata": usage, "responseId": "c1", "modelVersion": "m"}


GOOGLE = Sample(
    protocol="google_generate",
    model="gemini-2.5-flash",
    base_path="",
    path="/v1/models/gemini-2.5-flash:generateContent",
    stream_path="/v1/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
    models_path="/v1/models",
    auth=("x-goog-api-key", KEY),
    user_agent="google-genai-sdk/",
    answer=json.dumps(_google_answer(SAID, "STOP")).encode(),
    events=(
        _event(_google_answer("Par")).replace(b"\n", b"\r\n"),
        _event(_google_answer("is.", "STOP")).replace(b"\n", b"\r\n"),
    ),
    model_list=json.dumps({"models": [{"name": "models/gemini-2.5-flash"}]}).encode(),
)

SAMPLES = (OPENAI, ANTHROPIC, GOOGLE)
