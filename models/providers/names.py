"""Names and ids that a provider accepts, derived so that the same original always gets the same one."""

import hashlib
import re
from collections.abc import Mapping

from models.chat import ChatRequest
from models.providers.profiles import Profile

_ID_PATTERN = "[A-Za-z0-9_-]+"
_HASH_CHARS = 8


def legal(original: str, *, pattern: str, max_length: int) -> str:
    """`original` itself where it is legal, else a readable name with a hash that keeps it distinct."""
    if len(original) <= max_length and re.fullmatch(pattern, original):
        return original
    readable = re.sub(r"[^A-Za-z0-9_-]", "_", original)
    if not re.fullmatch(pattern, readable):
        readable = f"_{readable}"
    digest = hashlib.sha256(original.encode(errors="surrogatepass")).hexdigest()[:_HASH_CHARS]
    return f"{readable[: max_length - _HASH_CHARS - 1]}_{digest}"


def tool_name(original: str, profile: Profile) -> str:
    return legal(original, pattern=profile.tool_name, max_length=profile.tool_name_max)


def original_names(request: ChatRequest, profile: Profile) -> Mapping[str, str]:
    """Wire name to the caller's, for the tools that cannot go by their own: for decoding the answer."""
    wire = {tool_name(tool.name, profile): tool.name for tool in request.tools}
    return {sent: name for sent, name in wire.items() if sent != name}


class CallIds:
    """Legal and unique ids of one conversation's tool calls, given in order.

    An id depends on the calls before it alone, so that a conversation's next turn repeats this one's
    bytes and caches stay warm. Where the protocol can do without, what had none gets none.
    """

    def __init__(self, *, max_length: int, required: bool = True) -> None:
        self._max_length = max_length
        self._required = required
        self._given: set[str] = set()

    def give(self, original: str) -> str:
        if not original and not self._required:
            return ""
        nth = len(self._given)
        wanted = original or f"call_{nth}"
        given = legal(wanted, pattern=_ID_PATTERN, max_length=self._max_length)
        while given in self._given:
            given = legal(f"{wanted} {nth}", pattern=_ID_PATTERN, max_length=self._max_length)
            nth += 1
        self._given.add(given)
        return given
