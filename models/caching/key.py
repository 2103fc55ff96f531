"""What makes two requests the same to the response cache, and what that is called."""

import hmac
from typing import NamedTuple

import msgspec
from msgspec.structs import replace

from models.chat import ChatRequest, Message, Text
from models.routing.policies import RoutingPolicy
from models.sealing import framed

_VERSION = b"2"
"""Another one for every change of what is canonical, of requests, or of what is kept."""
MAX_QUESTION_CHARS = 600
"""An encoder reads 256 tokens: of a longer question it would not see the end, where it may differ."""

_pack = msgspec.msgpack.Encoder(order="sorted").encode
"""Injective: before every value stand its type and length, before every field its name; only what is left at
its default is left out."""


class Owner(NamedTuple):
    tenant_id: str
    user_id: str


class Question(NamedTuple):
    """What a user asked, apart from all that it was asked with."""

    scope: bytes
    """Of two questions that are in one scope nothing else differs."""
    name: bytes
    text: str


def canonical(owner: Owner, request: ChatRequest, *, snapshot: str, policy: RoutingPolicy) -> bytes:
    """Every part behind its length. Whether it is streamed does not count; all else does, to the letter.

    Raises OverflowError, RecursionError or UnicodeEncodeError for what cannot be written down.
    """
    asked = _pack(replace(request, stream=False))
    who = (owner.tenant_id.encode(), owner.user_id.encode())
    return framed(_VERSION, *who, snapshot.encode(), _pack(policy), asked)


class CacheKeys:
    def __init__(self, secret: bytes) -> None:
        self._naming = hmac.digest(secret, b"response cache: names", "sha256")

    def name(self, owner: Owner, request: ChatRequest, *, snapshot: str, policy: RoutingPolicy) -> str | None:
        """None for a request that no name can be given to."""
        try:
            said = canonical(owner, request, snapshot=snapshot, policy=policy)
        except (OverflowError, RecursionError, UnicodeEncodeError):
            return None
        return f"model:response:{self._digest(b'exact', said).hex()}"

    def question(
        self, owner: Owner, request: ChatRequest, *, snapshot: str, policy: RoutingPolicy
    ) -> Question | None:
        """None where the last message is not a short text of the user's alone."""
        text = _last_words(request)
        if text is None:
            return None
        *before, last = request.messages
        without = replace(request, messages=(*before, replace(last, parts=())))
        try:
            scope = canonical(owner, without, snapshot=snapshot, policy=policy)
            said = framed(scope, text.encode())
        except (OverflowError, RecursionError, UnicodeEncodeError):
            return None
        return Question(self._digest(b"scope", scope), self._digest(b"question", said), text)

    def _digest(self, purpose: bytes, said: bytes) -> bytes:
        return hmac.digest(self._naming, framed(purpose, said), "sha256")


def _last_words(request: ChatRequest) -> str | None:
    last: Message | None = request.messages[-1] if request.messages else None
    if last is None or last.role != "user" or len(last.parts) != 1 or request.tools:
        return None
    (part,) = last.parts
    if not isinstance(part, Text) or part != Text(part.text):
        return None
    text = part.text.strip()
    return text if 0 < len(text) <= MAX_QUESTION_CHARS else None
