"""How each provider would tell of a call: an answer with its usage, by the provider's own convention."""

from dataclasses import replace
from typing import Any

from tests.money.oracle import Call

Json = dict[str, Any]

_TIERS = {
    "openai": {"standard": "default"},
    "anthropic": {"fast": "standard"},
    "google": {},
}


def tellable(call: Call, protocol: str) -> Call:
    """The call without what could not happen at this provider, or what its answers could not tell apart."""
    if not call.whole_input:
        call = replace(call, text=1)
    match protocol:
        case "anthropic":
            call = replace(call, text=call.text + 1, audio=0, image=0, cached_audio=0, cached_image=0)
            return replace(call, speech=0, drawing=0, maps=0)
        case "google":
            return replace(
                call, text=call.text + 1, stored_5m=0, stored_1h=0, fetches=0, maps=min(call.maps, 1)
            )
        case _:
            call = replace(call, text=call.text + 1, cached_audio=0, cached_image=0, stored_1h=0, drawing=0)
            return replace(call, searches=0, fetches=0, maps=0)


def body(call: Call, protocol: str) -> Json:
    tier = _TIERS[protocol].get(call.tier, call.tier)
    match protocol:
        case "anthropic":
            return _anthropic(call, tier)
        case "google":
            return _google(call, tier)
        case _:
            return _openai(call, tier)


def _openai(call: Call, tier: str) -> Json:
    usage = {
        "prompt_tokens": call.whole_input,
        "completion_tokens": call.whole_output,
        "prompt_tokens_details": {
            "cached_tokens": call.cached,
            "cache_write_tokens": call.stored_5m,
            "audio_tokens": call.audio,
            "image_tokens": call.image,
        },
        "completion_tokens_details": {"reasoning_tokens": call.thoughts, "audio_tokens": call.speech},
    }
    choice = {"message": {"content": "x"}, "finish_reason": "stop"}
    return {"id": "c", "model": "m", "choices": [choice], "usage": usage, "service_tier": tier}


def _anthropic(call: Call, tier: str) -> Json:
    usage = {
        "input_tokens": call.text,
        "cache_read_input_tokens": call.cached_text,
        "cache_creation_input_tokens": call.stored_5m + call.stored_1h,
        "cache_creation": {
            "ephemeral_5m_input_tokens": call.stored_5m,
            "ephemeral_1h_input_tokens": call.stored_1h,
        },
        "output_tokens": call.whole_output,
        "output_tokens_details": {"thinking_tokens": call.thoughts},
        "server_tool_use": {"web_search_requests": call.searches, "web_fetch_requests": call.fetches},
        "service_tier": tier,
        "speed": "fast" if call.tier == "fast" else "standard",
    }
    return {"id": "c", "model": "m", "content": [], "stop_reason": "end_turn", "usage": usage}


def _google(call: Call, tier: str) -> Json:
    def details(**counts: int) -> list[Json]:
        return [{"modality": name, "tokenCount": count} for name, count in counts.items() if count]

    found = call.text // 2
    usage = {
        "promptTokenCount": call.whole_input - found,
        "toolUsePromptTokenCount": found,
        "promptTokensDetails": details(
            TEXT=call.text - found + call.cached_text,
            AUDIO=call.audio + call.cached_audio,
            IMAGE=call.image + call.cached_image,
        ),
        "cachedContentTokenCount": call.cached,
        "cacheTokensDetails": details(
            TEXT=call.cached_text, AUDIO=call.cached_audio, IMAGE=call.cached_image
        ),
        "candidatesTokenCount": call.words + call.speech + call.drawing,
        "candidatesTokensDetails": details(TEXT=call.words, AUDIO=call.speech, IMAGE=call.drawing),
        "thoughtsTokenCount": call.thoughts,
        "serviceTier": tier,
    }
    grounding = {
        "webSearchQueries": ["q"] * call.searches,
        "groundingChunks": [{"maps": {"uri": "https://maps"}}] * call.maps,
    }
    candidate = {
        "content": {"parts": [{"text": "x"}]},
        "finishReason": "STOP",
        "groundingMetadata": grounding,
    }
    return {"candidates": [candidate], "usageMetadata": usage, "modelVersion": "m", "responseId": "c"}
