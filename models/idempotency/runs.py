"""One answer for each key of a user, however often, and wherever, it is asked for."""

import asyncio
import hmac
import logging
import time
from collections.abc import Callable, Coroutine
from typing import Any, NamedTuple

import msgspec

from models.errors import InvalidRequest, Overloaded
from models.idempotency.answer import KeptAnswer, Overheard, Recording
from models.idempotency.errors import AnswerNotKept, IdempotencyKeyInUse, IdempotencyKeyReused
from models.idempotency.store import Claimed, IdempotencyStore, Place, Taken
from models.sealing import Seal, framed

log = logging.getLogger(__name__)

WAIT_S = 10.0
"""For the same request that is under way."""
RETRY_AFTER_S = 1.0
MAX_WAITING = 500
RENEW_AFTER_S = 4.0
RENEWED_AT_ONCE = 1_000
PATIENCE_S = 2.0
"""So long the end of an answer waits for the store; then it is sent, and kept as soon as it can be."""
MAX_UNSAVED = 64
"""Answers that wait for the store. More are not kept: who asks for them again is told so."""
MAX_ASIDE = 200
"""Keys that are being given back. Of more the leases end by themselves."""

_FIRST_PAUSE_S = 0.03
_LONGEST_PAUSE_S = 0.5
_MAX_KEY_CHARS = 255

_encode = msgspec.msgpack.Encoder().encode
_answer = msgspec.msgpack.Decoder(KeptAnswer).decode


class Asked(NamedTuple):
    """A key, and what was asked with it."""

    place: Place
    digest: bytes


class Again(NamedTuple):
    """What was answered to the request of that id."""

    answer: KeptAnswer
    request_id: str


class Run:
    """A request that holds its key: say how it ends, once. Its lease is renewed until then."""

    def __init__(self, owner: "Idempotency", place: Place, request_id: str, *, is_paid: bool) -> None:
        self.is_paid = is_paid
        """It was answered and charged before, and nobody heard the answer: it is not charged again."""
        self.recording = Recording(owner.overheard)
        self.place = place
        self.request_id = request_id
        self.since = owner.clock()
        self.unsaved: tuple[bytes | None] | None = None
        """Sealed, where it could not be kept yet."""
        self._owner = owner

    async def done(self, status: int, headers: tuple[tuple[bytes, bytes], ...], *, is_stream: bool) -> None:
        """Returns when the answer is kept, or cannot be at the moment. Raises nothing."""
        body = self.recording.body()
        answer = None if body is None else KeptAnswer(status, headers, body, is_stream)
        self.recording.close()
        await self._owner.finish(self, answer)

    async def failed(self, *, answered: bool) -> None:
        """The next request with the key is answered anew, and pays. Raises nothing."""
        self.recording.close()
        await self._owner.fail(self, answered=answered)

    async def refused(self) -> None:
        """The request itself was wrong: the key is as good as new. Raises nothing."""
        self.recording.close()
        await self._owner.release(self)


