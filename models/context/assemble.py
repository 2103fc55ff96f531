"""A conversation within a budget: instructions, facts, summary, recent turns, what the question is about.

What does not depend on the question comes first and stays the same from one question to the next, so that a
provider's prompt cache keeps it.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

from models.context.layout import RETRIEVED_TITLE, SUMMARY_TITLE, block, facts_block
from models.context.reading import Reading
from models.context.selection import Selection
from models.context.tokens import MESSAGE_OVERHEAD

Block = Literal["instructions", "summary", "recent", "retrieved"]
Filler = Literal["summary", "retrieved"]
_TOP_UPS = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Shares:
    """How a budget is divided: parts of what is left after the instructions."""

    instructions: float = 0.5
    """Of the whole budget: longer ones are compressed like the rest."""
    recent: float = 0.05
    recent_unasked: float = 0.03
    """Without a question: what will be said next is not known, the summary has to serve any of it."""
    recent_if_vague: float = 0.35
    """If the question names nothing of the conversation, it is about what was said last."""
    open_exchange: float = 0.25
    """Of a last exchange that waits for a tool's answer or for what the model makes of it."""
    facts: float = 0.03
    summary: float = 0.1
    """With a question; without, all that is left."""
    full: float = 0.85
    """Of the budget: what a kept cut and the turns since may take before it is cut anew."""


@dataclass(frozen=True, slots=True)
class Piece:
    block: Block
    text: str
    turn: int | None = None
    """The turn, of one that is sent word for word."""


@dataclass(frozen=True, slots=True)
class Cut:
    """Facts and summary of a conversation's first turns, as they were written once. Sent again word for word
    while what came since still fits, they stay in a provider's prompt cache."""

    text: str
    units: frozenset[int]
    turns: int
    """How many turns it stands for."""


@dataclass(frozen=True, slots=True)
class Assembly:
    pieces: tuple[Piece, ...]
    shown: frozenset[int]
    """Units of the conversation that are in the pieces."""
    whole_turns: frozenset[int]
    tokens: int
    cut: Cut | None = None
    """What to hand in the next time; None if nothing was cut."""

    @property
    def texts(self) -> list[str]:
        return [piece.text for piece in self.pieces]


def tokens_of(reading: Reading, piece: Piece) -> int:
    """Turns that are sent as they are have been counted."""
    if piece.turn is not None:
        return reading.turn_tokens[piece.turn]
    return reading.count(piece.text) + MESSAGE_OVERHEAD


def whole(reading: Reading) -> Assembly:
    """The conversation as it is."""
    turns = range(len(reading.turns))
    pieces = tuple(_turn(reading, turn, "recent") for turn in turns)
    return Assembly(pieces, frozenset(range(len(reading.units))), frozenset(turns), reading.tokens)


def assemble(
    reading: Reading,
    budget: int,
    *,
    scores: Sequence[float] | None = None,
    vague: bool = False,
    cut: Cut | None = None,
    shares: Shares | None = None,
) -> Assembly:
    """`scores` of every unit for the question, if there is one; `vague` if it names nothing of the
    conversation; `cut` as an earlier call made it. Never more than `budget` tokens."""
    if reading.tokens <= budget:
        return whole(reading)
    assembler = _Assembler(reading, budget, shares or Shares(), asked=scores is not None, vague=vague)
    if cut is not None and assembler.keeps(cut):
        return assembler.continue_from(cut, scores)
    return assembler.run(scores)


