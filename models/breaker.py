"""A circuit breaker: whether one model of one provider may be asked just now, with one credential.

Closed, it lets every call through. It opens when calls fail in a row, when half of many fail or are slow, or
when calls hang: for 5 s, and for longer each time that the probe which follows fails, up to a minute. Where a
provider itself says how long to wait it is shut for that long, and then closed: that is no fault.

Pure but for its clock, which is in seconds.
"""

import random
from collections.abc import Callable
from typing import Literal

State = Literal["closed", "open", "half_open"]
Reason = Literal["failures", "slow"]

IN_A_ROW = 5
WINDOW_S = 10.0
LEAST_CALLS = 20
SHARE = 0.5
OPEN_S = 5.0
MAX_OPEN_S = 60.0
JITTER = 0.1
"""Of the time that it is open: replicas should not all probe at once."""
MAX_TOLD_S = 60.0
"""A provider that asks for longer is asked again after this."""
EARLY_PROBE_S = 1.0
"""So often one call may see whether it works again, where there is nobody else to ask."""
LOOK_AGAIN_S = 0.25
"""While a probe is under way."""
PROBE_LOST_S = 60.0
"""A probe of which nothing was heard for so long is under way no more."""


class Passage:
    """One call, from its being let through until it ends. Of a call that ended nothing more is taken."""

    __slots__ = ("_breaker", "at", "begun", "ended", "is_probe", "slow_at")

    def __init__(self, breaker: "Breaker", at: float, slow_at: float, *, is_probe: bool) -> None:
        self._breaker = breaker
        self.at = at
        self.slow_at = slow_at
        self.is_probe = is_probe
        self.begun = False
        self.ended = False

    def begins(self) -> None:
        """Its first content is here."""
        if not (self.begun or self.ended):
            self.begun = True
            self._breaker.began(self)

    def succeeds(self) -> None:
        self.begins()
        self._end(self._breaker.ended_well)

    def fails(self, *, told_s: float | None = None) -> None:
        """`told_s` is how long the provider asks to be left alone, if it does."""
        self._end(lambda passage: self._breaker.failed(passage, told_s))

    def leaves(self) -> None:
        """It says nothing of the provider: its caller left, or the fault was elsewhere."""
        self._end(self._breaker.left)

    def _end(self, how: Callable[["Passage"], None]) -> None:
        if not self.ended:
            self.ended = True
            how(self)


class _Count:
    __slots__ = ("calls", "failures", "slow")

    def __init__(self) -> None:
        self.calls = self.failures = self.slow = 0


