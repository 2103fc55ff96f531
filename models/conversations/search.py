"""What is searched for in conversations, and what is found."""

from msgspec import Struct

from models.chat import Role
from models.errors import InvalidRequest

DIMENSIONS = 384
"""Of the vectors that are kept."""

CANDIDATES = 200
"""The best of each kind are compared with each other."""

EXACT_VECTORS = 20_000
"""Up to so many are all looked at: an index of neighbours would miss most of an owner with few among all."""

SNIPPET_CHARS = 240


class Vector(Struct, frozen=True):
    """What the question means, as `encoder` puts it."""

    values: tuple[float, ...]
    encoder: str

    def __post_init__(self) -> None:
        if len(self.values) != DIMENSIONS:
            raise InvalidRequest(f"a vector has {DIMENSIONS} values, not {len(self.values)}")


class Sought(Struct, frozen=True, kw_only=True):
    """Words, a meaning, or both: then by the sum of both scores, and of the words any will do."""

    words: str = ""
    """As one writes them for a search engine: quotes, `or`, `-`."""
    vector: Vector | None = None
    conversation_id: str | None = None
    """In this one alone."""
    limit: int = 20


class Fragment(Struct, frozen=True):
    text: str
    match: bool = False


class Hit(Struct, frozen=True, kw_only=True):
    message_id: str
    conversation_id: str
    title: str
    user_id: str
    branch: int
    seq: int
    role: Role
    score: float
    similarity: float
    """The cosine of its best piece; 0 where it was not asked for or there is none."""
    snippet: tuple[Fragment, ...]


OPENS, CLOSES = "\x02", "\x03"
"""Around what matched, in the store's own form of a snippet."""


def fragments(marked: str) -> tuple[Fragment, ...]:
    """A text in which control characters mark what matched."""
    found = []
    for number, part in enumerate(marked.split(OPENS)):
        match, closed, rest = part.partition(CLOSES)
        if number and closed:
            found += [Fragment(match, match=True), Fragment(rest)]
        else:
            found.append(Fragment(part))
    return tuple(one for one in found if one.text)
