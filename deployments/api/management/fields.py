"""The kinds of values that bodies and queries of the management surface are made of."""

from collections.abc import Callable, Sequence
from typing import Annotated, Any, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

T = TypeVar("T")
R = TypeVar("R")

MAX_FIELDS = 100
"""Of one object, known or not."""
MAX_ITEMS = 10_000
"""Of one of its fields."""

# What PostgreSQL and log lines can hold: no control characters.
Text = Annotated[str, StringConstraints(max_length=128, pattern=r"^[^\x00-\x1f\x7f]*$")]
Name = Annotated[str, StringConstraints(min_length=1, max_length=128, pattern=r"^[^\x00-\x1f\x7f]+$")]
Usd = Annotated[str, StringConstraints(pattern=r"^[0-9]{1,15}(\.[0-9]{1,12})?$")]
"""Plain decimal digits, exact to a pico-USD."""
Limit = Annotated[int, Field(ge=1, le=500)]
"""Of a page."""


class In(BaseModel):
    """What clients send; what is not known is refused."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    @model_validator(mode="before")
    @classmethod
    def _is_no_flood(cls, given: Any) -> Any:
        """Each field and item that is wrong is an error, and a million errors are half a minute's work."""
        if isinstance(given, dict) and (len(given) > MAX_FIELDS or any(map(_is_long, given.values()))):
            raise ValueError("there are too many fields or items")
        return given


def _is_long(value: Any) -> bool:
    return isinstance(value, list | dict) and len(value) > MAX_ITEMS


class Out(BaseModel):
    model_config = ConfigDict(frozen=True)


class Page(Out, Generic[T]):
    """`after` with the id of the last one leads to the next page."""

    object: Literal["list"] = "list"
    data: list[T]
    has_more: bool


def page(found: Sequence[R], limit: int, shown: Callable[[R], T]) -> Page[T]:
    """Of one row more than was asked for."""
    return Page[T](data=[shown(row) for row in found[:limit]], has_more=len(found) > limit)
