"""For every route that takes JSON a body that it answers well, and what of it can be made hostile."""

import json
from collections.abc import Iterator
from typing import Any

from tests.fuzz.surface import CONVERSATIONS

Json = Any
Route = tuple[str, str]

CHAT: Json = {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}], "max_tokens": 50}
MESSAGES: Json = {
    "model": "claude-haiku-4-5",
    "max_tokens": 50,
    "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
}
RESPONSES: Json = {
    "model": "gpt-5.4-mini",
    "input": [{"role": "user", "content": "hi"}],
    "metadata": {"a": "b"},
}
CONTENTS: Json = {
    "contents": [{"role": "user", "parts": [{"text": "hi"}]}],
    "generationConfig": {"maxOutputTokens": 50},
}
SAID: Json = [{"role": "user", "content": "hi"}]
CALLED: Json = [
    {"role": "user", "parts": [{"type": "text", "text": "hi"}]},
    {"role": "assistant", "parts": [{"type": "tool_call", "id": "c", "name": "f", "arguments": "{}"}]},
]
CONVERSATION = CONVERSATIONS[0]

BODIES: dict[Route, Json] = {
    ("POST", "/v1/chat/completions"): CHAT,
    ("POST", "/v1/embeddings"): {"model": "text-embedding-3-small", "input": ["hi"], "user": "u"},
    ("POST", "/v1/responses"): RESPONSES,
    ("POST", "/v1/responses/input_tokens"): RESPONSES,
    ("POST", "/v1/responses/compact"): RESPONSES,
    ("POST", "/v1/messages"): MESSAGES,
    ("POST", "/v1/messages/count_tokens"): MESSAGES,
    **{
        ("POST", f"{version}/models/{{model}}:{method}"): CONTENTS
        for version in ("/v1", "/v1beta")
        for method in ("generateContent", "streamGenerateContent", "countTokens")
    },
    ("POST", "/api/chat/send-with-model"): {
        "conversationId": CONVERSATION,
        "message": "hi",
        "modelId": "gemini-3.5-flash",
        "maxTokens": 50,
    },
    ("POST", "/api/chat/switch-model"): {"conversationId": CONVERSATION, "newModelId": "gpt-5.4-mini"},
    ("POST", "/api/chat/cost-estimate"): CHAT,
    ("POST", "/v1/keys"): {"name": "laptop", "scopes": ["chat"], "budget_usd": "1.5"},
    ("POST", "/v1/teams"): {"name": "search"},
    ("POST", "/v1/budgets"): {"scope": "tenant", "period": "day", "limit_usd": "1000000", "name": "all"},
    ("PATCH", "/v1/budgets/{budget_id}"): {"limit_usd": "1000000", "name": "of all"},
    ("POST", "/v1/feedback"): {"request_id": "req_1", "rating": 5, "comment": "good"},
    ("PUT", "/v1/routing/policies"): {"weights": {"quality": 1.5}, "constraints": {"max_cost_usd": "1"}},
    ("PUT", "/v1/routing/policies/keys/{key_id}"): {"constraints": {"denied_models": ["gpt-5.4"]}},
    ("POST", "/v1/conversations"): {"title": "a trip", "messages": CALLED},
    ("PUT", "/v1/conversations/retention"): {"retention_days": 30, "grace_days": 3},
    ("POST", "/v1/conversations/import"): {"format": "openai", "conversation": {"messages": SAID}},
    ("PATCH", "/v1/conversations/{conversation_id}"): {"title": "another trip"},
    ("POST", "/v1/conversations/{conversation_id}/messages"): {"messages": SAID},
    ("POST", "/v1/conversations/{conversation_id}/fork"): {"messages": SAID},
    ("PUT", "/v1/discounts"): {"tiers": [{"from_usd": "10", "basis_points": 100}]},
    ("PUT", "/v1/limits"): {"scope": "tenant", "measure": "requests", "amount": 1_000_000},
    ("POST", "/v1/batches"): {
        "input_file_id": "file_1",
        "endpoint": "/v1/chat/completions",
        "completion_window": "24h",
        "metadata": {"a": "b"},
    },
    ("POST", "/v1/alerts/channels"): {"kind": "webhook", "target": "https://example.org/hook"},
}
"""A new route has to be entered here."""

NEED_MORE = {
    ("POST", "/v1/feedback"),
    ("POST", "/v1/batches"),
    ("PATCH", "/v1/budgets/{budget_id}"),
    ("POST", "/v1/conversations/{conversation_id}/fork"),
}
"""These name something that is not there."""

