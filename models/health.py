"""Whether hosts answer at all: those that nobody has called for a while are asked, cheaply."""

import asyncio
import logging
import random
import time
from collections.abc import Awaitable, Callable, Iterable
from typing import Literal

from models.errors import PolyvoxError

log = logging.getLogger(__name__)

Health = Literal["unknown", "healthy", "degraded", "unavailable"]

QUIET_S = 30.0
"""A host that was heard from since is not asked."""
MAX_HOSTS = 500
AT_ONCE = 8


class HealthWatch:
    """`check` asks a host, within its own time limit, for something that costs nothing."""

    def __init__(
        self,
        check: Callable[[str], Awaitable[Health]],
        hosts: Callable[[], Iterable[str]],
        *,
        clock: Callable[[], float] = time.monotonic,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self._check = check
        self._hosts = hosts
        self._clock = clock
        self._draw = draw
        self._known: dict[str, Health] = {}
        self._due: dict[str, float] = {}

    def of(self, host: str) -> Health:
        return self._known.get(host, "unknown")

    def answered(self, host: str) -> None:
        """A call to it went well."""
        self._known[host] = "healthy"
        self._due[host] = self._clock() + QUIET_S

    async def run_once(self) -> None:
        """The job: asks whoever is due. Raises nothing."""
        hosts = list(self._hosts())[:MAX_HOSTS]
        for gone in self._known.keys() - set(hosts):
            self._known.pop(gone)
            self._due.pop(gone, None)
        now = self._clock()
        due = [host for host in hosts if self._due.get(host, now) <= now]
        for start in range(0, len(due), AT_ONCE):
            await asyncio.gather(*map(self._ask, due[start : start + AT_ONCE]))

    async def _ask(self, host: str) -> None:
        # Not all replicas at once.
        due = self._due[host] = self._clock() + QUIET_S * (0.75 + 0.5 * self._draw())
        try:
            found = await self._check(host)
        except PolyvoxError as error:
            # Our own way to it is broken: that says nothing of the host.
            log.debug("the health of %s is not known: %s", host, error)
            return
        if self._due[host] != due:
            return  # a call has told meanwhile
        if self._known.get(host) != found:
            log.info("%s is %s", host, found)
        self._known[host] = found
