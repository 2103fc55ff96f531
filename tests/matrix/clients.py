"""How the clients of each dialect ask, and the whole answer that they make of a stream."""

import json
import re
from typing import Any

from tests.asgi import Client, Response
from tests.matrix.feature import Dialect, Json

_HELLO = [{"role": "user", "content": "hi"}]
_PATHS: dict[Dialect, str] = {
    "chat": "/v1/chat/completions",
    "responses": "/v1/responses",
    "messages": "/v1/messages",
}
_BASES: dict[Dialect, Json] = {
    "chat": {"messages": _HELLO},
    "responses": {"input": "hi", "store": False},
    "messages": {"messages": _HELLO, "max_tokens": 20_000},
    "gemini": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
}

_REFUSALS = {
    "unsupported_parameter": (400, "invalid_request_error", "invalid_request_error", "INVALID_ARGUMENT"),
    "unknown_price": (402, "insufficient_quota", "billing_error", "RESOURCE_EXHAUSTED"),
}
"""By code: the status, and what each dialect's errors are called."""


def body_of(dialect: Dialect, model: str, fields: Json, *, stream: bool) -> Json:
    body = _BASES[dialect] | fields
    if dialect != "gemini":
        body |= {"model": model} | ({"stream": True} if stream else {})
    if dialect == "chat" and stream:
        body["stream_options"] = {"include_usage": True}
    return body


async def ask(
    client: Client, dialect: Dialect, model: str, fields: Json, *, stream: bool, **headers: str
) -> Response:
    body = body_of(dialect, model, fields, stream=stream)
    path = _PATHS.get(dialect, f"/v1beta/models/{model}:{'streamG' if stream else 'g'}enerateContent")
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return await client.request("POST", path, body, headers=named)


def answered(dialect: Dialect, response: Response, *, stream: bool) -> Json:
    """The whole answer."""
    assert response.status == 200, response.body
    if not stream:
        whole: Json = response.json()
        return whole
    assert response.ended
    match dialect:
        case "chat":
            return _chat(_events(response))
        case "responses":
            return _responses(_events(response))
        case "messages":
            return _messages(_events(response))
        case "gemini":
            return _gemini(response.json())


def argument_pieces(dialect: Dialect, response: Response) -> list[str]:
    """The arguments of the first call, as they came in a stream."""
    if dialect == "gemini":
        parts = [part for answer in response.json() for part in answer["candidates"][0]["content"]["parts"]]
        return [json.dumps(part["functionCall"]["args"]) for part in parts if "functionCall" in part][:1]
    pieces: list[str] = []
    for event in _events(response):
        match event:
            case {"type": "response.function_call_arguments.delta", "output_index": 0, "delta": str(piece)}:
                pieces.append(piece)
            case {"type": "content_block_delta", "index": 0, "delta": {"partial_json": str(piece)}}:
                pieces.append(piece)
            case {
                "choices": [{"delta": {"tool_calls": [{"index": 0, "function": {"arguments": str(piece)}}]}}]
            }:
                pieces += [piece] if piece else []
            case _:
                pass
    return pieces


def assert_refused(dialect: Dialect, response: Response, code: str) -> None:
    """In the dialect's shape, and not to be tried again."""
    status, openai, anthropic, google = _REFUSALS[code]
    assert (response.status, response.headers["content-type"]) == (status, "application/json"), response.body
    error = response.json()["error"]
    assert error["message"]
    match dialect:
        case "chat" | "responses":
            assert (error["type"], error["code"]) == (openai, code)
        case "messages":
            assert response.json()["type"] == "error"
            assert (error["type"], error["details"]["error_code"]) == (anthropic, code)
        case "gemini":
            assert (error["code"], error["status"]) == (status, google)
            assert error["details"][0]["reason"] == code.upper()


def _events(response: Response) -> list[Any]:
    said = re.findall(rb"^data: (.*?)\r?$", response.body, re.MULTILINE)
    return [json.loads(one) if one != b"[DONE]" else "[DONE]" for one in said]


