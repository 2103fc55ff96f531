"""generateContent requests that Gemini accepts."""

from typing import Any

from tests.translation.bodies.dice import Dice
from tests.translation.facts import GEMINI, Gemini

Json = dict[str, Any]

_MEDIA = ("image/png", "image/jpeg", "image/webp", "image/gif", "application/pdf", "audio/wav", "video/mp4")
_RESULT_MEDIA = ("image/png", "image/jpeg", "image/webp", "application/pdf")
_OPENAPI: tuple[Json, ...] = (
    {"type": "OBJECT", "properties": {"city": {"type": "STRING"}}, "required": ["city"]},
    {
        "type": "OBJECT",
        "properties": {
            "n": {"type": "INTEGER", "nullable": True, "format": "int64"},
            "e": {"type": "STRING", "format": "enum", "enum": ["a", "b"]},
            "l": {"type": "ARRAY", "items": {"type": "NUMBER"}, "maxItems": "3"},
            "c": {"anyOf": [{"type": "STRING"}, {"type": "BOOLEAN"}]},
        },
        "propertyOrdering": ["e", "n"],
    },
)


def body(dice: Dice, model: str) -> Json:
    return _Body(dice, model).made()


class _Body:
    def __init__(self, dice: Dice, model: str) -> None:
        self.dice = dice
        self.facts: Gemini = GEMINI[model]
        self.names = dice.names(most=128, dotted=True) if dice.chance(0.7) else []
        self.ids = self.facts.ids and dice.chance(0.7)
        self.pending: list[Json] = []

    def made(self) -> Json:
        dice = self.dice
        made: Json = {}
        if dice.chance(0.5):
            parts = [{"text": dice.text()} for _ in range(dice.number(1, 3))]
            made["systemInstruction"] = {"parts": parts}
        made["contents"] = self.contents()
        tools: list[Json] = []
        if self.names:
            tools.append({"functionDeclarations": [self.declaration(name) for name in self.names]})
        if dice.chance(0.1):
            tools.append({"googleSearch": {}})
        if tools:
            made["tools"] = tools
        if self.names and dice.chance(0.4):
            made["toolConfig"] = {"functionCallingConfig": self.calling()}
        if config := self.config():
            made["generationConfig"] = config
        if dice.chance(0.2):
            made["safetySettings"] = [{"category": dice.private(), "threshold": "BLOCK_NONE"}]
        if dice.chance(0.1):
            made["serviceTier"] = dice.pick(("standard", "flex", "priority"))
        return made

    def calling(self) -> Json:
        allowed = {"allowedFunctionNames": [self.dice.pick(self.names)]} if self.dice.chance(0.5) else {}
        modes: tuple[Json, ...] = (
            {"mode": "AUTO"},
            {"mode": "NONE"},
            {"mode": "ANY", **allowed},
            {"mode": "VALIDATED"},
        )
        return self.dice.pick(modes)

    def config(self) -> Json:
        dice, facts = self.dice, self.facts
        config: Json = {}
        if facts.sampling and dice.chance(0.4):
            config |= {"temperature": dice.fraction(2.0), "topK": dice.number(1, 40)}
        if facts.sampling and dice.chance(0.2):
            config |= {"seed": 7, "presencePenalty": 0.5, "topP": 0.9}
        if dice.chance(0.4):
            config["maxOutputTokens"] = dice.number(1, 9_000)
        if dice.chance(0.3):
            config["stopSequences"] = ["END", "\n"]
        if dice.chance(0.2):
            config["mediaResolution"] = "MEDIA_RESOLUTION_LOW"
        if facts.thinking == "level" and dice.chance(0.4):
            config["thinkingConfig"] = {"thinkingLevel": dice.pick(("low", "high")), "includeThoughts": True}
        if facts.thinking == "budget" and dice.chance(0.4):
            config["thinkingConfig"] = {"thinkingBudget": dice.pick((-1, 0, 512, 24_576))}
        if dice.chance(0.3) and (facts.structured_with_tools or not self.names):
            config |= self.form()
        return config

    def form(self) -> Json:
        schemas: list[Json] = [{}, {"responseSchema": self.dice.pick(_OPENAPI)}]
        if self.facts.json_schema:
            schemas.append({"responseJsonSchema": self.dice.schema()})
        return {"responseMimeType": "application/json", **self.dice.pick(schemas)}

    def declaration(self, name: str) -> Json:
        dice = self.dice
        declared: Json = {"name": name, "description": dice.text()}
        match dice.number(0, 2):
            case 0:
                declared["parameters"] = dice.pick(_OPENAPI)
            case 1 if self.facts.json_schema:
                declared["parametersJsonSchema"] = dice.schema()
            case _:
                pass
        return declared

    def contents(self) -> list[Json]:
        contents = [self.user()]
        for _ in range(self.dice.number(0, 4)):
            contents += [self.model(), self.user()]
        return contents

    def user(self) -> Json:
        dice = self.dice
        parts = [self.response(call) for call in self.pending]
        had, self.pending = bool(self.pending), []
        parts += [self.said() for _ in range(dice.number(0 if had else 1, 3))]
        return {"role": "user", "parts": parts}

    def said(self) -> Json:
        dice = self.dice
        match dice.number(0, 9):
            case 0 | 1:
                return self.inline(_MEDIA)
            case 2:
                return {"inlineData": {"mimeType": "text/plain", "data": dice.text_data()}}
            case 3:
                uri = dice.pick(
                    (dice.url("png"), f"https://generativelanguage.googleapis.com/{dice.private()}")
                )
                return {"fileData": {"mimeType": "image/png", "fileUri": uri}}
            case 4:
                part: Json = {"fileData": {"mimeType": "video/mp4", "fileUri": dice.url("mp4")}}
                return part | {"videoMetadata": {"startOffset": dice.private()}}
            case _:
                return {"text": dice.text()}

    def inline(self, kinds: tuple[str, ...]) -> Json:
        return {"inlineData": {"mimeType": self.dice.pick(kinds), "data": self.dice.data()}}

    def model(self) -> Json:
        dice = self.dice
        parts: list[Json] = []
        for _ in range(dice.number(0, 3)):
            parts += self.spoken()
        if self.names and dice.chance(0.5):
            self.pending = [self.call(nth) for nth in range(dice.number(1, 3))]
            parts += self.pending
        return {"role": "model", "parts": parts or [{"text": dice.text()}]}

    def spoken(self) -> list[Json]:
        dice = self.dice
        match dice.number(0, 7):
            case 0:
                signed = {"thoughtSignature": dice.private()} if dice.chance(0.3) else {}
                return [{"text": dice.private(), "thought": True, **signed}]
            case 1:
                return [{"text": dice.text(), "thoughtSignature": dice.private()}]
            case 2:
                code = {"executableCode": {"language": "PYTHON", "code": f"print({dice.token()})"}}
                return [code, {"codeExecutionResult": {"outcome": "OUTCOME_OK", "output": dice.token()}}]
            case 3 if dice.chance(0.5):
                return [self.inline(("image/png",)) | {"thoughtSignature": dice.private()}]
            case 4 if dice.chance(0.5):
                return [{"text": "", "thoughtSignature": dice.private()}]
            case _:
                return [{"text": dice.text()}]

    def call(self, nth: int) -> Json:
        dice = self.dice
        call: Json = {"name": dice.pick(self.names), "args": dice.arguments()}
        if self.ids:
            call["id"] = dice.id("g")
        signed = self.facts.signed and (nth == 0 or dice.chance(0.1))
        return {"functionCall": call} | ({"thoughtSignature": dice.private()} if signed else {})

    def response(self, part: Json) -> Json:
        dice, call = self.dice, part["functionCall"]
        response: Json = {"name": call["name"], "response": self.outcome()}
        if self.ids:
            response["id"] = call["id"]
        if self.facts.media_in_results and dice.chance(0.2):
            response["parts"] = [self.inline(_RESULT_MEDIA)]
        if dice.chance(0.05):
            response["scheduling"] = dice.private()
        return {"functionResponse": response}

    def outcome(self) -> Json:
        dice = self.dice
        outcomes: tuple[Json, ...] = (
            {"output": dice.text()},
            {"output": dice.text()},
            {"error": dice.text()},
            {"result": dice.text()},
            {"result": {"temp": 3, "said": dice.token()}},
            {"temp": dice.token(), "unit": "C"},
            {"error": {"code": 7, "said": dice.token()}},
            {},
        )
        return dice.pick(outcomes)
