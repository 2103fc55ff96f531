"""Which words of a conversation say what is wanted now."""

import re
from collections.abc import Sequence

from models.chat import Message, Text

HEAD_CHARS = 2_000
TAIL_CHARS = 1_000
"""Of the last turn; the classifier itself looks at less, but tells texts apart by this much."""
EARLIER_CHARS = 160

_SHORT_CHARS = 40
_REFERS_BACK = re.compile(
    r"^(?:and|but|also|now|then|again|ok(?:ay)?|no|yes|what about|how about|same|more|shorter|longer|why"
    r"|instead|continue|go on|another|und|aber|jetzt|nochmal|y|pero|ahora|otra|et|mais|maintenant|encore|e|ma"
    r"|ora|mas|agora|а|и|теперь|ещё)\b|\b(?:it|this|that|these|those|them|the same|above|previous"
    r"|last one|your answer)\b"
    r"|^(?:再|继续|那|还有|換|换|它|这|這|では|それ|もっと|그럼|더|그것)",
    re.IGNORECASE,
)
_MAX_REFERRING_CHARS = 120


def classified_text(messages: Sequence[Message]) -> str:
    """The last user turn's head and tail; after the head of the one before it, where it stands on that one.

    Empty where no user said anything.
    """
    turns = [text for message in messages if message.role == "user" and (text := said(message))]
    if not turns:
        return ""
    last = turns[-1]
    shown = last if len(last) <= HEAD_CHARS + TAIL_CHARS else f"{last[:HEAD_CHARS]}\n{last[-TAIL_CHARS:]}"
    if len(turns) > 1 and _stands_on_the_one_before(last):
        return f"{turns[-2][:EARLIER_CHARS].rstrip()}\n\n{shown}"
    return shown


def said(message: Message) -> str:
    return "\n".join(part.text for part in message.parts if isinstance(part, Text) and part.text).strip()


def _stands_on_the_one_before(text: str) -> bool:
    if len(text) < _SHORT_CHARS:
        return True
    return len(text) < _MAX_REFERRING_CHARS and _REFERS_BACK.search(text) is not None
