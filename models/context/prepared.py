"""A conversation made ready ahead, so that fitting it to a model when the moment comes is quick."""

from collections.abc import Iterable, Sequence

from models.context.assemble import Assembly, Cut, Shares, assemble
from models.context.reading import Reading
from models.context.report import ContextReport, report_of
from models.context.retrieval import Embed, add_meaning, closeness_of
from models.context.score import Preservation, preservation_in
from models.context.tokens import Count, default_counter
from models.context.turns import Turn, TurnLike, read_turns

_NAMED_WORDS = 1
"""Words of the conversation that a question must have, not to be about what was said last."""


class Prepared:
    """Made at write time; reused for every question, budget and model with the same way of counting."""

    def __init__(
        self,
        turns: Iterable[TurnLike | Turn],
        *,
        count: Count | None = None,
        embed: Embed | None = None,
        vectors: Sequence[Sequence[float]] | None = None,
    ) -> None:
        """`vectors` of the turns, of length one, where they are stored; else `embed` makes them."""
        self.reading = Reading(read_turns(turns), count=count or default_counter())
        self._embed = embed
        self._vectors = vectors
        if vectors is None and embed is not None:
            self._vectors = embed(self.reading.bodies)

    def fit(
        self,
        budget_tokens: int,
        question: str | None = None,
        *,
        cut: Cut | None = None,
        question_vector: Sequence[float] | None = None,
        closeness: Sequence[float] | None = None,
        shares: Shares | None = None,
    ) -> Assembly:
        """The conversation in at most `budget_tokens`, with what `question` is about. `cut` of an earlier
        assembly of its first turns is sent again as it is while it leaves room. `closeness` in meaning of
        each turn to the question, where it is known already, is taken in place of vectors."""
        reading = self.reading
        if not question or reading.tokens <= budget_tokens:
            return assemble(reading, budget_tokens, cut=cut, shares=shares)
        vague = reading.retrieval.knows(question) < _NAMED_WORDS
        scores = self._scores(question, question_vector, closeness)
        return assemble(reading, budget_tokens, scores=scores, vague=vague, cut=cut, shares=shares)

    def report(self, assembly: Assembly, *, budget_tokens: int) -> ContextReport:
        return report_of(self.reading, assembly, budget_tokens=budget_tokens)

    def preservation(self, texts: Sequence[str]) -> Preservation:
        """The score of whatever texts are to be sent instead of the conversation."""
        return preservation_in(self.reading, texts)

    def _scores(
        self, question: str, vector: Sequence[float] | None, closeness: Sequence[float] | None
    ) -> list[float]:
        reading = self.reading
        scores = reading.retrieval.scores(question, reading.costs)
        if closeness is None and vector is None and self._embed is not None:
            vector = self._embed([question])[0]
        if closeness is None and vector is not None and self._vectors is not None:
            closeness = closeness_of(vector, self._vectors)
        if closeness is not None:
            add_meaning(scores, reading.units, closeness)
        return scores


def compress(
    turns: Sequence[TurnLike | Turn],
    budget_tokens: int,
    question: str | None = None,
    *,
    embed: Embed | None = None,
) -> list[str]:
    """The conversation in at most `budget_tokens`, as texts in the order in which they are to be sent.

    Tokens are o200k_base's where tiktoken and its table are at hand, else four characters each; every text
    costs `MESSAGE_OVERHEAD` more. What fits comes back as it is.
    """
    return Prepared(turns, embed=embed).fit(budget_tokens, question).texts
