"""Authentication: remembered for a while, bounded, asked once, and closed when the store is away."""

import asyncio
from datetime import UTC, datetime, timedelta

import pytest

from models.errors import Overloaded, Unauthenticated
from models.identity import Authenticator, InMemoryKeyStore, KeyRecord, KeyRing
from models.identity.keys import new_key

PEPPER = bytes(range(32))


class CountingStore(InMemoryKeyStore):
    """Counts look-ups; they can be held up, or made to fail."""

    def __init__(self) -> None:
        super().__init__()
        self.asked = 0
        self.away = False
        self.open = asyncio.Event()
        self.open.set()

    async def find(self, key_id: str) -> KeyRecord | None:
        self.asked += 1
        await self.open.wait()
        if self.away:
            raise Overloaded("away")
        return await super().find(key_id)


class Clock:
    def __init__(self) -> None:
        self.time = 1_000.0

    def __call__(self) -> float:
        return self.time


@pytest.fixture
def store() -> CountingStore:
    return CountingStore()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
async def key(store: CountingStore) -> str:
    return (await KeyRing(store, PEPPER).create_key("ann")).key


async def test_the_store_is_asked_once_until_the_time_is_over(
    store: CountingStore, clock: Clock, key: str
) -> None:
    authenticator = Authenticator(store, PEPPER, ttl_s=5, clock=clock)
    assert authenticator.cached(key) is None
    principal = await authenticator.authenticate(key)
    clock.time += 4.9
    assert await authenticator.authenticate(key) == authenticator.cached(key) == principal
    assert store.asked == 1
    clock.time += 0.1
    assert authenticator.cached(key) is None
    await authenticator.authenticate(key)
    assert store.asked == 2


async def test_a_principal_spends_for_the_team_of_its_key(store: CountingStore) -> None:
    issued = await KeyRing(store, PEPPER).create_key("ann", team="search")
    principal = await Authenticator(store, PEPPER).authenticate(issued.key)
    assert principal.team_id == issued.record.team_id == await store.team_id(principal.tenant_id, "search")


async def test_many_at_once_ask_once(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER)
    principals = await asyncio.gather(*(authenticator.authenticate(key) for _ in range(50)))
    assert len(set(principals)) == store.asked == 1


async def test_who_leaves_does_not_take_the_others_along(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER)
    store.open.clear()
    first, second = (asyncio.create_task(authenticator.authenticate(key)) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    store.open.set()
    assert (await second).user_id
    assert store.asked == 1
    with pytest.raises(asyncio.CancelledError):
        await first


def _other_secret(key: str) -> str:
    return key[:-43] + new_key()[1][-43:]


@pytest.mark.parametrize(
    "change", [_other_secret, lambda _: new_key()[1], lambda key: key + "x", lambda _: ""]
)
async def test_a_wrong_key_is_refused(store: CountingStore, key: str, change: object) -> None:
    assert callable(change)
    with pytest.raises(Unauthenticated) as raised:
        await Authenticator(store, PEPPER).authenticate(change(key))
    assert key not in str(raised.value.details())


async def test_another_pepper_opens_nothing(store: CountingStore, key: str) -> None:
    with pytest.raises(Unauthenticated):
        await Authenticator(store, bytes(32)).authenticate(key)


async def test_a_wrong_key_is_remembered_for_a_shorter_while(
    store: CountingStore, clock: Clock, key: str
) -> None:
    authenticator = Authenticator(store, PEPPER, wrong_ttl_s=1, clock=clock)
    wrong = _other_secret(key)
    for _ in range(3):
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(wrong)
    with pytest.raises(Unauthenticated):
        authenticator.cached(wrong)
    assert store.asked == 1
    clock.time += 1
    assert authenticator.cached(wrong) is None


async def test_guessing_does_not_push_out_keys_in_use(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER, max_entries=10)
    await authenticator.authenticate(key)
    guesses = [new_key()[1] for _ in range(100)]
    for guess in guesses:
        with pytest.raises(Unauthenticated):
            await authenticator.authenticate(guess)
    assert authenticator.cached(key) is not None
    assert authenticator.cached(guesses[0]) is None


async def test_the_oldest_of_too_many_keys_is_asked_for_again(store: CountingStore) -> None:
    ring, authenticator = KeyRing(store, PEPPER), Authenticator(store, PEPPER, max_entries=3)
    keys = [(await ring.create_key("ann")).key for _ in range(4)]
    for key in keys:
        await authenticator.authenticate(key)
    assert [authenticator.cached(key) is None for key in keys] == [True, False, False, False]


async def test_too_many_unknown_keys_at_once_are_shed(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER, max_pending=2)
    await authenticator.authenticate(key)
    store.open.clear()
    waiting = [asyncio.create_task(authenticator.authenticate(new_key()[1])) for _ in range(2)]
    await asyncio.sleep(0)
    with pytest.raises(Overloaded):
        await authenticator.authenticate(new_key()[1])
    assert await authenticator.authenticate(key)
    store.open.set()
    results = await asyncio.gather(*waiting, return_exceptions=True)
    assert {type(r) for r in results} == {Unauthenticated}


async def test_an_absent_store_lets_nobody_in_and_is_not_remembered(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER)
    store.away = True
    for _ in range(2):
        with pytest.raises(Overloaded):
            await authenticator.authenticate(key)
    store.away = False
    assert await authenticator.authenticate(key)
    assert store.asked == 3


async def test_a_revoked_key_lives_on_for_the_time_at_most(
    store: CountingStore, clock: Clock, key: str
) -> None:
    authenticator = Authenticator(store, PEPPER, ttl_s=5, clock=clock)
    key_id = (await authenticator.authenticate(key)).key_id
    await KeyRing(store, PEPPER).revoke_key(key_id)
    assert await authenticator.authenticate(key)
    clock.time += 5
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(key)


async def test_a_forgotten_key_is_asked_for_at_once(store: CountingStore, key: str) -> None:
    authenticator = Authenticator(store, PEPPER)
    key_id = (await authenticator.authenticate(key)).key_id
    await KeyRing(store, PEPPER).revoke_key(key_id)
    authenticator.forget(key_id)
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(key)


async def test_a_key_ends_when_it_expires_and_not_a_cache_time_later(
    store: CountingStore, clock: Clock
) -> None:
    now = datetime.now(UTC)
    expiring = await KeyRing(store, PEPPER).create_key("ann", expires_at=now + timedelta(seconds=2))
    authenticator = Authenticator(
        store, PEPPER, ttl_s=5, clock=clock, now=lambda: now.timestamp() + clock.time - 1_000
    )
    assert await authenticator.authenticate(expiring.key)
    clock.time += 1.5
    assert authenticator.cached(expiring.key)
    clock.time += 0.6
    with pytest.raises(Unauthenticated):
        await authenticator.authenticate(expiring.key)
