"""Messages requests that Anthropic accepts."""

from typing import Any

from tests.translation.bodies.dice import Dice
from tests.translation.facts import ANTHROPIC, Anthropic

Json = dict[str, Any]

_IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def body(dice: Dice, model: str) -> Json:
    return _Body(dice, model).made()


class _Body:
    def __init__(self, dice: Dice, model: str) -> None:
        self.dice = dice
        self.model = model
        self.facts: Anthropic = ANTHROPIC[model]
        self.marks = 4
        self.short = False
        self.names = dice.names(most=128) if dice.chance(0.7) else []
        self.documents = 0
        self.pending: list[Json] = []

    def made(self) -> Json:
        dice, facts = self.dice, self.facts
        made: Json = {"model": self.model, "max_tokens": dice.number(1, 9_000)}
        if self.names:
            made["tools"] = [self.tool(name) for name in self.names]
            if dice.chance(0.2):
                made["tools"].append({"type": "web_search_20250305", "name": "web_search", "max_uses": 3})
        if dice.chance(0.6):
            made["system"] = self.system()
        made["messages"] = self.messages()
        self.settings(made)
        if self.names and dice.chance(0.4):
            forced = [{"type": "any"}, {"type": "tool", "name": dice.pick(self.names)}]
            choices: list[Json] = [{"type": "auto"}, {"type": "none"}]
            made["tool_choice"] = dice.pick(choices + (forced if facts.forced_tools else []))
            if made["tool_choice"]["type"] != "none" and dice.chance(0.3):
                made["tool_choice"]["disable_parallel_tool_use"] = True
            if made["tool_choice"]["type"] in ("any", "tool"):
                made.pop("thinking", None)
        return made

    def settings(self, made: Json) -> None:
        dice, facts = self.dice, self.facts
        if dice.chance(0.3):
            made["stop_sequences"] = [dice.pick(("END", "\n\nHuman:", "```"))]
        if dice.chance(0.3):
            made["metadata"] = {"user_id": dice.id("u")}
        if dice.chance(0.2):
            made["service_tier"] = dice.pick(("auto", "standard_only"))
        if dice.chance(0.3):
            made["stream"] = True
        if facts.thinking == "adaptive" and dice.chance(0.5):
            self.adaptive(made)
        elif facts.thinking == "budget" and made["max_tokens"] > 1_100 and self.may_think(made):
            made["thinking"] = {
                "type": "enabled",
                "budget_tokens": dice.number(1_024, made["max_tokens"] - 1),
            }
        if facts.sampling and "thinking" not in made and dice.chance(0.4):
            made[dice.pick(("temperature", "top_p"))] = dice.fraction(1.0)
            made |= {"top_k": 7} if dice.chance(0.3) else {}
        if facts.structured and dice.chance(0.2):
            schema = {
                "type": "object",
                "properties": {"a": {"type": "string"}},
                "additionalProperties": False,
            }
            form = {"format": {"type": "json_schema", "schema": schema}}
            made["output_config"] = made.get("output_config", {}) | form
        if dice.chance(0.1):
            made["context_management"] = {"edits": [{"type": dice.private()}]}

    def adaptive(self, made: Json) -> None:
        dice = self.dice
        kinds: list[Json] = [{"type": "adaptive"}, {"type": "adaptive", "display": "summarized"}]
        kinds += [{"type": "adaptive", "display": "omitted"}]
        if not self.facts.always_thinks:
            kinds.append({"type": "disabled"})
        if dice.chance(0.8):
            made["thinking"] = dice.pick(kinds)
        if dice.chance(0.5):
            made["output_config"] = {"effort": dice.pick(("low", "medium", "high", "max"))}

    def may_think(self, made: Json) -> bool:
        last = made["messages"][-1]
        in_tool_turn = isinstance(last["content"], list) and last["content"][0]["type"] == "tool_result"
        return last["role"] == "user" and not in_tool_turn and self.dice.chance(0.6)

    def marked(self, block: Json, *, most: float = 0.1) -> Json:
        """At most four, the long-lived ones first."""
        if self.marks and self.dice.chance(most):
            self.marks -= 1
            self.short = self.short or self.dice.chance(0.5)
            block["cache_control"] = {"type": "ephemeral"} | ({} if self.short else {"ttl": "1h"})
        return block

    def tool(self, name: str) -> Json:
        dice = self.dice
        tool: Json = {"name": name, "input_schema": dice.schema()}
        tool |= {"description": dice.text()} if dice.chance(0.7) else {}
        tool |= {"type": "custom"} if dice.chance(0.1) else {}
        tool |= {"defer_loading": False} if dice.chance(0.1) else {}
        return self.marked(tool)

    def system(self) -> str | list[Json]:
        if self.dice.chance(0.5):
            return self.dice.text()
        return [self.text(0.3) for _ in range(self.dice.number(1, 3))]

    def text(self, most: float = 0.1) -> Json:
        return self.marked({"type": "text", "text": self.dice.text()}, most=most)

    def messages(self) -> list[Json]:
        dice = self.dice
        messages = [self.user()]
        for _ in range(dice.number(0, 4)):
            if self.facts.mid_system and dice.chance(0.15):
                messages.append({"role": "system", "content": dice.text()})
            messages.append(self.assistant())
            after_calls = bool(self.pending)
            messages.append(self.user())
            if dice.chance(0.1) and not after_calls:
                messages.append({"role": "user", "content": dice.text()})
        if self.facts.prefill and dice.chance(0.2):
            messages.append({"role": "assistant", "content": f"So {dice.token()}"})
        return messages

    def user(self) -> Json:
        dice = self.dice
        # The order of results is the product's own: marks, whose order counts, are for single ones.
        marks, self.marks = self.marks, self.marks if len(self.pending) < 2 else 0
        results = [self.result(use) for use in dice.shuffled(self.pending)]
        self.marks = marks if len(self.pending) > 1 else self.marks
        had, self.pending = bool(self.pending), []
        if not had and dice.chance(0.4):
            return {"role": "user", "content": dice.text()}
        others = [self.said() for _ in range(dice.number(0 if had else 1, 3))]
        return {"role": "user", "content": results + others}

    def said(self) -> Json:
        dice = self.dice
        match dice.number(0, 9):
            case 0 | 1:
                return self.image()
            case 2 | 3:
                return self.document()
            case 4:
                self.documents += 1
                found = [{"type": "text", "text": dice.text()}]
                return {"type": "search_result", "source": "https://x.org", "title": "T", "content": found}
            case 5 if dice.chance(0.3):
                return {"type": "container_upload", "file_id": dice.private()}
            case _:
                return self.text()

    def image(self) -> Json:
        dice = self.dice
        source = dice.pick(
            (
                {"type": "base64", "media_type": dice.pick(_IMAGES), "data": dice.data()},
                {"type": "base64", "media_type": dice.pick(_IMAGES), "data": dice.data()},
                {"type": "url", "url": dice.url("png")},
                {"type": "file", "file_id": dice.private()},
            )
        )
        extra = {"transformations": {dice.private(): "pad"}} if dice.chance(0.1) else {}
        return self.marked({"type": "image", "source": source, **extra})

    def document(self) -> Json:
        dice = self.dice
        content = dice.pick((dice.text(), [{"type": "text", "text": dice.text()}]))
        source = dice.pick(
            (
                {"type": "base64", "media_type": "application/pdf", "data": dice.data()},
                {"type": "text", "media_type": "text/plain", "data": dice.text()},
                {"type": "content", "content": content},
                {"type": "url", "url": dice.url("pdf")},
                {"type": "file", "file_id": dice.private()},
            )
        )
        block: Json = {"type": "document", "source": source}
        block |= {"title": "a.pdf"} if dice.chance(0.5) else {}
        block |= {"context": dice.private()} if dice.chance(0.2) else {}
        block |= {"citations": {"enabled": True}} if dice.chance(0.2) else {}
        self.documents += 1
        return self.marked(block)

    def assistant(self) -> Json:
        dice = self.dice
        if dice.chance(0.3):
            return {"role": "assistant", "content": dice.text()}
        blocks = [self.thought() for _ in range(dice.number(0, 2))]
        for _ in range(dice.number(0, 2)):
            blocks += self.searched() if dice.chance(0.2) else [self.cited()]
        if self.names and dice.chance(0.5):
            self.pending = [self.use() for _ in range(dice.number(1, 3))]
            blocks += self.pending
        return {"role": "assistant", "content": blocks if self.speaks(blocks) else [*blocks, self.text()]}

    def speaks(self, blocks: list[Json]) -> bool:
        return any(block["type"] in ("text", "tool_use") for block in blocks)

    def thought(self) -> Json:
        dice = self.dice
        if dice.chance(0.3):
            return {"type": "redacted_thinking", "data": dice.private()}
        said = dice.pick(("", f"{dice.private()} hm"))
        return {"type": "thinking", "thinking": said, "signature": dice.private()}

    def cited(self) -> Json:
        dice, block = self.dice, self.text()
        if self.documents and dice.chance(0.3):
            block["citations"] = [
                {
                    "type": "char_location",
                    "cited_text": dice.private(),
                    "document_index": dice.number(0, self.documents - 1),
                    "document_title": None,
                    "start_char_index": 0,
                    "end_char_index": 4,
                }
            ]
        return block

    def searched(self) -> list[Json]:
        dice, id = self.dice, self.dice.id("srvtoolu_")
        found = [{"type": "web_search_result", "title": "T", "url": "u", "encrypted_content": dice.private()}]
        query = {"query": dice.private()}
        blocks: list[Json] = [
            {"type": "server_tool_use", "id": id, "name": "web_search", "input": query},
            {"type": "web_search_tool_result", "tool_use_id": id, "content": found},
        ]
        return [*blocks, {"type": "from_the_future", "data": dice.private()}] if dice.chance(0.2) else blocks

    def use(self) -> Json:
        dice = self.dice
        use: Json = {
            "type": "tool_use",
            "id": dice.id("toolu_"),
            "name": dice.pick(self.names),
            "input": dice.arguments(),
        }
        use |= {"caller": {"type": dice.private()}} if dice.chance(0.1) else {}
        return self.marked(use, most=0.05)

    def result(self, use: Json) -> Json:
        dice = self.dice
        result: Json = {"type": "tool_result", "tool_use_id": use["id"]}
        match dice.number(0, 4):
            case 0:
                pass
            case 1:
                result["content"] = [self.inner() for _ in range(dice.number(1, 3))]
            case _:
                result["content"] = dice.text()
        result |= {"is_error": True} if dice.chance(0.2) else {}
        return self.marked(result)

    def inner(self) -> Json:
        return self.dice.pick((self.text, self.text, self.image, self.document))()
