"""Responses requests that OpenAI accepts."""

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
        made: Json = {"model": self.model}
        made["input"] = dice.text() if dice.chance(0.05) else self.items()
        if dice.chance(0.4):
            made["instructions"] = dice.text()
        tools = [self.tool(name) for name in self.names]
        if dice.chance(0.2):
            tools.append({"type": "web_search", "search_context_size": "low"})
        if tools:
            made["tools"] = tools
        if self.names:
            made |= {"parallel_tool_calls": dice.chance(0.5)} if dice.chance(0.3) else {}
            if dice.chance(0.4):
                made["tool_choice"] = self.choice()
        if dice.chance(0.4):
            made["max_output_tokens"] = dice.number(16, 9_000)
        if dice.chance(0.4):
            made |= shared.sampling(dice, facts)
        self.settings(made)
        return made

    def settings(self, made: Json) -> None:
        dice, facts = self.dice, self.facts
        if facts.efforts and dice.chance(0.4):
            summary = {"summary": dice.pick(("auto", "detailed"))} if dice.chance(0.5) else {}
            made["reasoning"] = {"effort": dice.pick(facts.efforts), **summary}
        if isinstance(made["input"], list) and dice.chance(0.3):
            made["input"].append({"role": "user", "content": f"As JSON, {dice.token()}"})
            form = {"type": "json_schema", "name": "answer", "schema": dice.schema(), "strict": False}
            made["text"] = {"format": dice.pick(({"type": "json_object"}, {"type": "text"}, form))}
        if facts.verbosity and dice.chance(0.3):
            made["text"] = made.get("text", {}) | {"verbosity": "low"}
        if dice.chance(0.3):
            made |= {"user": dice.id("u"), "metadata": {"k": dice.private()}, "store": False}
            made |= {"include": ["reasoning.encrypted_content"], "truncation": "auto"}
        if dice.chance(0.3):
            made["stream"] = True

    def tool(self, name: str) -> Json:
        dice = self.dice
        described: Json = {"name": name} | ({"description": dice.text()} if dice.chance(0.7) else {})
        if name in self.custom:
            grammar = {"type": "grammar", "definition": dice.private(), "syntax": "regex"}
            return {"type": "custom", **described} | ({"format": grammar} if dice.chance(0.5) else {})
        strict = dice.chance(0.3)
        told = {"strict": strict} if strict or dice.chance(0.5) else {}
        return {"type": "function", **described, "parameters": dice.schema(strict=strict), **told}

    def choice(self) -> str | Json:
        choices: tuple[str | Json, ...] = ("auto", "none", "required", self.named(self.dice.pick(self.names)))
        if len(self.names) > 1:
            allowed = [self.named(name) for name in self.names[:2]]
            choices += (
                {"type": "allowed_tools", "mode": self.dice.pick(("auto", "required")), "tools": allowed},
            )
        return self.dice.pick(choices)

    def named(self, name: str) -> Json:
        return {"type": "custom" if name in self.custom else "function", "name": name}

    def items(self) -> list[Json]:
        dice = self.dice
        items: list[Json] = []
        for _ in range(dice.number(0, 5)):
            match dice.number(0, 9):
                case 0:
                    role = dice.pick(("system", "developer"))
                    items.append({"role": role, "content": dice.pick((dice.text(), [self.text()]))})
                case 1 | 2 | 3:
                    items += self.answer()
                case 4 | 5 if self.names:
                    items += self.exchange()
                case 6 if dice.chance(0.3):
                    items.append(
                        {"type": "compaction", "id": dice.private(), "encrypted_content": dice.private()}
                    )
                case _:
                    items.append(self.user())
        return [*items, self.user()]

    def text(self) -> Json:
        return self.marks.on({"type": "input_text", "text": self.dice.text()})

    def user(self) -> Json:
        dice = self.dice
        typed: Json = {"type": "message", "status": "completed"} if dice.chance(0.2) else {}
        if dice.chance(0.4):
            return {"role": "user", "content": dice.text(), **typed}
        return {"role": "user", "content": [self.part() for _ in range(dice.number(1, 3))], **typed}

    def part(self) -> Json:
        dice = self.dice
        match dice.number(0, 9):
            case 0 | 1:
                shown = dice.pick(({"image_url": shared.image_url(dice)}, {"file_id": dice.private()}))
                return self.marks.on({"type": "input_image", "detail": dice.pick(("auto", "high")), **shown})
            case 2 | 3:
                forms: tuple[Json, ...] = (
                    shared.pdf(dice),
                    {"file_id": dice.private()},
                    {"file_url": dice.url("pdf")},
                )
                return self.marks.on({"type": "input_file", **dice.pick(forms)})
            case _:
                return self.text()

    def answer(self) -> list[Json]:
        dice = self.dice
        items: list[Json] = [self.thought()] if dice.chance(0.5) else []
        if dice.chance(0.2):
            items.append({"type": "web_search_call", "id": dice.private(), "status": "completed"})
        if dice.chance(0.1):
            items.append(
                {
                    "type": "image_generation_call",
                    "id": dice.private(),
                    "status": "completed",
                    "result": dice.data(),
                }
            )
        return [*items, self.message()]

    def thought(self) -> Json:
        dice = self.dice
        summary = [{"type": "summary_text", "text": dice.private()}] if dice.chance(0.5) else []
        sealed = {"encrypted_content": dice.private()} if dice.chance(0.8) else {}
        return {"type": "reasoning", "id": dice.private(), "summary": summary, **sealed}

    def message(self) -> Json:
        dice = self.dice
        if dice.chance(0.3):
            return {"role": "assistant", "content": dice.text()}
        phase = {"phase": dice.pick(("commentary", "final_answer"))} if dice.chance(0.5) else {}
        content = [self.said() for _ in range(dice.number(1, 2))]
        about = {"type": "message", "id": dice.private(), "status": "completed"}
        return {**about, "role": "assistant", "content": content, **phase}

    def said(self) -> Json:
        dice = self.dice
        if dice.chance(0.2):
            return {"type": "refusal", "refusal": dice.text()}
        cited: Json = {"type": "url_citation", "url": "https://x.org", "title": dice.private()}
        cited |= {"start_index": 0, "end_index": 3}
        annotations = [cited] if dice.chance(0.3) else []
        return {"type": "output_text", "text": dice.text(), "annotations": annotations}

    def exchange(self) -> list[Json]:
        dice = self.dice
        calls: list[Json] = []
        for _ in range(dice.number(1, 3)):
            calls += [self.thought()] if dice.chance(0.3) else []
            calls.append(self.call())
        if dice.chance(0.1):
            calls.append(
                {"type": "computer_call", "call_id": dice.id("cc"), "action": {"type": dice.private()}}
            )
        made = [call for call in calls if call["type"] != "reasoning"]
        return [*calls, *(self.output(call) for call in dice.shuffled(made))]

    def call(self) -> Json:
        dice, name = self.dice, self.dice.pick(self.names)
        own = {"id": dice.private()} if dice.chance(0.5) else {}
        wire: Json = {"call_id": dice.id("call_"), "name": name, **own}
        if name in self.custom:
            return {"type": "custom_tool_call", "input": dice.pick(("SELECT 1;", "")), **wire}
        return {"type": "function_call", "arguments": shared.arguments(dice), **wire}

    def output(self, call: Json) -> Json:
        dice = self.dice
        kind, call_id = f"{call['type']}_output", call["call_id"]
        if call["type"] == "computer_call":
            shot = {"type": "computer_screenshot", "file_id": dice.private()}
            return {"type": kind, "call_id": call_id, "output": shot}
        parts = [self.part() for _ in range(dice.number(1, 2))]
        return {"type": kind, "call_id": call_id, "output": dice.pick((dice.text(), parts, ""))}