class _Assembler:
    def __init__(self, reading: Reading, budget: int, shares: Shares, *, asked: bool, vague: bool) -> None:
        self._reading = reading
        self._budget = budget
        self._shares = shares
        self._asked = asked
        self._vague = vague
        self._cut: Cut | None = None
        self._instructions = self._pinned_turns()
        self._recent = self._recent_turns()
        self._start()

    def _start(self, already: frozenset[int] = frozenset()) -> None:
        reading = self._reading
        self._whole = frozenset((*self._instructions, *self._recent))
        shown = already.union(unit.id for unit in reading.units if unit.turn in self._whole)
        self._chosen = Selection(
            reading.units, reading.costs, reading.facts.successors, reading.twins, shown=shown
        )
        self._limit = float(self._budget - sum(reading.turn_tokens[turn] for turn in self._whole))

    def run(self, scores: Sequence[float] | None) -> Assembly:
        """Cut anew."""
        limit = self._limit - self._title(SUMMARY_TITLE)
        if scores is not None:
            limit -= self._title(RETRIEVED_TITLE)
        coverage = self._reading.coverage
        self._choose_open_calls(limit * self._shares.open_exchange)
        self._choose_facts(self._chosen.cost + limit * self._shares.facts)
        if scores is None:
            return self._filled(coverage.order, block="summary", limit=limit)
        self._fill(coverage.order(), block="summary", limit=limit * self._shares.summary)
        return self._retrieved(scores, limit=limit)

    def keeps(self, cut: Cut) -> bool:
        """Whether a cut and all turns since leave enough room for what a question is about."""
        turns = [
            turn for turn in range(cut.turns, len(self._reading.turns)) if turn not in self._instructions
        ]
        since = sum(self._reading.turn_tokens[turn] for turn in (*self._instructions, *turns))
        written = self._reading.count(cut.text) + MESSAGE_OVERHEAD
        return since + written <= self._budget * self._shares.full

    def continue_from(self, cut: Cut, scores: Sequence[float] | None) -> Assembly:
        turns = range(cut.turns, len(self._reading.turns))
        self._recent = [turn for turn in turns if turn not in self._instructions]
        self._cut = cut
        self._start(cut.units)
        if scores is None:
            return self._written()
        limit = self._limit - self._reading.count(cut.text) - MESSAGE_OVERHEAD - self._title(RETRIEVED_TITLE)
        return self._retrieved(scores, limit=limit)

    def _retrieved(self, scores: Sequence[float], *, limit: float) -> Assembly:
        best = sorted(range(len(scores)), key=scores.__getitem__, reverse=True)
        return self._filled(lambda: best, block="retrieved", limit=limit)

    def _filled(self, order: Callable[[], Iterable[int]], *, block: Filler, limit: float) -> Assembly:
        """Costs of units are close estimates. What is written is counted: what is left over is used too, and
        the last taken goes if it was too much."""
        for _ in range(_TOP_UPS):
            self._fill(order(), block=block, limit=limit)
            left = self._budget - self._written().tokens
            if left < self._reading.least_cost:
                break
            limit = self._chosen.cost + left
        return self._fitted()

    def _pinned_turns(self) -> list[int]:
        turns = [index for index, turn in enumerate(self._reading.turns) if turn.pinned]
        if sum(self._reading.turn_tokens[turn] for turn in turns) > self._budget * self._shares.instructions:
            return []
        return turns

    def _recent_turns(self) -> list[int]:
        """The last turns, as many as fit; a tool's answers only with the calls that they answer."""
        left = self._budget - sum(self._reading.turn_tokens[turn] for turn in self._instructions)
        room = left * self._recent_share()
        kept: list[int] = []
        for exchange in self._reading.exchanges_backwards():
            cost = sum(self._reading.turn_tokens[turn] for turn in exchange)
            is_open = not kept and self._reading.is_open(exchange)
            if cost > (max(room, left * self._shares.open_exchange) if is_open else room):
                break
            room -= cost
            kept[:0] = [turn for turn in exchange if turn not in self._instructions]
        return kept

    def _recent_share(self) -> float:
        if not self._asked:
            return self._shares.recent_unasked
        return self._shares.recent_if_vague if self._vague else self._shares.recent

    def _title(self, title: str) -> float:
        return self._reading.count(title) + MESSAGE_OVERHEAD + 1.0

    def _choose_open_calls(self, limit: float) -> None:
        for unit_id, _ in self._reading.open_calls:
            self._chosen.take(unit_id, block="facts", limit=limit)

    def _choose_facts(self, limit: float) -> None:
        """Those that say the most first."""
        stated = self._reading.facts.units
        for unit_id in self._reading.coverage.order():
            if unit_id in stated and not self._chosen.take(unit_id, block="facts", limit=limit):
                return

    def _fill(self, order: Iterable[int], *, block: Filler, limit: float) -> None:
        self._chosen.fill(order, block=block, limit=limit, least=self._reading.least_cost)

    def _fitted(self) -> Assembly:
        """Of what is too much half goes at a time, by its cost: never more than has to, and written down anew
        few times only."""
        while True:
            made = self._written()
            over = made.tokens - self._budget
            if over <= 0:
                return made
            enough = self._chosen.cost - over / 2
            if not self._drop_last():
                return Assembly((), frozenset(), frozenset(), 0)
            while self._chosen.cost > enough and self._drop_last():
                pass

    def _drop_last(self) -> bool:
        return any(self._chosen.drop_last(name) for name in ("retrieved", "summary", "facts"))

    def _written(self) -> Assembly:
        reading = self._reading
        cut = self._cut or self._cut_anew()
        retrieved = self._block(RETRIEVED_TITLE, self._chosen.taken.get("retrieved", []))
        pieces = (
            *(_turn(reading, turn, "instructions") for turn in self._instructions),
            *((Piece("summary", cut.text),) if cut.text else ()),
            *(_turn(reading, turn, "recent") for turn in self._recent),
            *((Piece("retrieved", retrieved),) if retrieved else ()),
        )
        tokens = sum(tokens_of(reading, piece) for piece in pieces)
        return Assembly(pieces, frozenset(self._chosen.shown), self._whole, tokens, cut)

    def _cut_anew(self) -> Cut:
        taken = self._chosen.taken
        pinned = set(taken.get("facts", ()))
        facts = [fact for fact in self._reading.facts.stated if fact.unit in pinned]
        others = pinned.difference(fact.unit for fact in facts)
        summary = self._block(SUMMARY_TITLE, [*others, *taken.get("summary", ())])
        text = "\n".join(filter(None, (facts_block(facts), summary)))
        units = frozenset((*pinned, *taken.get("summary", ())))
        return Cut(text, units, min(self._recent, default=len(self._reading.turns)))

    def _block(self, title: str, unit_ids: Sequence[int]) -> str:
        units = [self._reading.units[unit_id] for unit_id in unit_ids]
        return block(
            title,
            units,
            self._reading.turns,
            labels=self._reading.labels,
            speakers=title == RETRIEVED_TITLE,
        )


def _turn(reading: Reading, turn: int, name: Block) -> Piece:
    return Piece(name, reading.bodies[turn], turn)
