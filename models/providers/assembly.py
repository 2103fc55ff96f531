"""A streamed answer put together: the parts that the whole answer would have had."""

from collections.abc import Iterable

from msgspec.structs import replace

from models.chat import (
    Chunk,
    Citation,
    CitationDelta,
    Completed,
    Finished,
    Native,
    Opaque,
    OpaqueDelta,
    Part,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    Thinking,
    ThinkingDelta,
    ToolCall,
    ToolCallDelta,
    ToolCallStarted,
)
from models.parts import EVENT, RAW_EVENT
from models.providers import google_generate_answer
from models.providers.logprobs import LOGPROBS
from models.providers.private import BLOCK, opened


class Assembly:
    """Takes an answer's chunks as they come; has its parts at any time, what is under way included."""

    def __init__(self) -> None:
        self._parts: list[Part] = []
        self._pieces: dict[int, list[str]] = {}
        """By place: what came of a part's text, or of a call's arguments."""
        self._calls: dict[int, int] = {}
        self._goes_on = False
        """Whether more text is the last part's."""

    def add(self, chunks: Iterable[Chunk]) -> None:
        for chunk in chunks:
            self._add(chunk)

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(self._whole(at, part) for at, part in enumerate(self._parts))

    def _add(self, chunk: Chunk) -> None:
        match chunk:
            case TextDelta(text):
                self._say(Text(""), text)
            case ThinkingDelta(text):
                self._say(Thinking(), text)
            case RefusalDelta(text):
                self._say(Refusal(""), text)
            case CitationDelta(citation):
                self._cite(citation)
            case OpaqueDelta(opaque):
                self._keep(opaque)
            case ToolCallStarted(index, id, name, arguments, opaque):
                self._calls[index] = len(self._parts)
                self._begin(ToolCall(id, name, "", opaque), arguments)
                self._goes_on = False
            case ToolCallDelta(index, arguments):
                self._pieces[self._calls[index]].append(arguments)
            case Completed(response):
                self._parts += response.parts
            case Started() | Finished():
                pass

    def _say(self, part: Text | Thinking | Refusal, said: str) -> None:
        """An empty delta begins a part, and so does one of another kind or one after a signature."""
        if said and self._goes_on and type(self._parts[-1]) is type(part):
            self._pieces[len(self._parts) - 1].append(said)
        else:
            self._begin(part, said)

    def _begin(self, part: Part, said: str) -> None:
        self._pieces[len(self._parts)] = [said]
        self._parts.append(part)
        self._goes_on = True

    def _cite(self, citation: Citation) -> None:
        for at in reversed(range(len(self._parts))):
            if isinstance(part := self._parts[at], Text):
                self._parts[at] = replace(part, citations=(*part.citations, citation))
                return

    def _keep(self, opaque: Opaque) -> None:
        if opaque.kind in (EVENT, RAW_EVENT, LOGPROBS):
            return
        self._goes_on = False
        if opaque.kind == BLOCK:
            self._parts.append(_block(opaque))
        elif self._parts and isinstance(last := self._parts[-1], Text | Thinking):
            self._parts[-1] = replace(last, opaque=(*last.opaque, opaque))

    def _whole(self, at: int, part: Part) -> Part:
        if at not in self._pieces:
            return part
        said = "".join(self._pieces[at])
        if isinstance(part, ToolCall):
            return replace(part, arguments=said)
        return replace(part, text=said) if isinstance(part, Text | Thinking | Refusal) else part


def _block(opaque: Opaque) -> Part:
    """A block of the provider's own; a picture is one only while it is streamed."""
    if opaque.provider == google_generate_answer.PROVIDER:
        read = google_generate_answer.read_part(opened(opaque.value))
        if not isinstance(read, Native) and (drawn := google_generate_answer.image(read)):
            return drawn
    return Native(opaque)
