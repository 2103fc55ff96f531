"""The rules of Gemini's `contents`: roles, parts, paired function calls and responses, signatures."""

import base64
import re
from typing import Any

import orjson

from deployments.sandbox import signatures
from deployments.sandbox.exchange import Json, Rejected
from deployments.sandbox.fields import PART_DATA_FIELDS

SIGNED_CALLS = re.compile(r"^gemini-([3-9]|\d\d)")
"""From Gemini 3 on the first function call of every step must carry its thought signature."""
NAME = re.compile(r"^[A-Za-z_][A-Za-z0-9_.:-]{0,127}$")
UNCHECKED = "skip_thought_signature_validator"
"""Stands for the signature of a call that another model made."""

_PART_FIELDS = PART_DATA_FIELDS | frozenset(
    {"thought", "thoughtSignature", "videoMetadata", "mediaResolution", "partMetadata", "mediaProcessing"}
)


class Turns:
    """Reads the contents one after another and keeps what an answer depends on."""

    def __init__(self, model: str) -> None:
        self.texts: list[str] = []
        self.media = 0
        self.user_text = ""
        self.results: list[tuple[str, str]] = []
        self._signed = SIGNED_CALLS.match(model) is not None
        self._calls: list[Json] = []
        """The calls of the turn before."""

    def read(self, contents: Any) -> None:
        if not isinstance(contents, list) or not contents:
            raise Rejected("contents is not specified")
        before = ""
        for i, content in enumerate(contents):
            at = f"contents[{i}]"
            role = content.get("role", "user") if isinstance(content, dict) else None
            if role not in ("user", "model"):
                raise Rejected("Please use a valid role: user, model.")
            if unknown := content.keys() - {"role", "parts"}:
                raise Rejected(f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at '{at}'.")
            self._turn(role, before, content.get("parts"), at)
            before = role
        if self._calls:
            raise Rejected(
                "Please ensure that the function call turn is followed by a function response turn."
            )

    def _turn(self, role: str, before: str, parts: Any, at: str) -> None:
        if not isinstance(parts, list) or not parts:
            raise Rejected(f"{at}.parts must not be empty.")
        for j, part in enumerate(parts):
            _check_part(part, f"{at}.parts[{j}]")
        calls = [part["functionCall"] for part in parts if "functionCall" in part]
        responses = [part["functionResponse"] for part in parts if "functionResponse" in part]
        if calls and (role != "model" or before != "user"):
            raise Rejected(
                "Please ensure that function call turn comes immediately after a user turn or after a "
                "function response turn."
            )
        self._pair(responses)
        self._calls = calls
        if calls and self._signed:
            self._check_first_call(parts, at)
        said = [self._take(part, at) for part in parts]
        if role == "user" and any(said):
            self.user_text = " ".join(filter(None, said))

    def _pair(self, responses: list[Json]) -> None:
        if len(responses) != len(self._calls):
            raise Rejected(
                "Please ensure that the number of function response parts is equal to the number of "
                "function call parts of the function call turn."
            )
        called = sorted(call["name"] for call in self._calls)
        if called != sorted(response["name"] for response in responses):
            raise Rejected(
                "Please ensure that function response names match those of the function call turn."
            )
        ids = sorted(call["id"] for call in self._calls if call.get("id"))
        if len(ids) == len(self._calls) and ids != sorted(str(response.get("id")) for response in responses):
            raise Rejected("Please ensure that function response ids match those of the function call turn.")
        self.results = [(response["name"], _result_text(response["response"])) for response in responses]

    def _check_first_call(self, parts: list[Json], at: str) -> None:
        first = next(part for part in parts if "functionCall" in part)
        if not first.get("thoughtSignature"):
            name = first["functionCall"]["name"]
            raise Rejected(
                f"Function call `{name}` in the {at} content block is missing a `thought_signature`."
            )

    def _take(self, part: Json, at: str) -> str:
        """Keeps what the part holds; returns its text if it is one."""
        call, response = part.get("functionCall"), part.get("functionResponse")
        if signature := part.get("thoughtSignature"):
            _check_signature(signature, signed_text(call), at)
        if call is not None:
            self.texts += [call["name"], orjson.dumps(call.get("args") or {}).decode()]
        elif response is not None:
            self.texts.append(_result_text(response["response"]))
            self.media += len(response.get("parts") or ())
        elif "text" in part:
            self.texts.append(part["text"])
            return "" if part.get("thought") else str(part["text"])
        else:
            self.media += 1
        return ""


def signed_text(call: Json | None) -> str:
    """What a part's signature covers: a call with its arguments; of text only that it was the model's."""
    if call is None:
        return ""
    return f"{call['name']} " + orjson.dumps(call.get("args") or {}, option=orjson.OPT_SORT_KEYS).decode()


def _check_signature(signature: str, text: str, at: str) -> None:
    # SDKs carry signatures as bytes, in either alphabet of base64.
    plain = signature.replace("+", "-").replace("/", "_")
    unchecked = {UNCHECKED, base64.b64encode(UNCHECKED.encode()).decode()}
    if signature not in unchecked and not signatures.genuine(plain, "google", text):
        raise Rejected(f"Thought signature is not valid. ({at})")


def _check_part(part: Any, at: str) -> None:
    if not isinstance(part, dict):
        raise Rejected(f"Invalid value at '{at}'.")
    if unknown := part.keys() - _PART_FIELDS:
        raise Rejected(
            f"Invalid JSON payload received. Unknown name \"{min(unknown)}\" at '{at}': Cannot find field."
        )
    kinds = part.keys() & PART_DATA_FIELDS
    if len(kinds) != 1:
        raise Rejected(f"{at}.data: required oneof field 'data' must have one initialized field")
    if "text" in part and (
        not isinstance(part["text"], str) or not (part["text"] or part.get("thoughtSignature"))
    ):
        raise Rejected(f"{at}.text must be a string that is not empty.")
    if (inline := part.get("inlineData")) is not None and not (inline.get("mimeType") and inline.get("data")):
        raise Rejected(f"{at}.inline_data: mime_type and data are required.")
    if (call := part.get("functionCall")) is not None:
        if not NAME.match(str(call.get("name") or "")):
            raise Rejected(f"{at}.function_call.name is not valid.")
        if not isinstance(call.get("args") or {}, dict):
            raise Rejected(f"Invalid value at '{at}.function_call.args': expected an object.")
    if (response := part.get("functionResponse")) is not None:
        if not response.get("name"):
            raise Rejected(f"{at}.function_response.name: Name cannot be empty.")
        if not isinstance(response.get("response"), dict):
            raise Rejected(f"Invalid value at '{at}.function_response.response': expected an object.")


def _result_text(response: Json) -> str:
    result = response.get("output", response.get("result", response.get("error", response)))
    return result if isinstance(result, str) else orjson.dumps(result).decode()
