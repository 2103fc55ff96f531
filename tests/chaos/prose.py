"""Conversations of any length that nobody had, with about as much to keep in them as people's."""

import random
import re
from collections import defaultdict
from itertools import pairwise

from tests.context.conversations import samples

_FACTS = (
    "My {noun} is called {name} and has been with us since {number}.",
    "The {noun} costs {number} euros a {other}, {name} says.",
    "We decided that the {noun} goes to {name} before the {other}.",
    "Please never put more than {number} of them into the {noun}.",
    "Actually, make the {noun} {number}, not what I said before.",
    "{name} wants the {noun} next to the {other} by {number}.",
)
_NAMES = ("Marta", "Jonas", "Veronika", "Senad", "Omar", "Brigitte", "Klaus", "Ferris", "Noor", "Ada")
_WORDS = re.compile(r"[A-Za-z][\w'-]*|[.,]")
_ENOUGH, _LONGEST = 16, 32


class Prose:
    """Words follow each other as they do in the conversations of the context engine's own tests."""

    def __init__(self, chance: random.Random) -> None:
        self._chance = chance
        said = [str(turn["content"]) for one in samples().values() for turn in one.turns]
        words = _WORDS.findall(" ".join(text for text in said if not text.startswith(("[", "{"))))
        self._nouns = sorted({word for word in words if word.islower() and len(word) > 3})
        self._after: dict[str, list[str]] = defaultdict(list)
        for word, following in pairwise(words):
            self._after[word].append(following)

    def conversation(self, turns: int) -> list[dict[str, str]]:
        """Of about a hundred tokens a turn."""
        roles = ("user", "assistant")
        return [{"role": roles[at % 2], "content": self._turn()} for at in range(turns)]

    def sentence(self) -> str:
        """Of about twenty words."""
        said = [self._chance.choice(self._nouns)]
        while len(said) < _LONGEST:
            word = self._chance.choice(self._after[said[-1]] or self._nouns)
            if word == "." and len(said) > _ENOUGH:
                break
            said.append(word)
        text = " ".join(said).replace(" .", ", and").replace(" ,", ",").rstrip(",")
        return text[0].upper() + text[1:] + self._chance.choice(".....?")

    def _turn(self) -> str:
        """Every third states a fact."""
        said = [self.sentence() for _ in range(3)]
        return " ".join([*said, self._fact() if self._chance.random() < 1 / 3 else self.sentence()])

    def _fact(self) -> str:
        noun, other = self._chance.choices(self._nouns, k=2)
        return self._chance.choice(_FACTS).format(
            noun=noun, other=other, name=self._chance.choice(_NAMES), number=self._chance.randint(2, 4_000)
        )