TEXTS = (
    b'"a\\u0000b"',
    b'"a\\ud800b"',
    b'"\\udc00"',
    b'"\xed\xa0\x80"',
    b'"\xc0\x80"',
    b'"\xff"',
    b'"a\x00b"',
    b'"a\r\nX-Evil: 1\r\n"',
    b'"a\\r\\nX-Evil: 1\\r\\n\\u2028\\u2029\\u0085"',
    '"\u202e\u05d0\U0001f469\u200d\U0001f680\ufeff"'.encode(),
    b'"' + b"x" * 300_000 + b'"',
    b"[" * 800 + b"]" * 800,
    b'{"a":' * 800 + b"1" + b"}" * 800,
    b"null",
    b"[]",
    b"{}",
    b"true",
    b"1",
)
NUMBERS = (
    b"NaN",
    b"Infinity",
    b"-Infinity",
    b"1e400",
    b"-1",
    b"0",
    b"1.5",
    b"9223372036854775808",
    b"-9223372036854775809",
    b"1" * 5_000,
    b'"1"',
    b"true",
    b"null",
    b"[1]",
)
WHOLE = {
    "nothing": b"",
    "half": b'{"model":',
    "no object": b"[]",
    "null": b"null",
    "NUL": b"\x00",
    "NaN": b"NaN",
    "byte order mark": b"\xef\xbb\xbf{}",
    "UTF-16": '{"model":"gpt"}'.encode("utf-16"),
    "not UTF-8": b'{"model":"\xff\xfe"}',
    "overlong": b'{"model":"\xc0\xae"}',
    "100,000 lists": b"[" * 100_000,
    "100,000 closed lists": b"[" * 100_000 + b"]" * 100_000,
    "100,000 objects": b'{"a":' * 100_000 + b"1" + b"}" * 100_000,
    "100,000 lists in a field": b'{"metadata":' + b"[" * 100_000 + b"]" * 100_000 + b"}",
    "the same key twice": b'{"model":"gpt","model":"claude","name":"a","name":"b","title":"a","title":"b"}',
}
"""Bodies that are wrong everywhere, or that somebody makes something of."""
VAST = {
    "900,000 keys": b"{" + b",".join(b'"%x":0' % number for number in range(900_000)) + b"}",
    "a number of nine megabytes": b'{"max_tokens":' + b"1" * 9_000_000 + b"}",
    "a fraction of nine megabytes": b'{"temperature":0.' + b"1" * 9_000_000 + b"}",
    "a key of nine megabytes": b'{"' + b"k" * 9_000_000 + b'":1}',
}
_MANY = b"[" + b",".join([b"1"] * 3_000_000) + b"]"
FLOODS: list[tuple[Route, bytes]] = [
    (("POST", "/v1/keys"), b'{"roles":' + _MANY + b"}"),
    (("POST", "/v1/keys"), b'{"scopes":' + _MANY + b"}"),
    (("POST", "/v1/keys"), VAST["900,000 keys"]),
    (("PUT", "/v1/routing/policies"), b'{"constraints":{"models":' + _MANY + b"}}"),
    (("POST", "/v1/batches"), b'{"metadata":' + VAST["900,000 keys"] + b"}"),
    (("PUT", "/v1/discounts"), b'{"tiers":' + _MANY + b"}"),
    (("POST", "/v1/conversations"), b'{"messages":' + _MANY + b"}"),
    (("POST", "/v1/conversations"), b'{"messages":[{"role":"user","parts":' + _MANY + b"}]}"),
    (("POST", "/v1/conversations/import"), b'{"format":"openai","conversation":{"messages":' + _MANY + b"}}"),
]
"""Each mistake in them would be an error of its own."""
DECODED_ALIKE: tuple[Route, ...] = (
    ("POST", "/v1/chat/completions"),
    ("POST", "/v1/embeddings"),
    ("POST", "/v1/responses"),
    ("POST", "/v1/messages"),
    ("POST", "/v1beta/models/{model}:generateContent"),
    ("POST", "/api/chat/send-with-model"),
    ("POST", "/v1/conversations"),
)
"""One of those that read a body in the same way."""


def variants(body: Json) -> Iterator[tuple[str, bytes]]:
    """`body` with each of its values replaced by a hostile one, and with fields that nobody knows."""
    for place, value in _leaves(body, "$"):
        for hostile in NUMBERS if isinstance(value, int | float) else TEXTS:
            yield f"{place} = {hostile[:30]!r}", _replaced(body, place, hostile)
    head = json.dumps(body).encode()[:-1]
    for hostile in (*NUMBERS, *TEXTS):
        yield f"another field = {hostile[:30]!r}", head + b', "zz": ' + hostile + b"}"
        yield f"a key {hostile[:30]!r}", head + b', "zz' + hostile.strip(b'"') + b'": 1}'


def _leaves(node: Json, place: str) -> Iterator[tuple[str, Json]]:
    match node:
        case dict():
            for name, value in node.items():
                yield from _leaves(value, f"{place}.{name}")
        case list():
            for at, value in enumerate(node):
                yield from _leaves(value, f"{place}.{at}")
        case _:
            yield place, node


def _replaced(body: Json, place: str, hostile: bytes) -> bytes:
    copy = json.loads(json.dumps(body))
    *path, last = place.split(".")[1:]
    node = copy
    for name in path:
        node = node[int(name) if isinstance(node, list) else name]
    node[int(last) if isinstance(node, list) else last] = "\u0001here\u0001"
    return json.dumps(copy).encode().replace(b'"\\u0001here\\u0001"', hostile)
