"""Chat completions requests that OpenAI accepts."""

from typing import Any

from tests.translation.bodies import openai_tools as shared
from tests.translation.bodies.dice import Dice
from tests.translation.facts import OPENAI, OpenAI

Json = dict[str, Any]


def body(dice: Dice, model: str) -> Json:
    return _Body(dice, model).made()


class _Body:
    def __init__(self, dice: Dice, model: str) -> None:
        self.dice = dice
        self.model = model
        self.facts: OpenAI = OPENAI[model]
        self.marks = shared.Marks(dice, self.facts)
        self.names = dice.names(most=64) if dice.chance(0.7) else []
        self.custom = self.names[:1] if dice.chance(0.3) else []

    def made(self) -> Json:
        dice, facts = self.dice, self.facts
        made: Json = {"model": self.model, "messages": self.messages()}
        if self.names:
            made["tools"] = [self.tool(name) for name in self.names]
            made |= {"parallel_tool_calls": dice.chance(0.5)} if dice.chance(0.3) else {}
            if dice.chance(0.4):
                made["tool_choice"] = self.choice()
        if dice.chance(0.4):
            made["max_completion_tokens"] = dice.number(1, 9_000)
        if dice.chance(0.4):
            made |= shared.sampling(dice, facts)
        if not facts.reasons and dice.chance(0.3):
            made |= {"stop": ["END", "\n"], "presence_penalty": 0.5, "logit_bias": {"5": 1}}
        if facts.efforts and dice.chance(0.4):
            made["reasoning_effort"] = dice.pick(facts.efforts)
        if facts.verbosity and dice.chance(0.3):
            made["verbosity"] = "low"
        if dice.chance(0.3):
            made |= {"user": dice.id("u"), "metadata": {"k": dice.private()}, "store": True, "seed": 7}
        if dice.chance(0.3):
            made |= {"stream": True, "stream_options": {"include_usage": True}}
        if dice.chance(0.3):
            made["messages"].append({"role": "user", "content": f"As JSON, {dice.token()}"})
            schema = {"name": "answer", "schema": dice.schema(strict=True), "strict": True}
            made["response_format"] = dice.pick(
                ({"type": "json_object"}, {"type": "json_schema", "json_schema": schema})
            )
        return made

    def tool(self, name: str) -> Json:
        dice = self.dice
        described: Json = {"name": name} | ({"description": dice.text()} if dice.chance(0.7) else {})
        if name in self.custom:
            grammar = {"type": "grammar", "grammar": {"definition": dice.private(), "syntax": "regex"}}
            described |= {"format": grammar} if dice.chance(0.5) else {}
            return {"type": "custom", "custom": described}
        strict = dice.chance(0.3)
        described["parameters"] = dice.schema(strict=strict)
        described |= {"strict": strict} if dice.chance(0.6) else {}
        return {"type": "function", "function": described}

    def named(self, name: str) -> Json:
        kind = "custom" if name in self.custom else "function"
        return {"type": kind, kind: {"name": name}}

    def choice(self) -> str | Json:
        choices: tuple[str | Json, ...] = ("auto", "none", "required", self.named(self.dice.pick(self.names)))
        if len(self.names) > 1:
            allowed = [self.named(name) for name in self.names[:2]]
            choices += ({"type": "allowed_tools", "allowed_tools": {"mode": "required", "tools": allowed}},)
        return self.dice.pick(choices)

    def messages(self) -> list[Json]:
        dice = self.dice
        messages: list[Json] = []
        if dice.chance(0.6):
            messages.append(self.instruction())
        for _ in range(dice.number(1, 5)):
            match dice.number(0, 9):
                case 0:
                    messages.append(self.instruction())
                case 1 | 2:
                    messages.append(self.answer())
                case 3 | 4 if self.names:
                    messages += self.exchange()
                case _:
                    messages.append(self.user())
        messages.append(self.user())
        return messages

    def instruction(self) -> Json:
        dice = self.dice
        parts = [self.text() for _ in range(dice.number(1, 2))]
        content = dice.pick((dice.text(), parts))
        return {"role": dice.pick(("system", "developer")), "content": content}

    def text(self) -> Json:
        return self.marks.on({"type": "text", "text": self.dice.text()})

    def user(self) -> Json:
        dice = self.dice
        named = {"name": dice.pick(("ann", "Bob_2"))} if dice.chance(0.1) else {}
        if dice.chance(0.4):
            return {"role": "user", "content": dice.text(), **named}
        return {"role": "user", "content": [self.part() for _ in range(dice.number(1, 3))], **named}

    def part(self) -> Json:
        dice = self.dice
        match dice.number(0, 9):
            case 0 | 1:
                detail = {"detail": dice.pick(("low", "high"))} if dice.chance(0.5) else {}
                return self.marks.on(
                    {"type": "image_url", "image_url": {"url": shared.image_url(dice), **detail}}
                )
            case 2:
                audio = {"data": dice.data(), "format": dice.pick(("wav", "mp3"))}
                return {"type": "input_audio", "input_audio": audio}
            case 3:
                file = dice.pick((shared.pdf(dice), {"file_id": dice.private()}))
                return self.marks.on({"type": "file", "file": file})
            case _:
                return self.text()

    def answer(self) -> Json:
        dice = self.dice
        match dice.number(0, 5):
            case 0:
                return {"role": "assistant", "content": None, "refusal": dice.text()}
            case 1:
                return {"role": "assistant", "content": [{"type": "refusal", "refusal": dice.text()}]}
            case 2:
                return {"role": "assistant", "content": None, "audio": {"id": dice.private()}}
            case 3:
                parts = [{"type": "text", "text": dice.text()} for _ in range(2)]
                return {"role": "assistant", "content": parts, "name": "helper"}
            case _:
                return {"role": "assistant", "content": dice.text()}

    def exchange(self) -> list[Json]:
        dice = self.dice
        calls = [self.call() for _ in range(dice.number(1, 3))]
        content = dice.pick((None, dice.text()))
        results = [
            {"role": "tool", "tool_call_id": call["id"], "content": self.result()}
            for call in dice.shuffled(calls)
        ]
        return [{"role": "assistant", "content": content, "tool_calls": calls}, *results]

    def call(self) -> Json:
        dice, name = self.dice, self.dice.pick(self.names)
        id = dice.id("call_")
        if name in self.custom:
            return {
                "id": id,
                "type": "custom",
                "custom": {"name": name, "input": dice.pick(("SELECT 1;", ""))},
            }
        function = {"name": name, "arguments": shared.arguments(dice)}
        return {"id": id, "type": "function", "function": function}

    def result(self) -> str | list[Json]:
        dice = self.dice
        parts: list[Json] = [{"type": "text", "text": dice.text()} for _ in range(dice.number(1, 2))]
        contents: tuple[str | list[Json], ...] = (dice.text(), parts, "")
        return dice.pick(contents)
