"""What stands where a history lacks something that a provider insists on, and how to take it out again.

Only what nobody else can have meant is taken out: a stand-in that asks for more trust than its turn has,
such as a system instruction said by a user, stays what it became.
"""

from collections.abc import Iterator, Sequence

from msgspec.structs import replace

from models.chat import File, Image, Message, Part, Text, ToolResult

OPENING = Text("(The conversation begins.)")
CONTINUE = Text("(Continue from here.)")
NO_RESULT = Text("No result: the call was interrupted.")
SYSTEM_LABEL = Text("[System instruction]")
ERROR_LABEL = "Error:"
"""First line of a failed tool's result where the protocol has no mark for it."""
IMAGE_FOLLOWS = "[The image follows.]"
FILE_FOLLOWS = "[The file follows.]"


def shown_by(call_id: str) -> str:
    return f"[Shown by the call {call_id}]"


def without(messages: Sequence[Message]) -> tuple[Message, ...]:
    """The history as it was before it was made fit for a provider."""
    marked = [_with_marked_errors(message) for message in messages]
    kept = [known for message in _with_media_in_results(marked) if (known := _without_made(message))]
    first = next((i for i, m in enumerate(kept) if m.role not in ("system", "developer")), None)
    if first is not None and _is_only(kept[first], OPENING):
        del kept[first]
    if len(kept) > 1 and kept[-2].role == "assistant" and _is_only(kept[-1], CONTINUE):
        del kept[-1]
    return tuple(kept)


def _without_made(message: Message) -> Message | None:
    if message.role != "tool":
        return message
    parts = tuple(part for part in message.parts if not _is_made(part))
    return replace(message, parts=parts) if parts else None


def _is_made(part: Part) -> bool:
    return isinstance(part, ToolResult) and part.is_error and part.parts == (NO_RESULT,)


def _is_only(message: Message, stand_in: Text) -> bool:
    return message.role == "user" and message.parts == (stand_in,)


def _with_marked_errors(message: Message) -> Message:
    if message.role != "tool":
        return message
    return replace(message, parts=tuple(map(_unlabelled, message.parts)))


def _unlabelled(part: Part) -> Part:
    """A failed result marked as one, its label gone."""
    if not isinstance(part, ToolResult) or not part.parts or not isinstance(part.parts[0], Text):
        return part
    label, _, said = part.parts[0].text.partition("\n")
    if label != ERROR_LABEL:
        return part
    first = (replace(part.parts[0], text=said),) if said else ()
    return replace(part, parts=(*first, *part.parts[1:]), is_error=True)


def _with_media_in_results(messages: Sequence[Message]) -> list[Message]:
    """What tools drew, back from the user's turn after their results."""
    out: list[Message] = []
    run: list[Message] = []
    for message in messages:
        if message.role == "tool":
            run.append(message)
            continue
        filled = _filled(run, message) if run else None
        out += [*run, message] if filled is None else filled
        run = []
    return out + run


def _filled(run: Sequence[Message], following: Message) -> list[Message] | None:
    """The results with what follows them in its places; None where that is not what follows."""
    results = [part for message in run for part in message.parts if isinstance(part, ToolResult)]
    places = sum(_is_place(inner) for result in results for inner in result.parts)
    media = [part for part in following.parts if isinstance(part, Image | File)]
    labels = {shown_by(result.call_id) for result in results}
    others = [part for part in following.parts if not isinstance(part, Image | File)]
    is_theirs = all(isinstance(part, Text) and part.text in labels for part in others)
    if following.role != "user" or not media or len(media) != places or not is_theirs:
        return None
    coming = iter(media)
    return [
        replace(message, parts=tuple(_refilled(part, coming) for part in message.parts)) for message in run
    ]


def _refilled(part: Part, coming: Iterator[Image | File]) -> Part:
    if not isinstance(part, ToolResult):
        return part
    inner = tuple(next(coming) if _is_place(one) else one for one in part.parts)
    return replace(part, parts=inner)


def _is_place(part: object) -> bool:
    return isinstance(part, Text) and part.text in (IMAGE_FOLLOWS, FILE_FOLLOWS)
