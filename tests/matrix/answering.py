"""Features of answers: sources, refusals, reasons to stop, probabilities."""

from tests.matrix.feature import DIALECTS, PARIS, Feature, Json, cells, refused
from tests.matrix.matching import ABSENT

_URL = "https://example.com/paris"
_SOURCE = {"url": _URL, "title": "Paris"}
_ANNOTATION = {"type": "url_citation", "url_citation": {**_SOURCE, "start_index": 0, "end_index": 6}}
_FOUND = {
    "type": "web_search_result_location",
    **_SOURCE,
    "cited_text": "The capital is Paris.",
    "encrypted_index": "e1",
}
_GROUNDS = {"groundingChunks": [{"web": {"uri": _URL, "title": "Paris"}}]}

CITATIONS = Feature(
    name="citations",
    asked={dialect: {} for dialect in DIALECTS},
    sent={"openai": {}, "anthropic": {}, "google": {}},
    answer={
        "openai": {
            "choices": [
                {"message": {"content": "Paris.", "annotations": [_ANNOTATION]}, "finish_reason": "stop"}
            ]
        },
        "anthropic": {
            "content": [{"type": "text", "text": "Paris.", "citations": [_FOUND]}],
            "stop_reason": "end_turn",
        },
        "google": {
            "candidates": [
                {
                    "content": {"parts": [{"text": "Paris."}]},
                    "finishReason": "STOP",
                    "groundingMetadata": _GROUNDS,
                }
            ]
        },
    },
    told={
        "chat": {"choices": [{"message": {"content": "Paris.", "annotations": [_ANNOTATION]}}]},
        "responses": {
            "output": [
                {
                    "content": [
                        {
                            "text": "Paris.",
                            "annotations": [
                                {"type": "url_citation", **_SOURCE, "start_index": 0, "end_index": 6}
                            ],
                        }
                    ]
                }
            ]
        },
        "messages": {
            "content": [
                {
                    "type": "text",
                    "text": "Paris.",
                    "citations": [{"type": "web_search_result_location", **_SOURCE, "encrypted_index": ""}],
                }
            ]
        },
        "gemini": {
            "candidates": [
                {"content": {"parts": [{"text": "Paris."}]}, "groundingMetadata": _GROUNDS},
            ]
        },
    },
    told_in={("messages", "anthropic"): {"content": [{"text": "Paris.", "citations": [_FOUND]}]}},
    remark="of the web; places in a document stay in Anthropic's dialect",
)

_CITED = {
    "type": "document",
    "citations": {"enabled": True},
    "source": {"type": "text", "media_type": "text/plain", "data": "The capital is Paris."},
}
_PLACE = {
    "type": "char_location",
    "cited_text": "Paris",
    "document_index": 0,
    "document_title": None,
    "start_char_index": 15,
    "end_char_index": 20,
}
DOCUMENT_CITATIONS = Feature(
    name="citations of a document, asked for",
    asked={"messages": {"messages": [{"role": "user", "content": [_CITED]}]}},
    sent={"anthropic": {"messages": [{"role": "user", "content": [_CITED]}]}},
    answer={
        "anthropic": {
            "content": [{"type": "text", "text": "Paris.", "citations": [_PLACE]}],
            "stop_reason": "end_turn",
        }
    },
    told={"messages": {"content": [{"text": "Paris.", "citations": [_PLACE]}]}},
    refused=refused(cells("messages", "openai", "google")),
)

_NO = "I cannot help with that."
REFUSAL = Feature(
    name="a refusal",
    asked={dialect: {} for dialect in DIALECTS},
    sent={"openai": {}, "anthropic": {}, "google": {}},
    answer={
        "openai": {"choices": [{"message": {"refusal": _NO}, "finish_reason": "stop"}]},
        "anthropic": {
            "content": [],
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "category": None, "explanation": _NO},
        },
        "google": {"candidates": [{"content": {"parts": [{"text": "I"}]}, "finishReason": "SAFETY"}]},
    },
    told={
        "chat": {
            "choices": [{"message": {"refusal": _NO}, "finish_reason": "stop"}],
        },
        "responses": {
            "status": "completed",
            "output": [{"type": "message", "content": [{"type": "refusal", "refusal": _NO}]}],
        },
        "messages": {
            "content": [{"type": "text", "text": _NO}],
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "explanation": _NO},
        },
        "gemini": {"candidates": [{"content": {"parts": [{"text": _NO}]}, "finishReason": "SAFETY"}]},
    },
    told_in={
        ("messages", "anthropic"): {
            "content": [],
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal", "explanation": _NO},
        },
        ("chat", "google"): {
            "choices": [{"message": {"content": "I"}, "finish_reason": "content_filter"}],
        },
        ("responses", "google"): {
            "status": "incomplete",
            "incomplete_details": {"reason": "content_filter"},
        },
        ("messages", "google"): {
            "content": [{"type": "text", "text": "I"}],
            "stop_reason": "refusal",
            "stop_details": {"type": "refusal"},
        },
        ("gemini", "google"): {
            "candidates": [{"content": {"parts": [{"text": "I"}]}, "finishReason": "SAFETY"}]
        },
    },
)

