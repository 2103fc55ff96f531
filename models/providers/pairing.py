"""Which result belongs to which call."""

from collections import defaultdict, deque
from collections.abc import Sequence

from msgspec.structs import replace

from models.chat import Part, Text, ToolCall, ToolResult
from models.providers.stand_ins import NO_RESULT


class Results:
    """Pairs by id over the whole history, never by adjacency.

    A call takes the first result after it, but none from behind a later call of the same id: there are
    hosts that number each turn's calls from 0. What carries no id, or one that no call has, goes by the
    tool's name. Calls are to be asked for in their order.
    """

    def __init__(self, turns: Sequence[tuple[Part, ...]]) -> None:
        self._waiting: defaultdict[str, deque[tuple[int, ToolResult]]] = defaultdict(deque)
        self._asked: defaultdict[str, deque[int]] = defaultdict(deque)
        self._taken: set[tuple[int, int]] = set()
        results: list[tuple[int, ToolResult]] = []
        for at, parts in enumerate(turns):
            for part in parts:
                if isinstance(part, ToolCall):
                    for key in _keys(part):
                        self._asked[key].append(at)
                elif isinstance(part, ToolResult):
                    results.append((at, part))
        for at, result in results:
            self._waiting[self._key(result)].append((at, result))

    def take(self, call: ToolCall, at: int) -> ToolResult | None:
        return next(filter(None, (self._take(key, at) for key in _keys(call))), None)

    def is_taken(self, result: ToolResult, at: int) -> bool:
        return (at, id(result)) in self._taken

    def _take(self, key: str, at: int) -> ToolResult | None:
        asked, waiting = self._asked[key], self._waiting[key]
        while asked and asked[0] <= at:
            asked.popleft()
        until = asked[0] if asked else None
        while waiting and (until is None or waiting[0][0] < until):
            place, result = waiting.popleft()
            if place > at:
                self._taken.add((place, id(result)))
                return result
        return None

    def _key(self, result: ToolResult) -> str:
        is_known = result.call_id and result.call_id in self._asked
        return result.call_id if is_known or not result.name else _by_name(result.name)


def answer_to(call: ToolCall, result: ToolResult | None) -> ToolResult:
    if result is None:
        return ToolResult(call.id, (NO_RESULT,), name=call.name, is_error=True)
    return replace(result, call_id=call.id, name=call.name)


def orphan(result: ToolResult) -> list[Part]:
    """A result whose call is gone (truncation, compression) still says something: as text."""
    what = f"the tool {result.name}" if result.name else "a tool"
    return [Text(f"[Result of an earlier call of {what}]"), *result.parts]


def _by_name(name: str) -> str:
    return f"\0{name}"


def _keys(call: ToolCall) -> tuple[str, ...]:
    return (call.id, _by_name(call.name)) if call.id else (_by_name(call.name),)
