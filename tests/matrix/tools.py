"""Features of functions that the caller runs."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from tests.matrix.feature import Dialect, Feature, Json, Provider

_SCHEMA: Json = {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]}


def _chat_tool(name: str) -> Json:
    return {"type": "function", "function": {"name": name, "description": "x", "parameters": _SCHEMA}}


def _response_tool(name: str) -> Json:
    return {"type": "function", "name": name, "description": "x", "parameters": _SCHEMA}


def _message_tool(name: str) -> Json:
    return {"name": name, "description": "x", "input_schema": _SCHEMA}


def _gemini_tool(name: str) -> Json:
    return {"name": name, "description": "x", "parametersJsonSchema": _SCHEMA}


_NAMES = ("weather", "time")
_OFFERED: Mapping[Dialect, Json] = {
    "chat": {"tools": [*map(_chat_tool, _NAMES)]},
    "responses": {"tools": [*map(_response_tool, _NAMES)]},
    "messages": {"tools": [*map(_message_tool, _NAMES)]},
    "gemini": {"tools": [{"functionDeclarations": [*map(_gemini_tool, _NAMES)]}]},
}
_DECLARED: Mapping[Provider, Json] = {
    "openai": _OFFERED["chat"],
    "anthropic": _OFFERED["messages"],
    "google": _OFFERED["gemini"],
}


def _offered(**choices: Json) -> Mapping[Dialect, Json]:
    return {dialect: offer | choices[dialect] for dialect, offer in _OFFERED.items()}


def _declared(**choices: Json) -> Mapping[Provider, Json]:
    return {provider: declared | choices[provider] for provider, declared in _DECLARED.items()}


def _chat_call(name: str) -> Json:
    function = {"name": name, "arguments": '{"city":"Paris"}'}
    return {"id": f"call_{name}", "type": "function", "function": function}


def _response_call(name: str) -> Json:
    named = {"call_id": f"call_{name}", "name": name, "arguments": '{"city":"Paris"}'}
    return {"type": "function_call", "status": "completed", **named}


def _message_call(name: str) -> Json:
    return {"type": "tool_use", "id": f"call_{name}", "name": name, "input": {"city": "Paris"}}


def _gemini_call(name: str) -> Json:
    return {"functionCall": {"id": f"call_{name}", "name": name, "args": {"city": "Paris"}}}


def _called(names: Sequence[str]) -> Mapping[Dialect, Json]:
    """An answer that is calls, in each dialect."""
    calls = [*map(_gemini_call, names)]
    return {
        "chat": {
            "choices": [
                {
                    "message": {"tool_calls": [*map(_chat_call, names)]},
                    "finish_reason": "tool_calls",
                }
            ]
        },
        "responses": {"status": "completed", "output": [*map(_response_call, names)]},
        "messages": {"content": [*map(_message_call, names)], "stop_reason": "tool_use"},
        "gemini": {"candidates": [{"content": {"parts": calls}, "finishReason": "STOP"}]},
    }


def _calling(names: Sequence[str]) -> Mapping[Provider, Json]:
    """The same as the providers say it."""
    message = {"tool_calls": [*map(_chat_call, names)]}
    told = _called(names)
    return {
        "openai": {"choices": [{"message": message, "finish_reason": "tool_calls"}]},
        "anthropic": told["messages"],
        "google": told["gemini"],
    }


ONE_CALL = Feature(
    name="a tool called",
    asked=_OFFERED,
    sent=_DECLARED,
    answer=_calling(["weather"]),
    told=_called(["weather"]),
)
PARALLEL = Feature(
    name="tools called in parallel",
    asked=_OFFERED,
    sent=_DECLARED,
    answer=_calling(_NAMES),
    told=_called(_NAMES),
)
IN_PIECES = replace(
    ONE_CALL,
    name="arguments as they come",
    remark="where the provider streams them; in Gemini's dialect calls are whole",
)
"""Streams alone have them: see `test_arguments_come_in_pieces`."""

FORCED = Feature(
    name="some tool forced",
    asked=_offered(
        chat={"tool_choice": "required"},
        responses={"tool_choice": "required"},
        messages={"tool_choice": {"type": "any"}},
        gemini={"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
    ),
    sent=_declared(
        openai={"tool_choice": "required"},
        anthropic={"tool_choice": {"type": "any"}},
        google={"toolConfig": {"functionCallingConfig": {"mode": "ANY"}}},
    ),
    answer=_calling(["weather"]),
    told=_called(["weather"]),
)
NAMED = Feature(
    name="one tool forced",
    asked=_offered(
        chat={"tool_choice": {"type": "function", "function": {"name": "time"}}},
        responses={"tool_choice": {"type": "function", "name": "time"}},
        messages={"tool_choice": {"type": "tool", "name": "time"}},
        gemini={"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["time"]}}},
    ),
    sent=_declared(
        openai={"tool_choice": {"type": "function", "function": {"name": "time"}}},
        anthropic={"tool_choice": {"type": "tool", "name": "time"}},
        google={"toolConfig": {"functionCallingConfig": {"mode": "ANY", "allowedFunctionNames": ["time"]}}},
    ),
    answer=_calling(["time"]),
    told=_called(["time"]),
)
FORBIDDEN = Feature(
    name="no tool to be called",
    asked=_offered(
        chat={"tool_choice": "none"},
        responses={"tool_choice": "none"},
        messages={"tool_choice": {"type": "none"}},
        gemini={"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
    ),
    sent=_declared(
        openai={"tool_choice": "none"},
        anthropic={"tool_choice": {"type": "none"}},
        google={"toolConfig": {"functionCallingConfig": {"mode": "NONE"}}},
    ),
)

_RESULTS = [("weather", "17 degrees"), ("time", "noon")]
RESULTS = Feature(
    name="results of parallel calls",
    asked=_offered(
        chat={
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": None, "tool_calls": [*map(_chat_call, _NAMES)]},
                *({"role": "tool", "tool_call_id": f"call_{n}", "content": said} for n, said in _RESULTS),
            ]
        },
        responses={
            "input": [
                {"role": "user", "content": "hi"},
                *map(_response_call, _NAMES),
                *(
                    {"type": "function_call_output", "call_id": f"call_{n}", "output": said}
                    for n, said in _RESULTS
                ),
            ]
        },
        messages={
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "content": [*map(_message_call, _NAMES)]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": f"call_{n}", "content": said}
                        for n, said in _RESULTS
                    ],
                },
            ]
        },
        gemini={
            "contents": [
                {"role": "user", "parts": [{"text": "hi"}]},
                {"role": "model", "parts": [*map(_gemini_call, _NAMES)]},
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": f"call_{n}", "name": n, "response": {"output": said}}}
                        for n, said in _RESULTS
                    ],
                },
            ]
        },
    ),
    sent=_declared(
        openai={
            "messages": [
                {"role": "user", "content": "hi"},
                {"role": "assistant", "tool_calls": [*map(_chat_call, _NAMES)]},
                *({"role": "tool", "tool_call_id": f"call_{n}", "content": said} for n, said in _RESULTS),
            ]
        },
        anthropic={
            "messages": [
                {"role": "user"},
                {"role": "assistant", "content": [*map(_message_call, _NAMES)]},
                {
                    "role": "user",
                    "content": [
                        {"type": "tool_result", "tool_use_id": f"call_{n}", "content": said}
                        for n, said in _RESULTS
                    ],
                },
            ]
        },
        google={
            "contents": [
                {"role": "user"},
                {"role": "model", "parts": [*map(_gemini_call, _NAMES)]},
                {
                    "role": "user",
                    "parts": [
                        {"functionResponse": {"id": f"call_{n}", "name": n, "response": {"output": said}}}
                        for n, said in _RESULTS
                    ],
                },
            ]
        },
    ),
)

FEATURES = (ONE_CALL, PARALLEL, IN_PIECES, FORCED, NAMED, FORBIDDEN, RESULTS)
