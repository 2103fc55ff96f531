"""What fits a budget: units taken in order of worth, each with what it must not be shown without."""

from collections.abc import Iterable, Mapping, Sequence

from models.context.units import Unit

_PATIENCE = 100
Successors = Mapping[int, frozenset[int]]


class Selection:
    """Grows until the tokens are used up. A unit comes with those that it needs and with those whose newer
    values supersede its own, or not at all."""

    def __init__(
        self,
        units: Sequence[Unit],
        costs: Sequence[float],
        successors: Successors,
        twins: Successors,
        *,
        shown: Iterable[int] = (),
    ) -> None:
        """`shown`: units that are sent anyway."""
        self._units = units
        self._costs = costs
        self._successors = successors
        self._twins = twins
        self.shown: set[int] = self._spoken_for(shown)
        self.taken: dict[str, list[int]] = {}
        """Units by block, in the order in which they were taken."""
        self.cost = 0.0

    def take(self, unit_id: int, *, block: str, limit: float) -> bool:
        """False if it does not fit in `limit` tokens for the whole selection."""
        if unit_id in self.shown:
            return True
        together = self._with(unit_id)
        cost = sum(self._costs[one] for one in together)
        if self.cost + cost > limit:
            return False
        self.cost += cost
        self.shown |= self._spoken_for(together)
        self.taken.setdefault(block, []).extend(sorted(together, key=lambda one: one != unit_id))
        return True

    def fill(self, order: Iterable[int], *, block: str, limit: float, least: float) -> None:
        """Takes what fits of `order` until no unit of `least` tokens can, or many in a row did not."""
        misfits = 0
        for unit_id in order:
            if limit - self.cost < least or misfits > _PATIENCE:
                return
            misfits = 0 if self.take(unit_id, block=block, limit=limit) else misfits + 1

    def drop_last(self, block: str) -> bool:
        """Gives the last taken unit of a block back, and what would mislead without it."""
        taken = self.taken.get(block)
        if not taken:
            return False
        lost = {taken.pop()}
        for unit_ids in self.taken.values():
            for unit_id in reversed(unit_ids):
                if lost & self._links(unit_id):
                    lost.add(unit_id)
            unit_ids[:] = [unit_id for unit_id in unit_ids if unit_id not in lost]
        self.shown -= self._spoken_for(lost)
        self.cost -= sum(self._costs[unit_id] for unit_id in lost)
        return True

    def _spoken_for(self, units: Iterable[int]) -> set[int]:
        spoken = set(units)
        for unit_id in tuple(spoken):
            spoken |= self._twins.get(unit_id, frozenset())
        return spoken

    def _with(self, unit_id: int) -> set[int]:
        together: set[int] = set()
        waiting = [unit_id]
        while waiting:
            one = waiting.pop()
            if one not in together and one not in self.shown:
                together.add(one)
                waiting.extend(self._links(one))
        return together

    def _links(self, unit_id: int) -> frozenset[int]:
        needs = self._units[unit_id].needs
        later = self._successors.get(unit_id, frozenset())
        return later.union(needs) if needs else later