class Idempotency:
    """Belongs to one event loop. `run_once` is the job that says which requests are alive."""

    def __init__(
        self,
        store: IdempotencyStore,
        *,
        secret: bytes,
        wait_s: float = WAIT_S,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.overheard = Overheard()
        self.clock = clock
        self._store = store
        self._naming = hmac.digest(secret, b"idempotency: names", "sha256")
        self._seal = Seal(secret, "idempotency: answers")
        self._wait_s = wait_s
        self._open: dict[str, Run] = {}
        self._waiting = 0
        self._asides: set[asyncio.Task[None]] = set()

    def asked(self, tenant_id: str, user_id: str, key: bytes, *said: bytes) -> Asked:
        """`said` is all that makes the request what it is. Raises InvalidRequest for what is no key."""
        if not 0 < len(key) <= _MAX_KEY_CHARS or not key.isascii() or not key.decode("ascii").isprintable():
            raise InvalidRequest(
                f"an idempotency key is up to {_MAX_KEY_CHARS} printable ASCII characters",
                param="Idempotency-Key",
            )
        name = self._digest(b"key", tenant_id.encode(), user_id.encode(), key)
        return Asked(Place(tenant_id, user_id, name), self._digest(b"request", *said))

    async def begin(self, asked: Asked, request_id: str) -> Run | Again:
        """A run of its own, or what was answered before, waited for if it is under way.

        Raises IdempotencyKeyReused, IdempotencyKeyInUse, AnswerNotKept; Overloaded where nobody can tell.
        """
        until = self.clock() + self._wait_s
        try:
            while True:
                found = await self._store.claim(asked.place, digest=asked.digest, request_id=request_id)
                if isinstance(found, Claimed):
                    return await self._begun(asked.place, request_id, found)
                if not hmac.compare_digest(found.digest, asked.digest):
                    raise IdempotencyKeyReused("this idempotency key was used for another request")
                if found.state == "done":
                    return self._again(asked.place, found)
                await self._until_over(asked.place, until)
        except (asyncio.CancelledError, Overloaded):
            if len(self._asides) < MAX_ASIDE:
                self._aside(self._give_back(asked.place, request_id))  # it may be claimed all the same
            raise

    async def run_once(self) -> None:
        """A job: keeps what could not be kept, and renews the leases. Raises Overloaded."""
        for run in [run for run in self._open.values() if run.unsaved is not None]:
            await self._save(run)
        now = self.clock()
        alive = [run for run in self._open.values() if now - run.since > RENEW_AFTER_S]
        for start in range(0, len(alive), RENEWED_AT_ONCE):
            some = alive[start : start + RENEWED_AT_ONCE]
            await self._store.renew([(run.place, run.request_id) for run in some])

    async def settle(self) -> None:
        """Wait for what is being told aside."""
        while self._asides:
            await asyncio.wait(self._asides)

    async def finish(self, run: Run, answer: KeptAnswer | None) -> None:
        run.unsaved = (None if answer is None else self._sealed(run, answer),)
        try:
            async with asyncio.timeout(PATIENCE_S):
                await self._save(run)
        except (Overloaded, TimeoutError) as error:
            log.warning("the answer to %s cannot be kept yet: %r", run.request_id, error)
            if sum(one.unsaved is not None for one in self._open.values()) > MAX_UNSAVED:
                run.unsaved = (None,)

    async def fail(self, run: Run, *, answered: bool) -> None:
        """Untold, its lease ends by itself."""
        self._open.pop(run.request_id, None)
        try:
            await self._store.fail(run.place, request_id=run.request_id, answered=answered)
        except Overloaded as error:
            log.warning("that %s failed cannot be told: %r", run.request_id, error)

    async def release(self, run: Run) -> None:
        self._open.pop(run.request_id, None)
        await self._give_back(run.place, run.request_id)

    async def _begun(self, place: Place, request_id: str, claimed: Claimed) -> Run:
        is_paid = bool(claimed.lost) and await self._store.was_paid(place.tenant_id, claimed.lost)
        if claimed.lost:
            log.warning("%s goes on for %s, which was lost", request_id, ", ".join(claimed.lost))
        run = self._open[request_id] = Run(self, place, request_id, is_paid=is_paid)
        return run

    async def _until_over(self, place: Place, until: float) -> None:
        """Raises IdempotencyKeyInUse where it takes too long, or too many wait."""
        pause_s = _FIRST_PAUSE_S
        self._waiting += 1
        try:
            while True:
                left_s = until - self.clock()
                if left_s <= 0 or self._waiting > MAX_WAITING:
                    raise IdempotencyKeyInUse("the same request is under way", retry_after_s=RETRY_AFTER_S)
                await asyncio.sleep(min(pause_s, left_s))
                pause_s = min(2 * pause_s, _LONGEST_PAUSE_S)
                if not await self._store.is_under_way(place):
                    return
        finally:
            self._waiting -= 1

    async def _save(self, run: Run) -> None:
        assert run.unsaved is not None
        (sealed,) = run.unsaved
        if not await self._store.finish(run.place, request_id=run.request_id, answer=sealed):
            log.warning("another request has taken over from %s", run.request_id)
        self._open.pop(run.request_id, None)

    async def _give_back(self, place: Place, request_id: str) -> None:
        try:
            if not await self._store.release(place, request_id=request_id):
                await self._store.fail(place, request_id=request_id, answered=False)
        except Overloaded as error:
            log.warning("the key of %s is not given back: %r", request_id, error)

    def _again(self, place: Place, taken: Taken) -> Again:
        sealed, where = taken.answer, _where(place, taken.request_id)
        value = None if sealed is None else self._seal.open(sealed, *where)
        if value is None:
            raise AnswerNotKept(
                f"it was answered, as {taken.request_id}, and the answer is not kept: "
                "send another idempotency key to have it answered anew"
            )
        return Again(_answer(value), taken.request_id)

    def _sealed(self, run: Run, answer: KeptAnswer) -> bytes:
        return self._seal.close(_encode(answer), *_where(run.place, run.request_id))

    def _digest(self, *parts: bytes) -> bytes:
        return hmac.digest(self._naming, framed(*parts), "sha256")

    def _aside(self, work: Coroutine[Any, Any, None]) -> None:
        task = asyncio.get_running_loop().create_task(work)
        self._asides.add(task)
        task.add_done_callback(self._asides.discard)


def _where(place: Place, request_id: str) -> tuple[bytes, ...]:
    return place.tenant_id.encode(), place.user_id.encode(), place.name, request_id.encode()
