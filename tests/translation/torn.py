"""Bodies as clients make them: cut, shuffled, blanked, misnamed; none that its own provider would accept."""

from collections.abc import Iterator
from copy import deepcopy
from typing import Any

from tests.translation.bodies.dice import TOKEN, Dice
from tests.translation.facts import Format

Json = dict[str, Any]

_IDS = ("a.b", "a:b", "x" * 70, "same", "ü", "with blank")
_NAMES = ("look up!", "9lives", "n" * 140, "n" * 139 + "m", "ünï", "a.b:c")
_ROW: dict[Format, str] = {
    "openai_chat": "messages",
    "openai_responses": "input",
    "anthropic": "messages",
    "gemini": "contents",
}


def torn(dice: Dice, format: Format, body: Json) -> Json:
    out = deepcopy(body)
    row = out[_ROW[format]]
    if isinstance(row, list):
        tears = _Tears(dice, row, out)
        for _ in range(dice.number(1, 4)):
            tears.one()
    return out


def tokens(body: Json) -> set[str]:
    """Of what is said in the conversation, tools' descriptions apart."""
    held = {name: value for name, value in body.items() if name not in ("tools", "response_format", "text")}
    return set(TOKEN.findall(str(held)))


class _Tears:
    def __init__(self, dice: Dice, row: list[Any], body: Json) -> None:
        self.dice = dice
        self.row = row
        self.body = body

    def one(self) -> None:
        ways = (
            self.drop_turn,
            self.drop_turn,
            self.repeat_turn,
            self.swap_turns,
            self.cut_end,
            self.drop_part,
            self.drop_part,
            self.blank_text,
            self.interrupt,
            self.misname_ids,
            self.misname_tools,
            self.cut_arguments,
            self.lose_signatures,
            self.lose_tools,
        )
        self.dice.pick(ways)()

    def drop_turn(self) -> None:
        if len(self.row) > 1:
            del self.row[self.dice.number(0, len(self.row) - 1)]

    def repeat_turn(self) -> None:
        self.row.insert(self.dice.number(0, len(self.row)), deepcopy(self.dice.pick(self.row)))

    def swap_turns(self) -> None:
        if len(self.row) > 1:
            at = self.dice.number(0, len(self.row) - 2)
            self.row[at], self.row[at + 1] = self.row[at + 1], self.row[at]

    def cut_end(self) -> None:
        del self.row[self.dice.number(1, len(self.row)) :]

    def drop_part(self) -> None:
        lists = [held for held in _lists(self.row) if len(held) > 1]
        if lists:
            held = self.dice.pick(lists)
            del held[self.dice.number(0, len(held) - 1)]

    def blank_text(self) -> None:
        if texts := [(node, key) for node in _dicts(self.row) for key in ("text", "content", "refusal")]:
            node, key = self.dice.pick(texts)
            if isinstance(node.get(key), str):
                node[key] = self.dice.pick(("", " ", "\n\t"))

    def interrupt(self) -> None:
        said: Json = {"role": self.dice.pick(("user", "system")), "content": self.dice.text()}
        if "contents" in self.body:
            said = {"role": self.dice.pick(("user", "model")), "parts": [{"text": self.dice.text()}]}
        self.row.insert(self.dice.number(0, len(self.row)), said)

    def misname_ids(self) -> None:
        """Calls and results alike, so that they still belong together; or calls alone."""
        keys = ("id", "call_id", "tool_call_id", "tool_use_id")
        held = [(node, key) for node in _dicts(self.row) for key in keys if isinstance(node.get(key), str)]
        if not held:
            return
        old, new = held[0][0][held[0][1]], self.dice.pick(_IDS)
        for node, key in held if self.dice.chance(0.7) else held[:1]:
            if node[key] == old:
                node[key] = new

    def misname_tools(self) -> None:
        held = [
            node
            for node in _dicts([self.body.get("tools", []), self.row])
            if isinstance(node.get("name"), str)
        ]
        if held:
            old, new = self.dice.pick(held)["name"], self.dice.pick(_NAMES)
            for node in held:
                if node["name"] == old and node.get("type") not in ("server_tool_use", "web_search_20250305"):
                    node["name"] = new

    def cut_arguments(self) -> None:
        held = [node for node in _dicts(self.row) if isinstance(node.get("arguments"), str)]
        if held:
            node = self.dice.pick(held)
            node["arguments"] = self.dice.pick(
                ("", "null", '{"city": "Os', "[1]", "plain words", '{"n": NaN}')
            )

    def lose_signatures(self) -> None:
        for node in _dicts(self.row):
            if "signature" in node:
                node["signature"] = ""
            node.pop("thoughtSignature", None) if len(node) > 1 and node.get("text") != "" else None

    def lose_tools(self) -> None:
        for name in ("tools", "tool_choice", "toolConfig", "parallel_tool_calls"):
            self.body.pop(name, None)


def _dicts(node: Any) -> Iterator[Json]:
    if isinstance(node, dict):
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _dicts(inner)


def _lists(node: Any) -> Iterator[list[Json]]:
    for one in _dicts(node):
        for key in ("content", "parts"):
            if isinstance(one.get(key), list):
                yield one[key]


_JUNK: tuple[Any, ...] = (
    None, 7, True, "", "x", [], [1], {}, {"a": 1}, [None], {"type": "text"}, [{"type": "text", "text": None}],
)  # fmt: skip


def misshapen(dice: Dice, body: Json) -> Json:
    """With one value of another kind."""
    out = deepcopy(body)
    holder, key = dice.pick(list(_places(out)))
    holder[key] = deepcopy(dice.pick(_JUNK))
    return out


def _places(node: Any) -> Iterator[tuple[Any, Any]]:
    for key in list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ():
        yield node, key
        yield from _places(node[key])
