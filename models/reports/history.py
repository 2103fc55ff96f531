"""How long answers have been, remembered for a minute."""

import asyncio
from collections import OrderedDict
from collections.abc import Callable, Mapping
from datetime import datetime, timedelta
from typing import Protocol

from models.reports.rows import OutputLengths
from models.reports.selection import Owner
from models.reports.store import ReportStore

KEPT_FOR = timedelta(seconds=60)
MAX_OWNERS = 1_000
LOOK_BACK = timedelta(days=28)

Lengths = Mapping[str, OutputLengths]
"""By model."""


class History(Protocol):
    async def output_lengths(self, owner: Owner) -> Lengths:
        """Raises Overloaded where they cannot be had now."""
        ...


class CachedHistory:
    """Asks the store once a minute for each owner, however many ask for it at the same time."""

    def __init__(self, store: ReportStore, *, clock: Callable[[], datetime]) -> None:
        self._store = store
        self._clock = clock
        self._known: OrderedDict[Owner, tuple[datetime, asyncio.Task[Lengths]]] = OrderedDict()

    async def output_lengths(self, owner: Owner) -> Lengths:
        now = self._clock()
        asked, lengths = self._known.get(owner, (None, None))
        if asked is None or lengths is None or now - asked >= KEPT_FOR or _failed(lengths):
            lengths = asyncio.get_running_loop().create_task(self._ask(owner, now))
            self._known[owner] = (now, lengths)
            self._known.move_to_end(owner)
            if len(self._known) > MAX_OWNERS:
                self._known.popitem(last=False)
        # Shielded: who leaves does not take the answer from the others that wait for it.
        return await asyncio.shield(lengths)

    async def _ask(self, owner: Owner, now: datetime) -> Lengths:
        rows = await self._store.output_lengths(owner, since=now - LOOK_BACK)
        return {row.model_id: row for row in rows}


def _failed(lengths: asyncio.Task[Lengths]) -> bool:
    return lengths.done() and (lengths.cancelled() or lengths.exception() is not None)
