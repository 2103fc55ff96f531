"""Features of plain talk: turns, instructions, the form of an answer, and wishes for how it is made."""

from tests.matrix.feature import DIALECTS, Feature, Json, Provider, cells, refused
from tests.matrix.matching import ABSENT

TEXT = Feature(
    name="text",
    asked={dialect: {} for dialect in DIALECTS},
    sent={
        "openai": {"model": "gpt-5.4-mini", "messages": [{"role": "user", "content": "hi"}]},
        "anthropic": {
            "model": "claude-sonnet-5",
            "messages": [{"role": "user", "content": [{"type": "text", "text": "hi"}]}],
        },
        "google": {"contents": [{"role": "user", "parts": [{"text": "hi"}]}]},
    },
)

_TALK = [
    {"role": "user", "content": "hi"},
    {"role": "assistant", "content": "Hello."},
    {"role": "user", "content": "Where is the Louvre?"},
]

TURNS = Feature(
    name="many turns",
    asked={
        "chat": {"messages": _TALK},
        "responses": {"input": _TALK},
        "messages": {"messages": _TALK},
        "gemini": {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"text": "Hello."}]},
                {"role": "user", "parts": [{"text": "Where is the Louvre?"}]},
            ]
        },
    },
    sent={
        "openai": {"messages": _TALK},
        "anthropic": {
            "messages": [
                {"role": turn["role"], "content": [{"type": "text", "text": turn["content"]}]}
                for turn in _TALK
            ]
        },
        "google": {
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [{"text": "Hello."}]},
                {"role": "user", "parts": [{"text": "Where is the Louvre?"}]},
            ]
        },
    },
)

SYSTEM = Feature(
    name="instructions",
    asked={
        "chat": {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        },
        "responses": {"instructions": "Be brief."},
        "messages": {"system": "Be brief."},
        "gemini": {"systemInstruction": {"parts": [{"text": "Be brief."}]}},
    },
    sent={
        "openai": {
            "messages": [{"role": "system", "content": "Be brief."}, {"role": "user", "content": "hi"}],
        },
        "anthropic": {"system": "Be brief.", "messages": [{"role": "user"}]},
        "google": {"systemInstruction": {"parts": [{"text": "Be brief."}]}, "contents": [{"role": "user"}]},
    },
)

_SCHEMA: Json = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
_JSON = '{"city":"Paris"}'

STRUCTURED = Feature(
    name="structured output, strict",
    asked={
        "chat": {
            "response_format": {
                "type": "json_schema",
                "json_schema": {"name": "place", "strict": True, "schema": _SCHEMA},
            }
        },
        "responses": {
            "text": {"format": {"type": "json_schema", "name": "place", "strict": True, "schema": _SCHEMA}}
        },
        "messages": {"output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
        "gemini": {
            "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": _SCHEMA}
        },
    },
    sent={
        "openai": {
            "response_format": {"type": "json_schema", "json_schema": {"schema": _SCHEMA, "strict": True}}
        },
        "anthropic": {"output_config": {"format": {"type": "json_schema", "schema": _SCHEMA}}},
        "google": {
            "generationConfig": {"responseMimeType": "application/json", "responseJsonSchema": _SCHEMA}
        },
    },
    answer={
        "openai": {"choices": [{"message": {"content": _JSON}, "finish_reason": "stop"}]},
        "anthropic": {"content": [{"type": "text", "text": _JSON}], "stop_reason": "end_turn"},
        "google": {"candidates": [{"content": {"parts": [{"text": _JSON}]}, "finishReason": "STOP"}]},
    },
    told={
        "chat": {"choices": [{"message": {"content": _JSON}}]},
        "responses": {"output": [{"content": [{"text": _JSON}]}], "text": {"format": {"name": "place"}}},
        "messages": {"content": [{"type": "text", "text": _JSON}]},
        "gemini": {"candidates": [{"content": {"parts": [{"text": _JSON}]}}]},
    },
)

SEED = Feature(
    name="seed",
    asked={"chat": {"seed": 7}, "gemini": {"generationConfig": {"seed": 7}}},
    sent={"openai": {"seed": 7}, "google": {"generationConfig": {"seed": 7}}},
    refused=refused(cells("anthropic")),
)

