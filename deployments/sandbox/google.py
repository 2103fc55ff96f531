"""Gemini's wire: generateContent whole and streamed, token counting, embeddings, models, errors."""

from collections.abc import Collection, Iterator

import orjson

from deployments.sandbox import signatures, tokens
from deployments.sandbox.answers import embedding
from deployments.sandbox.exchange import Answer, Call, Ids, Json, Prompt, Rejected, Request, Script
from deployments.sandbox.fields import GOOGLE_MODELS
from deployments.sandbox.google_rules import camel, check_model, read_generate
from deployments.sandbox.google_turns import SIGNED_CALLS, signed_text
from models.chat import Usage

REQUEST_ID_HEADER = b"x-request-id"

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    500: "INTERNAL",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}
_OVERLOADED = Rejected("The model is overloaded. Please try again later (simulated).", status=503)


def authenticated(request: Request) -> str:
    """The key that the request carries, "" for none."""
    scheme, _, key = request.header(b"authorization").partition(" ")
    in_query = next((pair[4:] for pair in request.query.split("&") if pair.startswith("key=")), "")
    return (
        request.header(b"x-goog-api-key").strip()
        or in_query
        or (key.strip() if scheme.lower() == "bearer" else "")
    )


def error_body(error: Rejected, request_id: str, retry_after: float | None) -> bytes:  # noqa: ARG001
    status = _STATUSES.get(error.status, "INVALID_ARGUMENT" if error.status < 500 else "UNAVAILABLE")
    body: Json = {"code": error.status, "message": error.message, "status": status}
    if retry_after is not None:
        delay = {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_after:g}s"}
        body["details"] = [delay]
    return orjson.dumps({"error": body})


def models(_body: Json, _: str) -> Json:
    return {
        "models": [
            {
                "name": f"models/{name}",
                "displayName": f"{name} (simulated)",
                "supportedGenerationMethods": ["generateContent", "streamGenerateContent", "countTokens"],
            }
            for name in GOOGLE_MODELS
        ]
    }


def count_tokens(body: Json, model: str) -> Json:
    inner = camel(body)
    return {"totalTokens": read_generate(inner.get("generateContentRequest") or inner, model).input_tokens}


def embed(body: Json, model: str) -> tuple[Json, str, list[str]]:
    """(answer, model, texts that are billed)."""
    vector, text = _embedded(camel(body), model)
    usage = {"promptTokenCount": tokens.count(text)}
    return {"embedding": vector, "usageMetadata": usage}, model, [text]


def embed_batch(body: Json, model: str) -> tuple[Json, str, list[str]]:
    """(answer, model, texts that are billed)."""
    requests = body.get("requests")
    if not isinstance(requests, list) or not requests:
        raise Rejected("BatchEmbedContentsRequest.requests: at least one request is required")
    made = [_embedded(camel(each), model) for each in requests]
    usage = {"promptTokenCount": sum(tokens.count(text) for _, text in made)}
    return (
        {"embeddings": [vector for vector, _ in made], "usageMetadata": usage},
        model,
        [text for _, text in made],
    )


def _embedded(body: Json, model: str) -> tuple[Json, str]:
    check_model(model)
    parts = (body.get("content") or {}).get("parts") or []
    text = " ".join(part.get("text") or "" for part in parts)
    if not text.strip():
        raise Rejected("EmbedContentRequest.content contains an empty Part.")
    width = (body.get("embedContentConfig") or body).get("outputDimensionality") or 3072
    return {"values": embedding(text, width)}, text


def read(body: Json, model: str) -> Prompt:
    return read_generate(body, model)


