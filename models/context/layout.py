"""What is kept, written down: one line a turn, in the order of the conversation."""

import re
from collections.abc import Iterable, Sequence
from itertools import pairwise

from models.context.facts import Fact
from models.context.sentences import label_of
from models.context.turns import Turn
from models.context.units import Unit, by_turn

FACTS_TITLE = "Stated:"
SUMMARY_TITLE = "Earlier (> is the user):"
RETRIEVED_TITLE = "Related (> is the user):"
_GAP = "…"
_WAS = re.compile(r" \(was [^()\n]*\)$", re.MULTILINE)


def block(
    title: str, units: Iterable[Unit], turns: Sequence[Turn], *, labels: frozenset[str], speakers: bool
) -> str:
    """The units of each turn on a line; `…` where some of the turn is left out before them. `speakers`: in a
    transcript, say who speaks there too; without, more is said in the same tokens."""
    kept = sorted(units, key=lambda unit: unit.id)
    if not kept:
        return ""
    lines = [_line(group, turns[turn], labels=labels, speakers=speakers) for turn, group in by_turn(kept)]
    return "\n".join((title, *lines))


def facts_block(facts: Sequence[Fact]) -> str:
    if not facts:
        return ""
    return "\n".join((FACTS_TITLE, *map(_fact, facts)))


def unmarked(text: str) -> str:
    """What was written down here, without what was added to the conversation's own words."""
    lines = _WAS.sub("", text.replace(f" {_GAP} ", "\n")).split("\n")
    return "\n".join(line.lstrip(f"> {_GAP}") for line in lines)


def _fact(fact: Fact) -> str:
    return f"{fact.text} (was {fact.was})" if fact.was else fact.text


def _line(units: Sequence[Unit], turn: Turn, *, labels: frozenset[str], speakers: bool) -> str:
    first = units[0]
    label = label_of(turn.text)
    if label in labels:
        marker = f"{label} " if speakers and not first.opens else ""
    else:
        marker = "> " if turn.role == "user" else ""
    text = f"{marker}{'' if first.opens else _GAP}{first.text}"
    for before, unit in pairwise(units):
        text += _joint(before, unit) + unit.text
    return text


def _joint(before: Unit, unit: Unit) -> str:
    if unit.kind == "prose" and before.kind == "prose":
        return " " if unit.id == before.id + 1 else f" {_GAP} "
    return "\n" if unit.id == before.id + 1 or unit.kind != "code" else f"\n{_GAP}\n"