LENGTH = Feature(
    name="stopped for its length",
    asked={
        "chat": {"max_completion_tokens": 99},
        "responses": {"max_output_tokens": 99},
        "messages": {"max_tokens": 99},
        "gemini": {"generationConfig": {"maxOutputTokens": 99}},
    },
    sent={
        "openai": {"max_completion_tokens": 99},
        "anthropic": {"max_tokens": 99},
        "google": {"generationConfig": {"maxOutputTokens": 99}},
    },
    answer={
        "openai": {"choices": [{"message": {"content": "Pa"}, "finish_reason": "length"}]},
        "anthropic": {"content": [{"type": "text", "text": "Pa"}], "stop_reason": "max_tokens"},
        "google": {"candidates": [{"content": {"parts": [{"text": "Pa"}]}, "finishReason": "MAX_TOKENS"}]},
    },
    told={
        "chat": {"choices": [{"message": {"content": "Pa"}, "finish_reason": "length"}]},
        "responses": {
            "status": "incomplete",
            "incomplete_details": {"reason": "max_output_tokens"},
            "output": [{"status": "incomplete", "content": [{"text": "Pa"}]}],
        },
        "messages": {"content": [{"text": "Pa"}], "stop_reason": "max_tokens"},
        "gemini": {"candidates": [{"content": {"parts": [{"text": "Pa"}]}, "finishReason": "MAX_TOKENS"}]},
    },
)

STOP = Feature(
    name="stop sequences",
    asked={
        "chat": {"stop": ["END"]},
        "messages": {"stop_sequences": ["END"]},
        "gemini": {"generationConfig": {"stopSequences": ["END"]}},
    },
    sent={
        "openai": {"stop": ABSENT},
        "anthropic": {"stop_sequences": ["END"]},
        "google": {"generationConfig": {"stopSequences": ["END"]}},
    },
    answer={
        **PARIS,
        "anthropic": {
            "content": [{"type": "text", "text": "Paris."}],
            "stop_reason": "stop_sequence",
            "stop_sequence": "END",
        },
    },
    told_in={("messages", "anthropic"): {"stop_reason": "stop_sequence", "stop_sequence": "END"}},
    left_out=dict.fromkeys(cells("openai"), "stop"),
    remark="OpenAI's reasoning models take none",
)

_TOKEN: Json = {"token": "Paris.", "logprob": -0.5, "bytes": [80, 97, 114, 105, 115, 46]}
_TOKENS = [{**_TOKEN, "top_logprobs": [_TOKEN]}]
_CANDIDATE = {"token": "Paris.", "logProbability": -0.5}
_CHOSEN = {"chosenCandidates": [_CANDIDATE], "topCandidates": [{"candidates": [_CANDIDATE]}]}
_PROBABLE = {
    "content": {"parts": [{"text": "Paris."}]},
    "finishReason": "STOP",
    "avgLogprobs": -0.5,
    "logprobsResult": _CHOSEN,
}
LOGPROBS = Feature(
    name="log probabilities",
    asked={
        "chat": {"logprobs": True, "top_logprobs": 2, "reasoning_effort": "none"},
        "responses": {
            "include": ["message.output_text.logprobs"],
            "top_logprobs": 2,
            "reasoning": {"effort": "none"},
        },
        "gemini": {
            "generationConfig": {
                "responseLogprobs": True,
                "logprobs": 2,
                "thinkingConfig": {"thinkingBudget": 0},
            }
        },
    },
    sent={
        "openai": {"logprobs": True, "top_logprobs": 2, "reasoning_effort": "none"},
        "google": {"generationConfig": {"responseLogprobs": True, "logprobs": 2}},
    },
    answer={
        "openai": {
            "choices": [
                {
                    "message": {"content": "Paris."},
                    "logprobs": {"content": _TOKENS},
                    "finish_reason": "stop",
                }
            ]
        },
        "google": {"candidates": [_PROBABLE]},
    },
    told={
        "chat": {"choices": [{"message": {"content": "Paris."}, "logprobs": {"content": _TOKENS}}]},
        "responses": {"output": [{"content": [{"text": "Paris.", "logprobs": _TOKENS}]}]},
        "gemini": {"candidates": [_PROBABLE]},
    },
    refused=refused(cells("anthropic")),
    remark="GPT gives them where it is not to reason at all",
)

FEATURES = (CITATIONS, DOCUMENT_CITATIONS, REFUSAL, LENGTH, STOP, LOGPROBS)
