"""Whether a conversation fits a model, asked before any provider is."""

from collections.abc import Mapping, Sequence

from msgspec import Struct

from models.catalog import Model
from models.context.tokens import ERROR, Family, family_of

_GOAL = 0.7
"""Share of a window that a compressed conversation is to take at the most: quality falls off beyond."""


class Fit(Struct, frozen=True, kw_only=True):
    model_id: str
    needed_tokens: int
    """Of the input, with what an estimate may fall short by."""
    room_tokens: int
    """For the input, the answer's part taken off."""

    @property
    def fits(self) -> bool:
        return self.needed_tokens <= self.room_tokens

    @property
    def budget_tokens(self) -> int:
        """What to compress the conversation to, as estimated, if it does not fit."""
        return int(self.room_tokens * _GOAL / (1 + ERROR))


def preflight(
    tokens: Mapping[Family, int], models: Sequence[Model], *, max_output_tokens: int, other_tokens: int = 0
) -> list[Fit]:
    """`tokens` of the conversation by family; `other_tokens`: of tool definitions and the like. In the order
    of `models`: the chosen one and whatever may be asked after it."""
    return [_fit(tokens, model, max_output_tokens, other_tokens) for model in models]


def _fit(tokens: Mapping[Family, int], model: Model, max_output_tokens: int, other_tokens: int) -> Fit:
    answer = min(max_output_tokens, model.max_output)
    needed = (tokens[family_of(model.host)] + other_tokens) * (1 + ERROR)
    room = min(model.max_input, model.window - answer)
    return Fit(model_id=model.id, needed_tokens=round(needed), room_tokens=max(0, room))
