"""What every store of idempotency keys has to do; run over each of them."""

import asyncio
from abc import ABC, abstractmethod
from collections.abc import AsyncIterator, Callable

import pytest

from models.idempotency import Claimed, IdempotencyStore, Place, Taken

TENANT = "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a01"
ANN = Place(TENANT, "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a02", b"n" * 32)
BOB = Place(TENANT, "7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a03", b"n" * 32)
ELSEWHERE = Place("7c1ff0f2-6a5e-4b4e-9d1c-0f6f8f1f2a04", ANN.user_id, b"n" * 32)
ASKED, OTHER = b"a" * 32, b"o" * 32


class Kept(ABC):
    """A store, and its clock."""

    store: IdempotencyStore

    @abstractmethod
    async def end_leases(self) -> None: ...

    @abstractmethod
    async def end_the_day(self) -> None: ...

    @abstractmethod
    async def pay(self, request_id: str) -> None:
        """The ledger has charged for it."""

    async def claim(self, request_id: str, place: Place = ANN, *, digest: bytes = ASKED) -> Claimed | Taken:
        return await self.store.claim(place, digest=digest, request_id=request_id)


MakeKept = Callable[[], AsyncIterator[Kept]]


class Specification:
    """`kept` is a fixture of the class that runs it."""

    async def test_a_key_is_claimed_once(self, kept: Kept) -> None:
        claims = await asyncio.gather(*(kept.claim(f"r{n}") for n in range(20)))
        (first,) = [n for n, claim in enumerate(claims) if claim == Claimed()]
        others = [claim for claim in claims if claim != Claimed()]
        assert others == [Taken(ASKED, "in_flight", f"r{first}")] * 19
        assert await kept.store.is_under_way(ANN)

    async def test_told_again_it_is_claimed_still(self, kept: Kept) -> None:
        assert await kept.claim("r1") == await kept.claim("r1") == Claimed()

    async def test_others_have_their_own(self, kept: Kept) -> None:
        for place in (ANN, BOB, ELSEWHERE):
            assert await kept.claim("r1", place) == Claimed()

    @pytest.mark.parametrize("answer", [b"sealed", None])
    async def test_what_is_done_is_found(self, kept: Kept, answer: bytes | None) -> None:
        await kept.claim("r1")
        for _ in range(2):
            assert await kept.store.finish(ANN, request_id="r1", answer=answer)
        assert not await kept.store.is_under_way(ANN)
        await kept.end_leases()
        assert await kept.claim("r2") == Taken(ASKED, "done", "r1", answer)
        assert await kept.claim("r2", digest=OTHER) == Taken(ASKED, "done", "r1", answer)
        await kept.end_the_day()
        assert await kept.claim("r3", digest=OTHER) == Claimed()

    async def test_what_failed_is_free_for_the_same_request(self, kept: Kept) -> None:
        await kept.claim("r1")
        await kept.store.fail(ANN, request_id="r1", answered=False)
        assert await kept.claim("r2", digest=OTHER) == Taken(ASKED, "failed", "r1")
        assert await kept.claim("r2") == Claimed()
        assert await kept.claim("r3") == Taken(ASKED, "in_flight", "r2")

    async def test_what_is_released_is_new(self, kept: Kept) -> None:
        await kept.claim("r1")
        assert await kept.store.release(ANN, request_id="r1")
        assert not await kept.store.release(ANN, request_id="r1")
        assert await kept.claim("r2", digest=OTHER) == Claimed()

    async def test_who_is_not_heard_of_is_lost(self, kept: Kept) -> None:
        await kept.claim("r1")
        await kept.end_leases()
        assert not await kept.store.is_under_way(ANN)
        assert await kept.claim("r2", digest=OTHER) == Taken(ASKED, "in_flight", "r1")
        assert await kept.claim("r2") == Claimed(("r1",))
        assert await kept.claim("r2") == Claimed(("r1",))
        await kept.end_leases()
        assert await kept.claim("r3") == Claimed(("r1", "r2"))
        assert not await kept.store.release(ANN, request_id="r3")
        await kept.store.fail(ANN, request_id="r3", answered=False)
        assert await kept.claim("r4") == Claimed(("r1", "r2"))
        await kept.store.fail(ANN, request_id="r4", answered=True)
        assert await kept.claim("r5") == Claimed()
        await kept.end_the_day()
        assert await kept.claim("r6") == Claimed()

    async def test_no_more_are_remembered_as_lost_than_make_sense(self, kept: Kept) -> None:
        for n in range(12):
            await kept.claim(f"r{n}")
            await kept.end_leases()
        assert await kept.claim("last") == Claimed(tuple(f"r{n}" for n in range(4, 12)))

    async def test_who_was_lost_has_nothing_to_say(self, kept: Kept) -> None:
        await kept.claim("r1")
        await kept.end_leases()
        await kept.claim("r2")
        assert not await kept.store.finish(ANN, request_id="r1", answer=b"late")
        assert not await kept.store.release(ANN, request_id="r1")
        await kept.store.fail(ANN, request_id="r1", answered=True)
        assert await kept.claim("r3") == Taken(ASKED, "in_flight", "r2")

    async def test_leases_are_renewed_of_whose_they_are(self, kept: Kept) -> None:
        await kept.claim("r1")
        await kept.claim("r2", BOB)
        await kept.end_leases()
        await kept.store.renew([(ANN, "r1"), (BOB, "r1"), (ELSEWHERE, "r1")])
        assert await kept.store.is_under_way(ANN)
        assert not await kept.store.is_under_way(BOB)

    async def test_what_was_paid_is_known_within_its_tenant(self, kept: Kept) -> None:
        await kept.pay("r1")
        assert await kept.store.was_paid(TENANT, ["r0", "r1"])
        assert not await kept.store.was_paid(TENANT, ["r0"])