def whole(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Json:
    parts: list[Json] = []
    if answer.thinking and prompt.show_thinking:
        parts.append({"text": answer.thinking, "thought": True})
    if answer.text:
        parts.append({"text": answer.text} | _text_signature(prompt))
    parts += _calls(prompt, answer.calls)
    said = {} if usage == "missing" else {"usageMetadata": _usage(answer.usage, usage)}
    return _response(prompt, ids, parts, _finish(answer)) | said


def script(prompt: Prompt, answer: Answer, ids: Ids, usage: str | None) -> Script:
    """One event for each token of text; a function call travels whole."""
    thoughts = tokens.pieces(answer.thinking) if prompt.show_thinking else []
    pieces = tokens.pieces(answer.text)
    input_only = {"promptTokenCount": answer.usage.total_input, "totalTokenCount": answer.usage.total_input}
    common = _response(prompt, ids, []) | ({} if usage else {"usageMetadata": input_only})
    signature = _text_signature(prompt)
    last = _response(prompt, ids, [{"text": ""} | signature] if signature else [], _finish(answer))
    if usage != "missing":
        last["usageMetadata"] = _usage(answer.usage, usage)
    return Script(
        head=b"",
        frames=_frames(common, thoughts, pieces, _calls(prompt, answer.calls)),
        count=len(thoughts) + len(pieces) + len(answer.calls),
        tail=lambda: _event(last),
        error=lambda: b"data: " + error_body(_OVERLOADED, "", None) + b"\r\n\r\n",
        garbage=b'data: {"broken": \n\n',
        hidden=0,
    )


def as_array(script: Script) -> Script:
    """The same stream as one JSON array, which is what is sent without `alt=sse`."""
    frames, tail, error = script.frames, script.tail, script.error
    opening = iter((b"[",))

    def plain(event: bytes) -> bytes:
        return next(opening, b",\r\n") + event.removeprefix(b"data: ").rstrip()

    script.frames = (plain(frame) for frame in frames)
    script.tail = lambda: plain(tail()) + b"]"
    script.error = lambda: plain(error()) + b"]"
    script.garbage = b',{"broken": \n'
    script.content_type = b"application/json"
    return script


def _frames(
    common: Json, thoughts: Collection[str], pieces: Collection[str], calls: list[Json]
) -> Iterator[bytes]:
    for some, mark in ((thoughts, {"thought": True}), (pieces, {})):
        before, after = _event(_with_part(common, {"text": "\1", **mark})).split(b'"\\u0001"')
        for piece in some:
            yield before + orjson.dumps(piece) + after
    for call in calls:
        yield _event(_with_part(common, call))


def _with_part(common: Json, part: Json) -> Json:
    return common | {"candidates": [{"content": {"parts": [part], "role": "model"}, "index": 0}]}


def _event(data: Json) -> bytes:
    return b"data: " + orjson.dumps(data) + b"\r\n\r\n"


def _response(prompt: Prompt, ids: Ids, parts: list[Json], finish: str | None = None) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0}
    if finish is not None:
        candidate["finishReason"] = finish
    return {"candidates": [candidate], "modelVersion": prompt.model, "responseId": ids.call}


def _calls(prompt: Prompt, calls: tuple[Call, ...]) -> list[Json]:
    signed = SIGNED_CALLS.match(prompt.model) is not None
    parts: list[Json] = []
    for call in calls:
        made = {"name": call.name, "args": orjson.loads(call.arguments)} | ({"id": call.id} if signed else {})
        part: Json = {"functionCall": made}
        if not parts and (signed or prompt.thinking):
            part["thoughtSignature"] = signatures.sign("google", signed_text(made))
        parts.append(part)
    return parts


def _text_signature(prompt: Prompt) -> Json:
    return {"thoughtSignature": signatures.sign("google", "")} if prompt.thinking else {}


def _finish(answer: Answer) -> str:
    return "MAX_TOKENS" if answer.finish == "length" else "STOP"


def _usage(usage: Usage, said: str | None) -> Json:
    if said == "malformed":
        return {"promptTokenCount": "many", "candidatesTokenCount": -1}
    if said == "zero":
        return {"promptTokenCount": 0, "candidatesTokenCount": 0, "totalTokenCount": 0}
    counted = {
        "promptTokenCount": usage.total_input,
        "candidatesTokenCount": usage.output - usage.reasoning,
        "totalTokenCount": usage.total_input + usage.output,
    }
    if usage.cache_read:
        counted["cachedContentTokenCount"] = usage.cache_read
    if usage.reasoning:
        counted["thoughtsTokenCount"] = usage.reasoning
    return counted
