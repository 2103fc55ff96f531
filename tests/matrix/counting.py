"""Features of usage: what is counted, what it costs, what a cache saves of it."""

from tests.matrix.feature import DIALECTS, PARIS, Feature, Json, Provider, cells, refused
from tests.matrix.matching import ABSENT

_LONG = "Be brief. " * 1_000
_MARK = {"cache_control": {"type": "ephemeral"}}
_BREAK = {"prompt_cache_breakpoint": {"mode": "explicit"}}
_COUNTED: dict[Provider, Json] = {
    "openai": {
        **PARIS["openai"],
        "usage": {
            "prompt_tokens": 100,
            "completion_tokens": 20,
            "total_tokens": 120,
            "prompt_tokens_details": {"cached_tokens": 30, "cache_write_tokens": 40},
            "completion_tokens_details": {"reasoning_tokens": 5},
        },
    },
    "anthropic": {
        **PARIS["anthropic"],
        "usage": {
            "input_tokens": 30,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": 40,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
        },
    },
    "google": {
        **PARIS["google"],
        "usageMetadata": {
            "promptTokenCount": 100,
            "cachedContentTokenCount": 30,
            "candidatesTokenCount": 15,
            "thoughtsTokenCount": 5,
            "totalTokenCount": 120,
        },
    },
}


def _chat_usage(**details: int) -> Json:
    return {
        "usage": {
            "prompt_tokens": 100,
            "prompt_tokens_details": {"cached_tokens": 30, **details},
            "completion_tokens": 20,
            "completion_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
            "cost": ...,
        }
    }


def _response_usage(*, written: int) -> Json:
    return {
        "usage": {
            "input_tokens": 100,
            "input_tokens_details": {"cached_tokens": 30, "cache_write_tokens": written},
            "output_tokens": 20,
            "output_tokens_details": {"reasoning_tokens": 5},
            "total_tokens": 120,
            "cost": ...,
        }
    }


def _message_usage(*, written: int) -> Json:
    return {
        "usage": {
            "input_tokens": 70 - written,
            "cache_read_input_tokens": 30,
            "cache_creation_input_tokens": written,
            "output_tokens": 20,
            "output_tokens_details": {"thinking_tokens": 5},
            "cost": ...,
        }
    }


USAGE = Feature(
    name="usage in full, with its cost",
    asked={dialect: {} for dialect in DIALECTS},
    sent={"openai": {}, "anthropic": {}, "google": {}},
    answer=_COUNTED,
    told={
        "chat": _chat_usage(cache_write_tokens=40),
        "responses": _response_usage(written=40),
        "messages": _message_usage(written=40),
        "gemini": {
            "usageMetadata": {
                "promptTokenCount": 100,
                "cachedContentTokenCount": 30,
                "candidatesTokenCount": 15,
                "thoughtsTokenCount": 5,
                "totalTokenCount": 120,
                "cost": ...,
            }
        },
    },
    told_in={
        ("chat", "google"): _chat_usage(),
        ("responses", "google"): _response_usage(written=0),
        ("messages", "google"): _message_usage(written=0),
    },
)

_ASKED = {"role": "user", "content": [{"type": "text", "text": "hi", **_MARK}]}
EXPLICIT_CACHE = Feature(
    name="prompt caching, marked",
    asked={
        "chat": {"messages": [{"role": "user", "content": [{"type": "text", "text": "hi", **_BREAK}]}]},
        "responses": {
            "input": [{"role": "user", "content": [{"type": "input_text", "text": "hi", **_BREAK}]}]
        },
        "messages": {"messages": [_ASKED]},
        "gemini": {"cachedContent": "cachedContents/1"},
    },
    sent={
        "openai": {"messages": [{"role": "user", "content": "hi"}]},
        "anthropic": {"messages": [_ASKED]},
        "google": {"contents": [{"role": "user", "parts": [{"text": "hi", "cache_control": ABSENT}]}]},
    },
    refused=refused(cells("gemini")),
    remark="GPT (before 5.6) and Gemini cache by themselves: marks say nothing there",
)
AUTOMATIC_CACHE = Feature(
    name="prompt caching, unasked",
    asked={
        "chat": {"messages": [{"role": "system", "content": _LONG}, {"role": "user", "content": "hi"}]},
        "responses": {"instructions": _LONG},
        "messages": {"system": _LONG},
        "gemini": {"systemInstruction": {"parts": [{"text": _LONG}]}},
    },
    sent={
        "openai": {"messages": [{"role": "system", "content": _LONG}, {"role": "user", "content": "hi"}]},
        "anthropic": {"system": [{"type": "text", "text": _LONG, **_MARK}]},
        "google": {"systemInstruction": {"parts": [{"text": _LONG}]}},
    },
)

FEATURES = (EXPLICIT_CACHE, AUTOMATIC_CACHE, USAGE)
