"""Along the buckets of a model, with what is carried from each to the next."""

from collections.abc import Iterator, Mapping
from datetime import datetime, timedelta

from models.reconcile.assessment import Bucket
from models.reconcile.comparison import NOTHING, Range
from models.reconcile.record import Outcome, Recorded
from models.reconcile.store import Spot


class Walk:
    def __init__(
        self,
        *,
        provider: str,
        model_id: str,
        width: timedelta,
        edges: Mapping[Spot, Range],
        newest: Mapping[Spot, Recorded],
        overdue_before: datetime,
    ) -> None:
        self._provider = provider
        self._model_id = model_id
        self._width = width
        self._edges = edges
        self._newest = newest
        self._overdue_before = overdue_before
        self._carried: Range | None = None

    def buckets(self, start: datetime, end: datetime) -> Iterator[Bucket]:
        before = self._newest.get((self._model_id, start - self._width))
        self._carried = before.outcome.carried if before else None
        while start < end:
            until = start + self._width
            yield Bucket(
                provider=self._provider,
                model_id=self._model_id,
                start=start,
                end=until,
                carried=self._edge(start) if self._carried is None else self._carried,
                edge=self._edge(until),
                overdue=until < self._overdue_before,
            )
            start = until

    def carry(self, outcome: Outcome | None) -> None:
        """What is known after the bucket; nothing but the bounds where it waits."""
        self._carried = outcome.carried if outcome else None

    def _edge(self, moment: datetime) -> Range:
        return self._edges.get((self._model_id, moment), NOTHING)
