"""What the gateway and the context engine say to each other about a conversation, and what they see in it."""

from collections.abc import Container, Iterable, Iterator, Sequence
from typing import Any, Self

from msgspec import Struct

from models.chat import File, Message, Part, Refusal, Text, ToolCall, ToolResult
from models.context import ContextReport, PartsKept
from models.conversations import Conversation, History, NewMessage, Owner, StoredMessage
from models.conversations.message import encoded
from models.conversations.writing import MAX_BYTES, MAX_MESSAGE_BYTES, MAX_MESSAGES
from models.errors import PayloadTooLarge
from models.last_answer import LastAnswer, last_answer

LEFT_AS_THEY_ARE = 10
"""The last messages, which no summary is of."""
WORTH_SUMMARISING_TOKENS = 8_000
OTHER_SUMMARIES = 7
"""Of other branches of a conversation, which are kept."""
_INSTRUCTIONS = ("system", "developer")


class Standing(Struct, frozen=True, kw_only=True):
    """Where a conversation stands before its next turn."""

    conversation_id: str
    branch: int
    version: int
    model_id: str | None = None
    """Who is to answer where nobody is named: whom it was switched to, else who answered last."""
    locked_by: str | None = None
    """The model whose tool calls are under way: it alone knows what it wanted of them."""
    tokens: int = 0
    """About how long it is."""
    is_long: bool = False
    """Enough has been said since the last summary for another."""
    last: LastAnswer | None = None
    """None where no model has answered yet."""


class NotedSummary(Struct, frozen=True):
    through: int
    """The `seq` of the last message that it is of."""
    text: str


class Noted(Struct, frozen=True, kw_only=True):
    """What the engine notes in a conversation's `context_metadata`, as it holds for one branch."""

    branch: str
    model_id: str | None = None
    """Whom the conversation was switched to."""
    begins_after: int = 0
    """How many messages a switch has left behind."""
    unlocked: int = 0
    """How many messages there were when a switch was forced: tool calls among them lock nobody."""
    summary: NotedSummary | None = None
    others: dict[str, dict[str, Any]] = {}
    """What holds for other branches."""

    @classmethod
    def of(cls, history: History) -> Self:
        metadata, branch = history.conversation.context_metadata, str(history.branch)
        branches = {name: metadata.get(name, {}) for name in ("begins_after", "unlocked", "summary")}
        summary = branches["summary"].get(branch)
        return cls(
            branch=branch,
            model_id=metadata.get("model_id"),
            begins_after=_begins_after(history, branches["begins_after"]),
            unlocked=branches["unlocked"].get(branch, 0),
            summary=None if summary is None else NotedSummary(**summary),
            others=branches,
        )

    def beginning_after(self, messages: int) -> dict[str, Any]:
        """As metadata to be noted."""
        return {"begins_after": {**self.others["begins_after"], self.branch: messages}}

    def unlocking(self, messages: int) -> dict[str, Any]:
        """As metadata to be noted."""
        return {"unlocked": {**self.others["unlocked"], self.branch: messages}}

    def summarised(self, text: str, *, through: int) -> dict[str, Any]:
        """As metadata to be noted; those of the branches that were summarised longest ago give way."""
        others = [(name, of) for name, of in self.others["summary"].items() if name != self.branch]
        return {
            "summary": {**dict(others[-OTHER_SUMMARIES:]), self.branch: {"through": through, "text": text}}
        }


class Turn(Struct, frozen=True, kw_only=True):
    """What is to be said next, and to whom."""

    owner: Owner
    conversation_id: str
    branch: int
    messages: tuple[Message, ...]
    """The request's: what is new, and perhaps what was said before it once more."""
    model_ids: tuple[str, ...]
    """Whoever may be asked, the first choice first."""
    max_tokens: int | None = None
    other_tokens: int = 0
    """Of tool definitions and the like, which go beside the messages."""
    preserve_context: bool = True
    """False: of the conversation only its instructions are sent."""


class Variant(Struct, frozen=True, kw_only=True):
    """The conversation as it fits some of the models."""

    model_ids: tuple[str, ...]
    messages: tuple[Message, ...]
    report: ContextReport | None = None
    """None where everything is sent."""


class Optimized(Struct, frozen=True, kw_only=True):
    variants: tuple[Variant, ...]
    """Models that not even what is new would fit are in none of them."""
    new: tuple[int, ...]
    """Which of the request's messages, by their places, the conversation does not have yet."""


class Interaction(Struct, frozen=True, kw_only=True):
    """A turn that took place: what was said and what was answered."""

    owner: Owner
    conversation_id: str
    branch: int
    messages: tuple[NewMessage, ...]
    key: str
    """Told again under the same key it is written once."""
    read_ahead: bool = False
    """It is long enough to be compressed soon."""


class Switch(Struct, frozen=True, kw_only=True):
    owner: Owner
    conversation_id: str
    model_id: str
    """A model of the catalogue."""
    preserve_context: bool = True
    force: bool = False
    """Even while tool calls are under way."""
    key: str | None = None
    """Made again under the same key it is told of once."""


class Switched(Struct, frozen=True, kw_only=True):
    conversation_id: str
    version: int
    from_model_id: str | None
    to_model_id: str
    preserve_context: bool
    score: float
    """What share of the conversation survives: `report.preservation.score` times the share of parts that are
    sent in some form."""
    compressed: bool
    parts: PartsKept
    report: ContextReport
    warnings: tuple[str, ...] = ()


