"""What delivery needs of a kind of channel."""

from typing import Protocol

from models.events import Event


class Undelivered(Exception):
    """The message says why, in a few words without addresses or secrets."""


class Sender(Protocol):
    async def send(self, target: str, event: Event, *, channel_id: str) -> None:
        """Returns once the receiver has it, after a bounded time; else raises Undelivered."""
