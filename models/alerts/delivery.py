"""`AlertDelivery`: brings what is in the outbox to its channels, at least once each."""

import asyncio
import logging
import random
import time
from collections.abc import Callable, Mapping

from models.alerts.channels import ChannelKind
from models.alerts.outbox import Delivery, Outbox
from models.alerts.sending import Sender, Undelivered
from models.errors import PolyvoxError

log = logging.getLogger(__name__)

MAX_ATTEMPTS = 8
FIRST_DELAY_S = 30.0
DELAY_FACTOR = 3.0
MAX_DELAY_S = 7_200.0
"""Eight attempts lie within five hours, two and a half as a rule."""

KEEP_DAYS = 30.0
FORGET_EVERY_S = 60.0
_FORGET_AT_ONCE = 1_000


class AlertDelivery:
    """Any number may run at once. A channel that hangs holds up neither a run nor the other channels.

    What is under way when the process dies is claimed again when its lease has passed, with the same id.
    """

    def __init__(
        self,
        outbox: Outbox,
        senders: Mapping[ChannelKind, Sender],
        *,
        max_in_flight: int = 64,
        per_channel: int = 8,
        patience_s: float = 1.0,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._outbox = outbox
        self._senders = senders
        self._max_in_flight = max_in_flight
        self._per_channel = per_channel
        self._patience_s = patience_s
        self._clock = clock
        self._running: dict[asyncio.Task[None], str] = {}
        """Each delivery under way and its channel."""
        self._forgot_at: float | None = None

    async def run_once(self) -> None:
        """Starts what is due and waits a moment for it; the rest goes on meanwhile.

        Raises Overloaded if the database is away.
        """
        free = self._max_in_flight - len(self._running)
        if free > 0:
            busy = set(self._running.values())
            for delivery in await self._outbox.claim(limit=free, per_channel=self._per_channel, busy=busy):
                task = asyncio.create_task(self._deliver(delivery))
                self._running[task] = delivery.channel_id
                task.add_done_callback(self._running.pop)
        if self._running:
            await asyncio.wait(self._running, timeout=self._patience_s)
        await self._forget()

    async def close(self) -> None:
        """Waits for what is under way."""
        if self._running:
            await asyncio.wait(self._running)

    async def _deliver(self, delivery: Delivery) -> None:
        error = await self._attempt(delivery)
        try:
            if error is None:
                await self._outbox.delivered(delivery)
            elif delivery.attempts >= MAX_ATTEMPTS:
                await self._outbox.give_up(delivery, error=error)
            else:
                await self._outbox.retry(delivery, error=error, delay_s=retry_delay_s(delivery.attempts))
        except PolyvoxError:
            log.warning("what became of delivery %d is not recorded: it is tried again", delivery.id)

    async def _attempt(self, delivery: Delivery) -> str | None:
        """What went wrong."""
        if delivery.attempts > MAX_ATTEMPTS:
            return "lost while it was sent"
        sender = self._senders.get(delivery.kind)
        if sender is None:
            return f"no {delivery.kind} can be sent"
        try:
            await sender.send(delivery.target, delivery.event, channel_id=delivery.channel_id)
        except Undelivered as error:
            return str(error)
        except Exception:  # a bug in one sender must not keep the others from being heard
            log.exception("delivery %d failed", delivery.id)
            return "internal error"
        return None

    async def _forget(self) -> None:
        now = self._clock()
        if self._forgot_at is None or now >= self._forgot_at + FORGET_EVERY_S:
            self._forgot_at = now
            await self._outbox.forget(keep_days=KEEP_DAYS, limit=_FORGET_AT_ONCE)


def retry_delay_s(attempts: int, *, draw: Callable[[], float] = random.random) -> float:
    """After so many attempts: anything up to a bound that grows threefold each time (full jitter)."""
    return draw() * min(MAX_DELAY_S, FIRST_DELAY_S * DELAY_FACTOR ** min(attempts - 1, MAX_ATTEMPTS))
