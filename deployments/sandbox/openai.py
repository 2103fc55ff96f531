"""OpenAI's wire: Chat Completions, embeddings, the list of models, errors."""

from collections.abc import Collection, Iterator

import orjson

from deployments.sandbox import tokens
from deployments.sandbox.answers import embedding
from deployments.sandbox.exchange import Answer, Call, Ids, Json, Prompt, Rejected, Request, Script
from deployments.sandbox.fields import OPENAI_MODELS
from deployments.sandbox.openai_rules import known_model, read_chat
from models.chat import Usage

REQUEST_ID_HEADER = b"x-request-id"

_TYPES = {401: "authentication_error", 403: "permission_error", 429: "rate_limit_error"}
_CODES = {401: "invalid_api_key", 429: "rate_limit_exceeded", 503: "service_unavailable"}
_IN_STREAM = Rejected("The server had an error while processing your request (simulated).", status=500)


def authenticated(request: Request) -> str:
    """The key that the request carries, "" for none."""
    scheme, _, key = request.header(b"authorization").partition(" ")
    return key.strip() if scheme.lower() == "bearer" else ""


def error_body(error: Rejected, request_id: str, retry_after: float | None) -> bytes:  # noqa: ARG001
    kind = _TYPES.get(error.status, "invalid_request_error" if error.status < 500 else "server_error")
    code = error.code or _CODES.get(error.status)
    return orjson.dumps(
        {"error": {"message": error.message, "type": kind, "param": error.param, "code": code}}
    )


def models(_body: Json, _: str) -> Json:
    data = [
        {"id": name, "object": "model", "created": 1767225600, "owned_by": "polyvox-sandbox"}
        for name in OPENAI_MODELS
    ]
    return {"object": "list", "data": data}


def embeddings(body: Json, _: str) -> tuple[Json, str, list[str]]:
    """(answer, model, texts that are billed)."""
    model = known_model(body)
    given = body.get("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list) or not texts or not all(isinstance(text, str) and text for text in texts):
        raise Rejected("'$.input' is invalid.", param="input")
    width = body.get("dimensions") or (3072 if "large" in model else 1536)
    encoded = body.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": i, "embedding": embedding(text, width, encoded=encoded)}
        for i, text in enumerate(texts)
    ]
    n = sum(map(tokens.count, texts))
    return (
        {"object": "list", "data": data, "model": model, "usage": {"prompt_tokens": n, "total_tokens": n}},
        model,
        texts,
    )


def read(body: Json, _: str) -> Prompt:
    return read_chat(body)


def whole(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Json:
    message: Json = {"role": "assistant", "content": answer.text, "refusal": None, "annotations": []}
    if answer.calls:
        message |= {"content": None, "tool_calls": [_call(call) for call in answer.calls]}
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": _finish(answer)}
    body = _envelope(prompt, ids, "chat.completion") | {"choices": [choice]}
    return body if usage == "missing" else body | {"usage": _usage(answer.usage, usage)}


def script(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Script:
    common = _envelope(prompt, ids, "chat.completion.chunk")
    if prompt.include_usage:
        common["usage"] = None
    pieces = tokens.pieces(answer.text)
    count = len(pieces) + sum(len(tokens.pieces(call.arguments)) for call in answer.calls)
    tail = _chunk(common, {}, _finish(answer))
    if prompt.include_usage and usage != "missing":
        tail += _event(common | {"choices": [], "usage": _usage(answer.usage, usage)})
    content = None if answer.calls else ""
    return Script(
        head=_chunk(common, {"role": "assistant", "content": content, "refusal": None}),
        frames=_calls_frames(common, answer.calls) if answer.calls else _text_frames(common, pieces),
        count=count,
        tail=lambda: tail + b"data: [DONE]\n\n",
        error=lambda: b"data: " + error_body(_IN_STREAM, "", None) + b"\n\n",
        garbage=b'data: {"broken": \n\n',
        hidden=answer.usage.output - count,
    )


def _text_frames(common: Json, pieces: Collection[str]) -> Iterator[bytes]:
    before, after = _chunk(common, {"content": "\1"}).split(b'"\\u0001"')
    for piece in pieces:
        yield before + orjson.dumps(piece) + after


def _calls_frames(common: Json, calls: tuple[Call, ...]) -> Iterator[bytes]:
    for index, call in enumerate(calls):
        first = _call(call) | {"index": index, "function": {"name": call.name, "arguments": ""}}
        opening = _chunk(common, {"tool_calls": [first]})
        for piece in tokens.pieces(call.arguments):
            delta = {"tool_calls": [{"index": index, "function": {"arguments": piece}}]}
            yield opening + _chunk(common, delta)
            opening = b""


def _chunk(common: Json, delta: Json, finish: str | None = None) -> bytes:
    choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
    return _event(common | {"choices": [choice]})


def _event(data: Json) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\n\n"


def _envelope(prompt: Prompt, ids: Ids, kind: str) -> Json:
    return {
        "id": f"chatcmpl-{ids.call}",
        "object": kind,
        "created": ids.created,
        "model": prompt.model,
        "service_tier": "default",
        "system_fingerprint": "fp_simulated",
    }


def _call(call: Call) -> Json:
    return {
        "id": f"call_{call.id}",
        "type": "function",
        "function": {"name": call.name, "arguments": call.arguments},
    }


def _finish(answer: Answer) -> str:
    return "stop" if answer.finish == "stop_sequence" else answer.finish


def _usage(usage: Usage, said: str | None) -> Json:
    if said == "malformed":
        return {"prompt_tokens": "many", "completion_tokens": -1, "total_tokens": None}
    if said == "zero":
        usage = Usage()
    writes = usage.cache_write_5m + usage.cache_write_1h
    return {
        "prompt_tokens": usage.total_input,
        "completion_tokens": usage.output,
        "total_tokens": usage.total_input + usage.output,
        "prompt_tokens_details": {
            "cached_tokens": usage.cache_read,
            "cache_write_tokens": writes,
            "audio_tokens": 0,
        },
        "completion_tokens_details": {
            "reasoning_tokens": usage.reasoning,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
