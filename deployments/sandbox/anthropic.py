"""Anthropic's wire: Messages, token counting, the list of models, errors."""

from collections.abc import Collection, Iterator

import orjson

from deployments.sandbox import signatures, tokens
from deployments.sandbox.anthropic_rules import read_messages
from deployments.sandbox.exchange import Answer, Call, Ids, Json, Prompt, Rejected, Request, Script
from deployments.sandbox.fields import ANTHROPIC_MODELS
from models.chat import Usage

REQUEST_ID_HEADER = b"request-id"

_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_STOP_REASONS = {
    "stop": "end_turn",
    "length": "max_tokens",
    "tool_calls": "tool_use",
    "stop_sequence": "stop_sequence",
}


def authenticated(request: Request) -> str:
    """The key that the request carries, "" for none."""
    scheme, _, key = request.header(b"authorization").partition(" ")
    return request.header(b"x-api-key").strip() or (key.strip() if scheme.lower() == "bearer" else "")


def error_body(error: Rejected, request_id: str, retry_after: float | None) -> bytes:  # noqa: ARG001
    kind = _TYPES.get(error.status, "api_error" if error.status >= 500 else "invalid_request_error")
    body = {"type": "error", "error": {"type": kind, "message": error.message}, "request_id": request_id}
    return orjson.dumps(body)


def models(_body: Json, _: str) -> Json:
    data = [
        {
            "type": "model",
            "id": name,
            "display_name": f"{name} (simulated)",
            "created_at": "2026-01-01T00:00:00Z",
            "lifecycle": "active",
        }
        for name in ANTHROPIC_MODELS
    ]
    return {"data": data, "has_more": False, "first_id": ANTHROPIC_MODELS[0], "last_id": ANTHROPIC_MODELS[-1]}


def count_tokens(body: Json, _: str) -> Json:
    return {"input_tokens": read_messages(body, counting=True).input_tokens}


def read(body: Json, _: str) -> Prompt:
    return read_messages(body)


def whole(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Json:
    message = _envelope(prompt, ids) | {
        "content": _content(prompt, answer),
        "stop_reason": _STOP_REASONS[answer.finish],
        "stop_sequence": answer.stop_sequence or None,
    }
    return message if usage == "missing" else message | {"usage": _usage(answer.usage, usage)}


def script(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Script:
    message = _envelope(prompt, ids) | {"content": [], "stop_reason": None, "stop_sequence": None}
    delta: Json = {
        "delta": {"stop_reason": _STOP_REASONS[answer.finish], "stop_sequence": answer.stop_sequence or None}
    }
    if usage != "missing":
        message["usage"] = _usage(answer.usage, usage) | ({} if usage else {"output_tokens": 1})
        delta["usage"] = _usage(answer.usage, usage)
    blocks = _content(prompt, answer)
    count = sum(len(_pieces(block)) for block in blocks)
    return Script(
        head=_event("message_start", message=message) + _event("ping"),
        frames=_frames(blocks),
        count=count,
        tail=lambda: _event("message_delta", **delta) + _event("message_stop"),
        error=lambda: _event(
            "error", error={"type": "overloaded_error", "message": "Overloaded (simulated)"}
        ),
        garbage=b'event: content_block_delta\ndata: {"broken": \n\n',
        hidden=max(0, answer.usage.output - count),
    )


def _frames(blocks: list[Json]) -> Iterator[bytes]:
    """One frame for each token; what opens and closes a block rides with its first and last one."""
    for index, block in enumerate(blocks):
        pieces = _pieces(block)
        opening = _event("content_block_start", index=index, content_block=_emptied(block))
        last = len(pieces) - 1
        before, after = _event("content_block_delta", index=index, delta=_delta(block, "\1")).split(
            b'"\\u0001"'
        )
        for i, piece in enumerate(pieces):
            frame = opening + before + orjson.dumps(piece) + after
            yield frame + _closing(index, block) if i == last else frame
            opening = b""


def _pieces(block: Json) -> Collection[str]:
    """Never none: a block is opened and closed even when it is empty."""
    if block["type"] == "tool_use":
        return tokens.pieces(orjson.dumps(block["input"]).decode())
    return tokens.pieces(block[block["type"]]) or [""]


def _emptied(block: Json) -> Json:
    if block["type"] == "tool_use":
        return block | {"input": {}}
    return block | {block["type"]: ""} | ({"signature": ""} if block["type"] == "thinking" else {})


def _delta(block: Json, piece: str) -> Json:
    if block["type"] == "tool_use":
        return {"type": "input_json_delta", "partial_json": piece}
    return {"type": f"{block['type']}_delta", block["type"]: piece}


def _closing(index: int, block: Json) -> bytes:
    closing = b""
    if block["type"] == "thinking":
        delta = {"type": "signature_delta", "signature": block["signature"]}
        closing = _event("content_block_delta", index=index, delta=delta)
    return closing + _event("content_block_stop", index=index)


def _event(kind: str, **fields: object) -> bytes:
    return b"event: " + kind.encode() + b"\ndata: " + orjson.dumps({"type": kind, **fields}) + b"\n\n"


def _content(prompt: Prompt, answer: Answer) -> list[Json]:
    blocks: list[Json] = []
    if answer.thinking:
        shown = answer.thinking if prompt.show_thinking else ""
        signature = signatures.sign("anthropic", shown, binding=prompt.binding)
        blocks.append({"type": "thinking", "thinking": shown, "signature": signature})
    if answer.text:
        blocks.append({"type": "text", "text": answer.text})
    return blocks + [_call(call) for call in answer.calls]


def _call(call: Call) -> Json:
    return {
        "type": "tool_use",
        "id": f"toolu_{call.id}",
        "name": call.name,
        "input": orjson.loads(call.arguments),
    }


def _envelope(prompt: Prompt, ids: Ids) -> Json:
    return {"id": f"msg_{ids.call}", "type": "message", "role": "assistant", "model": prompt.model}


def _usage(usage: Usage, said: str | None) -> Json:
    if said == "malformed":
        return {"input_tokens": "many", "output_tokens": -1}
    if said == "zero":
        usage = Usage()
    return {
        "input_tokens": usage.input,
        "cache_read_input_tokens": usage.cache_read,
        "cache_creation_input_tokens": usage.cache_write_5m + usage.cache_write_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": usage.cache_write_5m,
            "ephemeral_1h_input_tokens": usage.cache_write_1h,
        },
        "output_tokens": usage.output,
        "output_tokens_details": {"thinking_tokens": usage.reasoning},
        "service_tier": "standard",
    }
