"""Features of reasoning: how much is asked for, what is shown of it, what the next turn needs of it."""

from tests.matrix.feature import DIALECTS, SAID_PARIS, Feature, Json, Provider, Then

EFFORT = Feature(
    name="effort",
    asked={
        "chat": {"reasoning_effort": "high"},
        "responses": {"reasoning": {"effort": "high"}},
        "messages": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        "gemini": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "HIGH"}}},
    },
    sent={
        "openai": {"reasoning_effort": "high"},
        "anthropic": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        "google": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}},
    },
)
BUDGET = Feature(
    name="budget of thoughts",
    asked={
        "messages": {"thinking": {"type": "enabled", "budget_tokens": 16_384}},
        "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 16_384}}},
    },
    sent={
        "openai": {"reasoning_effort": "high"},
        "anthropic": {"thinking": {"type": "adaptive"}, "output_config": {"effort": "high"}},
        "google": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "high"}}},
    },
    remark="an effort of that size, where the model takes no budget",
)
NONE = Feature(
    name="no thoughts",
    asked={
        "chat": {"reasoning_effort": "none"},
        "responses": {"reasoning": {"effort": "none"}},
        "messages": {"thinking": {"type": "disabled"}},
        "gemini": {"generationConfig": {"thinkingConfig": {"thinkingBudget": 0}}},
    },
    sent={
        "openai": {"reasoning_effort": "none"},
        "anthropic": {"thinking": {"type": "disabled"}},
        "google": {"generationConfig": {"thinkingConfig": {"thinkingLevel": "minimal"}}},
    },
    remark="as few as can be where there are always some",
)

_THOUGHT = "The capital of France."
_SIGNED = {"type": "thinking", "thinking": _THOUGHT, "signature": "s1"}
_ANSWERS: dict[Provider, Json] = {
    "openai": {
        "choices": [
            {"message": {"content": "Paris.", "reasoning_content": _THOUGHT}, "finish_reason": "stop"}
        ]
    },
    "anthropic": {"content": [_SIGNED, {"type": "text", "text": "Paris."}], "stop_reason": "end_turn"},
    "google": {
        "candidates": [
            {
                "content": {
                    "parts": [
                        {"text": _THOUGHT, "thought": True},
                        {"text": "Paris.", "thoughtSignature": "s1"},
                    ]
                },
                "finishReason": "STOP",
            }
        ]
    },
}


def _blocks(signature: str) -> Json:
    thought = {"type": "thinking", "thinking": _THOUGHT, "signature": signature}
    return {"content": [thought, {"type": "text", "text": "Paris."}]}


SHOWN = Feature(
    name="thoughts shown",
    asked={dialect: {} for dialect in DIALECTS},
    sent={"openai": {}, "anthropic": {}, "google": {}},
    answer=_ANSWERS,
    told={
        "chat": {"choices": [{"message": {"content": "Paris.", "reasoning_content": _THOUGHT}}]},
        "responses": {
            "output": [
                {"type": "reasoning", "summary": [{"type": "summary_text", "text": _THOUGHT}]},
                {"type": "message", "content": [{"text": "Paris."}]},
            ]
        },
        "messages": _blocks(""),
        "gemini": {
            "candidates": [{"content": {"parts": [{"text": _THOUGHT, "thought": True}, {"text": "Paris."}]}}]
        },
    },
    told_in={
        ("messages", "anthropic"): _blocks("s1"),
        ("gemini", "google"): _ANSWERS["google"],
    },
    remark="by models that show them: OpenAI's do not",
)

_AND = "And of Italy?"
_ASK_ON: Json = {"role": "user", "content": _AND}
_ASK_GEMINI: Json = {"role": "user", "parts": [{"text": _AND}]}
_RESUMED: dict[Provider, Json] = {
    "anthropic": {
        "messages": [
            {"role": "user"},
            {"role": "assistant", "content": [_SIGNED, {"type": "text", "text": "Paris."}]},
            {"role": "user", "content": [{"type": "text", "text": _AND}]},
        ]
    },
    "google": {
        "contents": [
            {"role": "user"},
            {"role": "model", "parts": [{"text": "Paris.", "thoughtSignature": "s1"}]},
            {"role": "user", "parts": [{"text": _AND}]},
        ]
    },
}

SIGNATURES = Feature(
    name="signatures, kept by the client",
    asked={"messages": {}, "gemini": {}},
    sent_in={("messages", "anthropic"): {}, ("gemini", "google"): {}},
    answer=_ANSWERS,
    told={"messages": _blocks("s1"), "gemini": _ANSWERS["google"]},
    then=Then(
        asked={
            "messages": lambda answer: {
                "messages": [
                    {"role": "user", "content": "hi"},
                    {"role": "assistant", "content": answer["content"]},
                    _ASK_ON,
                ]
            },
            "gemini": lambda answer: {
                "contents": [
                    {"role": "user", "parts": [{"text": "hi"}]},
                    answer["candidates"][0]["content"],
                    _ASK_GEMINI,
                ]
            },
        },
        sent={
            **_RESUMED,
            "google": {
                "contents": [
                    {"role": "user"},
                    {
                        "role": "model",
                        "parts": [
                            {"text": _THOUGHT, "thought": True},
                            {"text": "Paris.", "thoughtSignature": "s1"},
                        ],
                    },
                    {"role": "user"},
                ]
            },
        },
    ),
    remark="in the dialect of the provider",
)

CONVERSATION = Feature(
    name="signatures, in a conversation",
    asked={"chat": {}, "responses": {"store": True}, "messages": {}, "gemini": {}},
    sent={"anthropic": {}, "google": {}},
    answer=_ANSWERS,
    told={**SAID_PARIS, **SHOWN.told},
    told_in=SHOWN.told_in,
    then=Then(
        in_conversation=True,
        asked={
            "chat": lambda _: {"messages": [_ASK_ON]},
            "responses": lambda answer: {
                "store": True,
                "input": _AND,
                "previous_response_id": answer["id"],
            },
            "messages": lambda _: {"messages": [_ASK_ON]},
            "gemini": lambda _: {"contents": [_ASK_GEMINI]},
        },
        sent=_RESUMED,
    ),
    remark="named by `x-polyvox-conversation-id` or `previous_response_id`",
)


FEATURES = (EFFORT, BUDGET, NONE, SHOWN, SIGNATURES, CONVERSATION)