MANY_ANSWERS = Feature(
    name="several answers (`n`)",
    asked={"chat": {"n": 2}, "gemini": {"generationConfig": {"candidateCount": 2}}},
    refused=refused(),
)

_TIERED: dict[Provider, Json] = {
    "openai": {
        "service_tier": "priority",
        "choices": [{"message": {"content": "Paris."}, "finish_reason": "stop"}],
    },
    "anthropic": {
        "content": [{"type": "text", "text": "Paris."}],
        "stop_reason": "end_turn",
        "usage": {"input_tokens": 9, "output_tokens": 2, "service_tier": "priority"},
    },
    "google": {
        "candidates": [{"content": {"parts": [{"text": "Paris."}]}, "finishReason": "STOP"}],
        "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "serviceTier": "priority"},
    },
}

TIER = Feature(
    name="service tier: priority",
    asked={
        "chat": {"service_tier": "priority"},
        "responses": {"service_tier": "priority"},
        "messages": {"service_tier": "auto"},
        "gemini": {"serviceTier": "priority"},
    },
    sent={
        "openai": {"service_tier": "priority"},
        "anthropic": {"service_tier": "auto"},
        "google": {"serviceTier": "priority"},
    },
    sent_in={
        ("messages", "openai"): {"service_tier": "auto"},
        ("messages", "google"): {"serviceTier": ABSENT},
    },
    answer=_TIERED,
    told={
        "chat": {"service_tier": "priority"},
        "responses": {"service_tier": "priority"},
        "messages": {"usage": {"service_tier": "priority"}},
        "gemini": {"usageMetadata": {"serviceTier": "priority"}},
    },
    refused=refused(cells("chat", "responses", "gemini", "anthropic"), code="unknown_price"),
    remark="of Claude it has no list price; Anthropic's clients say `auto`, which leaves it to the provider",
)

STANDARD_TIER = Feature(
    name="service tier: standard alone",
    asked={
        "chat": {"service_tier": "default"},
        "responses": {"service_tier": "default"},
        "messages": {"service_tier": "standard_only"},
        "gemini": {"serviceTier": "standard"},
    },
    sent={
        "openai": {"service_tier": "default"},
        "anthropic": {"service_tier": "standard_only"},
        "google": {"serviceTier": "standard"},
    },
    answer={
        "openai": {**_TIERED["openai"], "service_tier": "default"},
        "anthropic": {
            **_TIERED["anthropic"],
            "usage": {"input_tokens": 9, "output_tokens": 2, "service_tier": "standard"},
        },
        "google": {
            **_TIERED["google"],
            "usageMetadata": {"promptTokenCount": 9, "candidatesTokenCount": 2, "serviceTier": "standard"},
        },
    },
    told={
        "chat": {"service_tier": "default"},
        "responses": {"service_tier": "default"},
        "messages": {"usage": {"service_tier": "standard"}},
        "gemini": {"usageMetadata": {"serviceTier": "standard"}},
    },
)

FLEX_TIER = Feature(
    name="service tier: flex",
    asked={
        "chat": {"service_tier": "flex"},
        "responses": {"service_tier": "flex"},
        "gemini": {"serviceTier": "flex"},
    },
    sent={"openai": {"service_tier": "flex"}, "google": {"serviceTier": "flex"}},
    refused=refused(cells("anthropic")),
)

OWN_TOOLS = Feature(
    name="tools that a provider runs",
    asked={
        "chat": {"web_search_options": {}},
        "responses": {"tools": [{"type": "web_search"}]},
        "messages": {"tools": [{"type": "web_search_20250305", "name": "web_search"}]},
        "gemini": {"tools": [{"googleSearch": {}}]},
    },
    refused=refused(),
    remark="their price is not held",
)

FEATURES = (TEXT, TURNS, SYSTEM, STRUCTURED, SEED, MANY_ANSWERS, TIER, STANDARD_TIER, FLEX_TIER, OWN_TOOLS)
