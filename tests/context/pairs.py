"""Context preservation accuracy of every ordered pair of providers.

    python -m tests.context.pairs [FILE] [--share 0.25] [--every 1]

Says what of a conversation held with one provider is in the request to another. FILE has a conversation a
line: `turns` as in OpenAI's messages, `probes` with `question` and `nuggets`; without one, those of
the tests are taken. A probe counts if all that it asks for stands close together in one message of the body
that the provider would be sent. Exit status 1 where a pair is below its goal.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple, cast

from models.chat import Message, Opaque, Part, Role, Text, Thinking, ToolCall, ToolResult
from models.context import Prepared, Turn, counter, messages_of, turns_of
from models.context.turns import read_turns
from models.providers import Format
from models.translation import write_history
from tests.context.conversations import samples

PROVIDERS: Mapping[str, Format] = {"openai": "openai_chat", "anthropic": "anthropic", "google": "gemini"}
GOALS = {1.0: 1.0, 0.25: 0.95}
_WORD = re.compile(r"[^\W_]+(?:[.,:@/'-][^\W_]+)*")
_SLACK_WORDS = 4


class Probe(NamedTuple):
    question: str
    nuggets: Sequence[str]


class Asked(NamedTuple):
    turns: Sequence[Mapping[str, Any]]
    probes: Sequence[Probe]


def accuracy(asked: Sequence[Asked], source: str, target: str, *, share: float) -> tuple[int, int]:
    """How many probes can be answered from what the target is sent, of how many."""
    kept = whole = 0
    for one in asked:
        history = _held_with(source, one.turns)
        prepared = Prepared(turns_of(history), count=counter("claude"))
        budget = int(prepared.reading.tokens * share)
        for probe in one.probes:
            new = (Message("user", (Text(probe.question),)),)
            assembly = prepared.fit(budget, probe.question)
            sent = messages_of(assembly, history, new) if share < 1 else (*history, *new)
            pieces = list(_pieces(write_history(PROVIDERS[target], sent), probe.question))
            kept += all(any(near(nugget, piece) for piece in pieces) for nugget in probe.nuggets)
            whole += 1
    return kept, whole


def near(nugget: str, text: str) -> bool:
    """Whether all words of the nugget stand within twice its length of the text."""
    wanted, words = _words(nugget), _words(text)
    reach = 2 * len(wanted) + _SLACK_WORDS
    places = [at for at, word in enumerate(words) if word in wanted]
    return any(set(wanted) <= set(words[at : at + reach]) for at in places)


def _held_with(provider: str, turns: Sequence[Mapping[str, Any]]) -> tuple[Message, ...]:
    """As that provider's models would have held it: with reasoning that nobody else can read."""
    thought = Thinking("Let me see.", (Opaque(provider, "signature", "c2lnbmVk"),))
    return tuple(_message(turn, thought) for turn in read_turns(turns))


def _message(turn: Turn, thought: Thinking) -> Message:
    if turn.from_tool:
        return Message("tool", (ToolResult(turn.call_id, (Text(turn.text),), name=turn.name),))
    said: tuple[Part, ...] = (Text(turn.text),) if turn.text else ()
    calls = (ToolCall(call.id, call.name, call.arguments) for call in turn.calls)
    parts = (thought, *said, *calls) if turn.role == "assistant" else said
    return Message(cast(Role, turn.role), parts)


def _pieces(body: Mapping[str, Any], question: str) -> Iterator[str]:
    for field in body.values():
        for piece in field if isinstance(field, list) else [field]:
            yield json.dumps(piece, ensure_ascii=False).replace(json.dumps(question, ensure_ascii=False), "")


def _words(text: str) -> list[str]:
    return [word.removesuffix("'s") for word in _WORD.findall(text.lower().replace("\\n", " "))]


def read(path: Path) -> list[Asked]:
    with path.open(encoding="utf-8") as lines:
        return [
            Asked(
                found["turns"],
                [Probe(p["question"], p["nuggets"]) for p in found["probes"] if p.get("nuggets")],
            )
            for found in map(json.loads, lines)
        ]


def own() -> list[Asked]:
    return [
        Asked(sample.turns, [Probe(question, [answer]) for question, answer in sample.probes])
        for sample in samples().values()
    ]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("file", nargs="?", type=Path)
    parser.add_argument("--share", type=float, action="append", help="of the tokens (default: 1 and 0.25)")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th probe")
    chosen = parser.parse_args()
    asked = read(chosen.file) if chosen.file is not None else own()
    asked = [Asked(one.turns, one.probes[:: chosen.every]) for one in asked]
    failed = 0
    for share in chosen.share or sorted(GOALS, reverse=True):
        worst = 1.0
        print(f"\nat {share:.0%} of the tokens (rows: held with; columns: sent to)")
        print(f"{'':12}" + "".join(f"{name:>12}" for name in PROVIDERS))
        for source in PROVIDERS:
            row = []
            for target in PROVIDERS:
                kept, whole = accuracy(asked, source, target, share=share)
                row.append(kept / whole)
            worst = min(worst, *row)
            print(f"{source:12}" + "".join(f"{cell:>12.1%}" for cell in row), flush=True)
        goal = GOALS.get(share, 0.0)
        failed += worst < goal
        print(f"least: {worst:.2%} (goal {goal:.0%})")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
