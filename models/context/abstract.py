"""A summary in a model's words, made fit to be sent in place of the turns that it is of."""

import re

from models.context.assemble import Cut
from models.context.layout import facts_block
from models.context.reading import Reading
from models.context.score import found_in

ABSTRACT_TITLE = "In short, in a model's words:"

_NUMBER = re.compile(r"\d+(?:[.,:/-]\d+)*")


def abstract_cut(reading: Reading, summary: str, *, turns: int) -> Cut | None:
    """Of the first `turns`. What the user stated in them is written before it word for word, so that it keeps
    every fact; None where it says a number that nobody said, and so cannot be trusted."""
    said = {number for body in reading.bodies[:turns] for number in _NUMBER.findall(body)}
    if not summary.strip() or not said.issuperset(_NUMBER.findall(summary)):
        return None
    facts = [fact for fact in reading.facts.stated if reading.units[fact.unit].turn < turns]
    text = "\n".join(filter(None, (facts_block(facts), f"{ABSTRACT_TITLE}\n{summary.strip()}")))
    early = [unit for unit in reading.units if unit.turn < turns]
    units = frozenset((*found_in(early, [text]), *(fact.unit for fact in facts)))
    return Cut(text, units, turns)
