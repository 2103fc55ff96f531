"""Parts that both of OpenAI's APIs have, each with a spelling of its own."""

import json
from typing import Any

from tests.translation.bodies.dice import Dice
from tests.translation.facts import OpenAI

Json = dict[str, Any]

IMAGES = ("image/png", "image/jpeg", "image/gif", "image/webp")


def image_url(dice: Dice) -> str:
    return dice.pick((f"data:{dice.pick(IMAGES)};base64,{dice.data()}", dice.url("png")))


def pdf(dice: Dice) -> Json:
    return {"filename": "a.pdf", "file_data": f"data:application/pdf;base64,{dice.data()}"}


def arguments(dice: Dice) -> str:
    """As models write them: with blanks or without, and nothing where there are none."""
    given = dice.arguments()
    if not given and dice.chance(0.3):
        return "{}"
    compact = dice.chance(0.5)
    return json.dumps(given, ensure_ascii=dice.chance(0.5), separators=(",", ":") if compact else None)


def sampling(dice: Dice, facts: OpenAI) -> Json:
    return {"temperature": dice.fraction(2.0), "top_p": dice.fraction(1.0)} if not facts.reasons else {}


class Marks:
    """Cache marks, no more of them than the model takes."""

    def __init__(self, dice: Dice, facts: OpenAI) -> None:
        self._dice = dice
        self._left = facts.breakpoints

    def on(self, part: Json) -> Json:
        if self._left and self._dice.chance(0.2):
            self._left -= 1
            ttl = {"ttl": self._dice.pick(("30m", "12h"))} if self._dice.chance(0.3) else {}
            part["prompt_cache_breakpoint"] = {"mode": "explicit", **ttl}
        return part
