"""How important a request says that it is: what is less important goes first when there is too much."""

from enum import IntEnum

from models.errors import InvalidRequest

HEADER = "x-polyvox-priority"


class Priority(IntEnum):
    HIGH = 0
    NORMAL = 1
    LOW = 2


_NAMES = {
    "high": Priority.HIGH,
    "normal": Priority.NORMAL,
    "low": Priority.LOW,
    "batch": Priority.LOW,
}


def priority_of(said: str, *, service_tier: str | None = None, may_be_high: bool = False) -> Priority:
    """Of the header's text, which may be empty: then of OpenAI's `service_tier`, where `flex` can wait.

    `high` is for those who may; others are normal. Raises InvalidRequest for a word that is none of these.
    """
    if not said:
        return Priority.LOW if service_tier == "flex" else Priority.NORMAL
    found = _NAMES.get(said.strip().lower())
    if found is None:
        raise InvalidRequest(f"the priority is one of {', '.join(_NAMES)}", param=HEADER)
    return found if may_be_high else max(found, Priority.NORMAL)
