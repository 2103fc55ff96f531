"""Conversations that tests build."""

import random
from collections.abc import Sequence
from typing import Any

Turns = list[dict[str, Any]]

_EXCHANGES = """
Could you tell me how tides work?|Tides come from the pull of the moon and the sun on the seas.
What is a good way to store basil?|Keep the stems in a glass of water, away from the cold.
Explain recursion briefly.|A function that calls itself on a smaller input until a base case ends it.
How do I sharpen a knife?|Use a whetstone, hold a steady angle and move from heel to tip.
Who wrote Middlemarch?|George Eliot wrote it, and it appeared in parts in the nineteenth century.
Why is the sky red at sunset?|Light travels through more air and the shorter waves scatter away.
What does an embargo mean in journalism?|The story may only be published after an agreed moment.
Suggest a warm-up for running.|Jog slowly, swing your legs, then do a few short strides.
How are bridges tested?|Engineers load them step by step and measure how far they bend.
What is sourdough?|Bread raised with wild yeast and bacteria kept alive in a starter.
"""


def said(role: str, content: str) -> dict[str, Any]:
    return {"role": role, "content": content}


def small_talk(seed: int, exchanges: int = 40) -> Turns:
    rng = random.Random(seed)  # noqa: S311 - a test's choice of sentences
    lines = _EXCHANGES.strip().split("\n")
    turns: Turns = []
    for _ in range(exchanges):
        question, answer = rng.choice(lines).split("|")
        turns += [said("user", question), said("assistant", answer)]
    return turns


def with_statements(seed: int, *statements: str) -> Turns:
    """Small talk with the statements in it, in their order, each acknowledged."""
    turns = small_talk(seed)
    step = (len(turns) - 8) // (2 * len(statements)) * 2
    for place in range(len(statements) - 1, -1, -1):
        at = 2 + place * step + 2 * (seed % 3)
        turns[at:at] = [said("user", statements[place]), said("assistant", "Noted.")]
    return turns


def tool_exchange(call_id: str, name: str, arguments: str, answer: str) -> Turns:
    call = {"id": call_id, "type": "function", "function": {"name": name, "arguments": arguments}}
    return [
        {"role": "assistant", "content": None, "tool_calls": [call]},
        {"role": "tool", "tool_call_id": call_id, "name": name, "content": answer},
    ]


def joined(texts: Sequence[str]) -> str:
    return "\n".join(texts)