class Breaker:
    """Its clock is in seconds, of any kind; `draw` gives numbers from 0 to 1."""

    def __init__(self, clock: Callable[[], float], *, draw: Callable[[], float] = random.random) -> None:
        self._clock = clock
        self._draw = draw
        self._since = float("-inf")
        """The last change: what calls from before it tell is of then."""
        self._open_until = 0.0
        self._open_s = OPEN_S
        self._reason: Reason | None = None
        self._told_until = 0.0
        self._told_again = False
        """The provider was asked before its time, and said so once more."""
        self._probe: Passage | None = None
        self._probed_at = float("-inf")
        self._failed = 0
        """Calls in a row that failed before their first content."""
        self._cut = 0
        """Answers in a row that broke off."""
        self._counts: dict[int, _Count] = {}
        """By second of the window."""
        self._silent: list[Passage] = []
        """The first few calls since there was a sign of life that have not begun to answer."""
        self.hinted_until = 0.0
        """Another replica's is open until then: ours opens at the next failure."""

    @property
    def state(self) -> State:
        if self._reason is None:
            return "open" if self._clock() < self._told_until else "closed"
        return "open" if self._clock() < self._open_until else "half_open"

    @property
    def reason(self) -> Reason | None:
        return self._reason

    @property
    def open_s(self) -> float:
        """For how long it still is open."""
        until = max(self._told_until, self._open_until if self._reason is not None else 0.0)
        return max(0.0, until - self._clock())

    @property
    def hinted_s(self) -> float:
        """For how long another replica's still is."""
        return max(0.0, self.hinted_until - self._clock())

    def wait_s(self, *, last: bool = False) -> float:
        """How long a call had better wait; 0 where one may be made now. `last`: there is nobody else to ask.

        Then a model that fails or is slow is asked all the same: what failed may have been somebody else's
        requests, and its own error says more than ours. One that has asked for a pause is probed before its
        time: one call may have been too large for a limit.
        """
        now = self._clock()
        if self._reason is None and self._hangs(now):
            self._open(now, "slow")
        told_s = self._told_until - now
        if told_s > 0:
            otherwise_s = told_s if self._told_again else None
            return self._early_s(now, told_s, otherwise_s) if last else told_s
        if self._reason is None or last:
            return 0.0
        return LOOK_AGAIN_S if self._is_probed(now) else max(0.0, self._open_until - now)

    def enter(self, *, slow_after_s: float) -> Passage:
        """For a call that need not wait. It is slow where its first content takes longer than that."""
        now = self._clock()
        is_shut = self._reason is not None or now < self._told_until
        is_probe = is_shut and not self._is_probed(now)
        passage = Passage(self, now, now + slow_after_s, is_probe=is_probe)
        if is_probe:
            self._probe, self._probed_at = passage, now
        if len(self._silent) < IN_A_ROW:
            self._silent.append(passage)
        return passage

    def began(self, passage: Passage) -> None:
        self._silent.clear()
        if passage.is_probe or (self._reason == "slow" and self._clock() < passage.slow_at):
            self._close()
        elif passage.at >= self._since:
            self._failed = 0
            self._count("slow" if self._clock() > passage.slow_at else None)

    def ended_well(self, passage: Passage) -> None:
        self._cut = 0
        self._forget(passage)

    def failed(self, passage: Passage, told_s: float | None) -> None:
        self._forget(passage)
        now = self._clock()
        if told_s is not None:
            self._told(passage, now, min(told_s, MAX_TOLD_S))
        elif passage.is_probe and self._reason is not None:
            self._probe_failed(passage, now)
        elif self._reason is None and passage.at >= self._since:
            if passage.begun:
                self._cut += 1
            else:
                self._failed += 1
            self._count("failures")
            if max(self._failed, self._cut) >= (1 if now < self.hinted_until else IN_A_ROW):
                self._open(now, "failures")

    def left(self, passage: Passage) -> None:
        self._forget(passage)

    def _early_s(self, now: float, left_s: float, otherwise_s: float | None) -> float:
        """Until one call may be made before the time that is left. It is waited for unless there was one in
        vain: then whoever comes at the right time makes it, and others had better wait `otherwise_s`."""
        due_s = max(0.0, self._probed_at + EARLY_PROBE_S - now)
        early_s = LOOK_AGAIN_S if self._is_probed(now) else due_s
        return min(left_s, early_s if early_s == 0 or otherwise_s is None else otherwise_s)

    def _told(self, passage: Passage, now: float, told_s: float) -> None:
        is_new = now >= self._told_until
        if passage.is_probe and self._reason is not None:
            self._close()
        if is_new:
            self._told_again, self._probed_at = False, now
        elif passage.is_probe:
            self._told_again = True
        self._told_until = max(self._told_until, now + told_s)

    def _probe_failed(self, passage: Passage, now: float) -> None:
        """One that came before its time changes nothing."""
        self._reason = "failures"
        self._since = now
        if passage.at >= self._open_until:
            self._open_s = min(2 * self._open_s, MAX_OPEN_S)
            self._open_until = now + self._jittered(self._open_s)

    def _forget(self, passage: Passage) -> None:
        if passage in self._silent:
            self._silent.remove(passage)
        if passage is self._probe:
            self._probe = None

    def _hangs(self, now: float) -> bool:
        return len(self._silent) == IN_A_ROW and all(now >= passage.slow_at for passage in self._silent)

    def _is_probed(self, now: float) -> bool:
        return self._probe is not None and now < self._probed_at + PROBE_LOST_S

    def _count(self, bad: Reason | None) -> None:
        now = self._clock()
        count = self._counts.get(int(now))
        if count is None:
            self._counts = {at: one for at, one in self._counts.items() if at > now - WINDOW_S}
            count = self._counts[int(now)] = _Count()
        count.calls += 1
        count.failures += bad == "failures"
        count.slow += bad == "slow"
        if self._reason is None and bad is not None:
            self._judge(now)

    def _judge(self, now: float) -> None:
        counts = self._counts.values()
        calls, failures = sum(one.calls for one in counts), sum(one.failures for one in counts)
        if calls < LEAST_CALLS:
            return
        if failures >= SHARE * calls:
            self._open(now, "failures")
        elif failures + sum(one.slow for one in counts) >= SHARE * calls:
            self._open(now, "slow")

    def _open(self, now: float, reason: Reason) -> None:
        self._reason = reason
        self._since = self._probed_at = now
        self._open_until = now + self._jittered(self._open_s)
        self._reset()

    def _close(self) -> None:
        self._reason = None
        self._since = self._clock()
        self._open_s = OPEN_S
        self._told_until = self.hinted_until = 0.0
        self._told_again = False
        self._reset()

    def _reset(self) -> None:
        self._probe = None
        self._failed = self._cut = 0
        self._counts.clear()
        self._silent.clear()

    def _jittered(self, seconds: float) -> float:
        return seconds * (1 - JITTER + 2 * JITTER * self._draw())