def _chat(events: list[Any]) -> Json:
    *chunks, done = events
    assert done == "[DONE]"
    first, *rest = chunks
    assert first["choices"][0]["delta"]["role"] == "assistant"
    message: Json = {}
    choice: Json = {"index": 0, "message": message}
    whole = {**first, "object": "chat.completion", "choices": [choice]}
    for chunk in (first, *rest):
        assert chunk["object"] == "chat.completion.chunk"
        if not chunk["choices"]:
            whole["usage"] = chunk["usage"]
            assert chunk is chunks[-1]
            continue
        [said] = chunk["choices"]
        choice |= {name: value for name, value in said.items() if name != "delta" and value is not None}
        whole |= {name: value for name, value in chunk.items() if name == "service_tier"}
        _add(message, said["delta"])
    assert choice["finish_reason"]
    return whole


def _add(message: Json, delta: Json) -> None:
    for name, value in delta.items():
        if name == "tool_calls":
            calls = message.setdefault(name, [])
            for piece in value:
                if piece["index"] == len(calls):
                    calls.append({**piece, "function": {"arguments": "", **piece["function"]}})
                else:
                    calls[piece["index"]]["function"]["arguments"] += piece["function"]["arguments"]
        elif isinstance(value, str) and name != "role":
            message[name] = (message.get(name) or "") + value
        elif isinstance(value, list):
            message[name] = message.get(name, []) + value
        else:
            message[name] = value


def _responses(events: list[Json]) -> Json:
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    assert [event["type"] for event in events[:2]] == ["response.created", "response.in_progress"]
    whole: Json = events[-1]["response"]
    assert events[-1]["type"] == f"response.{whole['status']}"
    done = [event["item"] for event in events if event["type"] == "response.output_item.done"]
    assert done == whole["output"]
    for kind in ("output_text", "refusal", "reasoning_summary_text", "function_call_arguments"):
        pieces = [event["delta"] for event in events if event["type"] == f"response.{kind}.delta"]
        field = {"refusal": "refusal", "function_call_arguments": "arguments"}.get(kind, "text")
        said = [event[field] for event in events if event["type"] == f"response.{kind}.done"]
        assert "".join(pieces) == "".join(said)
    return whole


def _messages(events: list[Json]) -> Json:
    events = [event for event in events if event["type"] != "ping"]
    begun, *rest, delta, stop = events
    assert (begun["type"], delta["type"], stop["type"]) == ("message_start", "message_delta", "message_stop")
    blocks: list[Json] = []
    is_open = False
    for event in rest:
        match event["type"]:
            case "content_block_start":
                assert (event["index"], is_open) == (len(blocks), False)
                blocks.append(event["content_block"])
                written, is_open = "", True
            case "content_block_delta":
                assert (event["index"], is_open) == (len(blocks) - 1, True)
                written += _grow(blocks[-1], event["delta"])
            case "content_block_stop":
                blocks[-1] |= {"input": json.loads(written)} if written else {}
                is_open = False
            case kind:
                raise AssertionError(kind)
    assert not is_open
    usage = begun["message"]["usage"] | delta["usage"]
    return {**begun["message"], **delta["delta"], "content": blocks, "usage": usage}


def _grow(block: Json, delta: Json) -> str:
    """Returns what a call's arguments grew by."""
    match delta["type"]:
        case "text_delta":
            block["text"] += delta["text"]
        case "thinking_delta":
            block["thinking"] += delta["thinking"]
        case "signature_delta":
            block["signature"] = delta["signature"]
        case "citations_delta":
            block["citations"] = [*(block["citations"] or ()), delta["citation"]]
        case "input_json_delta":
            return str(delta["partial_json"])
        case kind:
            raise AssertionError(kind)
    return ""


def _gemini(answers: list[Json]) -> Json:
    parts: list[Json] = []
    candidate: Json = {}
    for answer in answers:
        [said] = answer["candidates"]
        candidate |= said
        for part in said["content"]["parts"]:
            goes_on = parts and "text" in part and "text" in parts[-1] and "thoughtSignature" not in parts[-1]
            if goes_on and part.get("thought") == parts[-1].get("thought"):
                parts[-1] |= {**part, "text": parts[-1]["text"] + part["text"]}
            elif part != {"text": ""}:
                parts.append(part)
    assert candidate["finishReason"]
    assert [answer for answer in answers if "finishReason" in answer["candidates"][0]] == [answers[-1]]
    return answers[-1] | {"candidates": [candidate | {"content": {"role": "model", "parts": parts}}]}