class SummaryDue(Struct, frozen=True, kw_only=True):
    """What is to be summarised next of a conversation."""

    conversation_id: str
    branch: int
    through: int
    """The `seq` of the last message that it will be of."""
    text: str
    """The last summary, if there is one, and what was said since."""


class Summary(Struct, frozen=True, kw_only=True):
    due: SummaryDue
    owner: Owner
    text: str


def unsaid(history: Sequence[StoredMessage], sent: Sequence[Message]) -> tuple[int, ...]:
    """Which of a request's messages are new, by their places.

    A client may send what is new alone, or after as much as it likes of what the conversation ends with; or
    ask again what got an answer that it did not get to see. Instructions that are known are not new anywhere.
    """
    known = {_gist(one.message) for one in history if one.message.role in _INSTRUCTIONS}
    asked = [(at, _gist(one)) for at, one in enumerate(sent)]
    spoken = [(at, gist) for at, gist in asked if gist[0] != "system"]
    earlier = [one.message for one in history if one.message.role not in _INSTRUCTIONS]
    gists = [gist for _, gist in spoken]
    last = list(map(_gist, earlier[-len(gists) :] if gists else ()))
    said = next(
        (n for n in range(len(last), 0, -1) if last[-1] == gists[n - 1] and last[-n:] == gists[:n]), 0
    )
    if said == len(gists) or (not said and gists == list(map(_gist, earlier[: len(gists)]))):
        said = max((n for n, gist in enumerate(gists, 1) if gist[0] == "assistant"), default=0)
    heard = {at for at, _ in spoken[:said]}
    return tuple(at for at, gist in asked if at not in heard and gist not in known)


def check_storable(conversation: Conversation, new: Sequence[Message]) -> None:
    """Raises InvalidRequest or PayloadTooLarge for what could not be kept once it was answered, and paid for:
    whatever the answer, there has to be room for it too."""
    sizes = [len(encoded(message)) for message in new]
    if max(sizes, default=0) > MAX_MESSAGE_BYTES:
        raise PayloadTooLarge(f"a message is longer than {MAX_MESSAGE_BYTES} bytes", param="messages")
    is_full = conversation.bytes + sum(sizes) > MAX_BYTES - MAX_MESSAGE_BYTES
    if is_full or conversation.messages + len(new) >= MAX_MESSAGES:
        raise PayloadTooLarge("the conversation is full: go on in another", param="messages")


def standing_of(history: History, *, known: Container[str]) -> Standing:
    """`known` are the models that may be called: a conversation can be brought along from elsewhere."""
    conversation, noted = history.conversation, Noted.of(history)
    answers = (one.producer.model for one in reversed(history.messages) if one.producer is not None)
    under_way = calls_under_way(history.messages)
    caller = None
    if under_way is not None and under_way.seq > noted.unlocked and under_way.producer is not None:
        caller = under_way.producer.model
    switched_to = noted.model_id if noted.model_id in known else None
    return Standing(
        conversation_id=conversation.id,
        branch=history.branch,
        version=conversation.version,
        model_id=switched_to or next((model for model in answers if model in known), None),
        locked_by=caller if caller in known else None,
        tokens=sum(stored.tokens for stored in history.messages),
        is_long=bool(unsummarised(history)),
        last=last_answer(history.messages),
    )


def _begins_after(history: History, noted: dict[str, int]) -> int:
    """A branch begins where a switch in it left off, else where that is so in what it forked from."""
    last = {str(one.branch): one.seq for one in history.messages} if noted else {}
    for branch in (str(history.branch), *reversed(last)):
        begins = noted.get(branch)
        if begins is not None and (branch == str(history.branch) or begins <= last[branch]):
            return begins
    return 0


def in_force(history: History, skipped: int) -> list[StoredMessage]:
    """What of a history may be sent: instructions, and whatever comes after the first `skipped` messages."""
    return [
        stored for stored in history.messages if stored.seq > skipped or stored.message.role in _INSTRUCTIONS
    ]


def unsummarised(history: History) -> list[StoredMessage]:
    """The messages that another summary would be of; none while that would be too few."""
    noted = Noted.of(history)
    done = max(noted.begins_after, noted.summary.through if noted.summary is not None else 0)
    fresh = [stored for stored in history.messages[:-LEFT_AS_THEY_ARE] if stored.seq > done]
    while fresh and fresh[-1].message.role != "assistant":
        fresh.pop()  # no tool call is parted from its answer
    return fresh if sum(stored.tokens for stored in fresh) >= WORTH_SUMMARISING_TOKENS else []


def calls_under_way(history: Sequence[StoredMessage]) -> StoredMessage | None:
    """The message whose tool calls have no answer yet, or one that its model has not seen."""
    for stored in reversed(history):
        if stored.message.role != "tool":
            called = any(isinstance(part, ToolCall) for part in stored.message.parts)
            return stored if called else None
    return None


def _gist(message: Message) -> tuple[str, str]:
    """Clients hand back what was said, not how it was stored: parts as one text, JSON written anew."""
    role = "system" if message.role == "developer" else message.role
    calls = [part for part in message.parts if isinstance(part, ToolCall)]
    texts = [*_texts(message.parts), *(text for call in calls for text in (call.name, call.arguments))]
    return role, "".join("".join(texts).split())


def _texts(parts: Iterable[Part]) -> Iterator[str]:
    for part in parts:
        match part:
            case Text(text=text) | Refusal(text=text):
                yield text
            case File(text=text, filename=filename):
                yield from (filename, text)
            case ToolResult(parts=inner):
                yield from _texts(inner)
            case _:
                pass
