"""What is let in and what is not, by one replica and by several."""

import asyncio

import pytest

from models.errors import InvalidRequest
from models.limits import NOTHING, Admitted, Claim, RateLimited, Who
from tests.unit.limits.installation import ANN, Installation, call, door, limit

BOB = Who("acme", None, "bob", "bob-1")
EVE = Who("other", None, "eve", "eve-1")


async def test_where_nothing_is_limited_nothing_is_asked() -> None:
    installation = Installation([limit(10, model="gpt")])
    assert await installation.replicas[0].admit(door()) is NOTHING
    assert await installation.replicas[0].admit(call("claude", "anthropic")) is NOTHING
    assert installation.views[0].exchanges == 0
    NOTHING.settle(input_tokens=5)
    NOTHING.release()
    assert NOTHING.rates() == ()


@pytest.mark.parametrize(
    ("limited", "claim", "others"),
    [
        (limit(3), door(), [door(EVE)]),
        (limit(3, scope="user", owner="ann"), door(), [door(BOB), door(EVE)]),
        (limit(3, scope="key", owner="ann-1"), door(), [door(Who("acme", None, "ann", "ann-2"))]),
        (limit(3, scope="team", owner="search"), door(), [door(BOB)]),
        (limit(3, scope="user", owner=None), door(), [door(BOB)]),
        (limit(3, model="gpt"), call(), [call("claude", "anthropic"), door()]),
        (limit(3, provider="openai"), call(), [call("claude", "anthropic"), door()]),
        (limit(3, scope="tenant", owner=None, tenant_id=None), door(), [door(EVE)]),
        (limit(3, "concurrent"), door(), [door(EVE)]),
    ],
)
async def test_a_limit_counts_for_its_owner_alone(limited: object, claim: Claim, others: list[Claim]) -> None:
    installation = Installation([limited])  # type: ignore[list-item]
    assert [await installation.admits(claim) for _ in range(5)] == [True] * 3 + [False] * 2
    for other in others:
        assert await installation.admits(other)


async def test_what_everybody_shares_is_shared_by_tenants() -> None:
    installation = Installation([limit(3, scope="everyone", owner=None, tenant_id=None, provider="openai")])
    asked = [call(), call(who=EVE), call(who=BOB), call(who=EVE)]
    assert [await installation.admits(claim) for claim in asked] == [True, True, True, False]


async def test_one_owners_limit_takes_the_place_of_everyones() -> None:
    each = limit(2, scope="user", owner=None)
    installation = Installation([each, limit(4, scope="user", owner="ann")])
    assert [await installation.admits(door()) for _ in range(5)] == [True] * 4 + [False]
    assert [await installation.admits(door(BOB)) for _ in range(3)] == [True] * 2 + [False]


async def test_a_tenant_cannot_lift_what_the_installation_allows() -> None:
    installation = Installation([limit(2, owner=None, tenant_id=None), limit(9)])
    assert [await installation.admits(door()) for _ in range(3)] == [True] * 2 + [False]


async def test_a_refusal_says_which_limit_and_when() -> None:
    installation = Installation([limit(60, burst=2), limit(1_000, scope="user", owner="ann")])
    admission = installation.replicas[0]
    for _ in range(2):
        await admission.admit(door())
    with pytest.raises(RateLimited, match="the tenant's limit of 60 requests per minute") as refused:
        await admission.admit(door())
    assert refused.value.retry_after_s == pytest.approx(1.0)
    assert (refused.value.code, refused.value.sent) == ("rate_limit_exceeded", False)
    [rate] = refused.value.rates
    assert (rate.measure, rate.limit, rate.remaining) == ("requests", 60, 0)
    installation.now += 1.0
    assert await installation.admits(door())
    assert not await installation.admits(door())


async def test_a_refusal_takes_nothing_of_the_other_limits() -> None:
    installation = Installation(
        [limit(1), limit(2, scope="user", owner="ann"), limit(9, id="other", owner="other")]
    )
    assert await installation.admits(door())
    assert not await installation.admits(door())
    installation.books[0].use([limit(2, scope="user", owner="ann")])
    assert [await installation.admits(door()) for _ in range(2)] == [True, False]


async def test_refusals_are_told_from_memory() -> None:
    installation = Installation([limit(60, burst=1)])
    assert await installation.admits(door())
    for _ in range(100):
        assert not await installation.admits(door())
    assert installation.views[0].exchanges == 2


async def test_what_is_used_often_is_taken_in_advance() -> None:
    installation = Installation([limit(60_000)])
    for _ in range(2_000):
        assert await installation.admits(door())
        installation.now += 0.002
    assert installation.views[0].exchanges < 50


@pytest.mark.parametrize(
    ("measure", "claimed", "used", "next_fits"),
    [
        ("tokens", call(input=400, output=600), {"input_tokens": 300, "output_tokens": 100}, 600),
        ("tokens", call(input=400, output=600), {"input_tokens": 400, "output_tokens": 600}, 0),
        ("input_tokens", call(input=1_000), {"input_tokens": 999}, 1),
        ("output_tokens", call(output=5_000), {"output_tokens": 10}, 990),
        ("spend", call(pico=800), {"spend_pico": 300}, 700),
    ],
)
async def test_what_was_not_used_comes_back(
    measure: str, claimed: Claim, used: dict[str, int], next_fits: int
) -> None:
    installation = Installation([limit(1_000, measure)])  # type: ignore[arg-type]
    admission = installation.replicas[0]
    (await admission.admit(claimed)).settle(**used)
    await admission.run_once()
    again = call(input=next_fits, output=next_fits, pico=next_fits)
    if measure == "tokens":
        again = call(input=next_fits)
    one_more = call(input=1, output=1, pico=1) if measure != "tokens" else call(input=1)
    assert await installation.admits(again)
    assert not await installation.admits(one_more)


async def test_what_was_used_beyond_the_claim_is_owed() -> None:
    installation = Installation([limit(60_000, "output_tokens")])
    admission = installation.replicas[0]
    (await admission.admit(call(output=10))).settle(output_tokens=62_000)
    await admission.run_once()
    assert not await installation.admits(call(output=1))
    installation.now += 2.1
    assert await installation.admits(call(output=1))


async def test_what_is_long_back_by_itself_does_not_come_back_once_more() -> None:
    installation = Installation([limit(1_000, "output_tokens")])
    admission = installation.replicas[0]
    admitted = await admission.admit(call(output=1_000))
    installation.now += 60
    assert await installation.admits(call(output=1_000))
    admitted.settle(output_tokens=0)
    await admission.run_once()
    assert not await installation.admits(call(output=20))


async def test_a_request_that_can_never_fit_is_the_callers_mistake() -> None:
    installation = Installation([limit(1_000, "input_tokens")])
    with pytest.raises(InvalidRequest, match="about 1001 tokens"):
        await installation.replicas[0].admit(call(input=1_001))
    assert await installation.admits(call(input=1_000))


async def test_a_call_that_was_not_made_counts_as_none() -> None:
    installation = Installation([limit(2, model="gpt"), limit(1_000, "tokens")])
    for _ in range(5):
        admitted = await installation.replicas[0].admit(call(input=500))
        admitted.withdraw()
        admitted.withdraw()
        await installation.replicas[0].run_once()


async def test_places_are_free_again_once_requests_are_over() -> None:
    installation = Installation([limit(2, "concurrent")], replicas=2)
    first, second = installation.replicas
    held = [await first.admit(door()), await second.admit(door())]
    assert not await installation.admits(door())
    held[1].release()
    held[1].release()
    await second.run_once()
    held.append(await first.admit(door()))
    assert not await installation.admits(door(), at=1)
    for admitted in held:
        admitted.settle()
    await first.run_once()
    await second.run_once()
    assert installation.counters.holdings == {"limits:tenant-acme-None-concurrent:acme": {"0": 0, "1": 0}}


async def test_one_place_serves_one_after_another_wherever_they_come() -> None:
    installation = Installation([limit(1, "concurrent")], replicas=4)
    for turn in range(40):
        (await installation.replicas[turn % 4].admit(door())).release()


@pytest.mark.parametrize("replicas", [1, 4])
@pytest.mark.parametrize("amount", [7, 60, 1_000])
async def test_a_rush_on_all_replicas_gets_exactly_the_burst(replicas: int, amount: int) -> None:
    installation = Installation([limit(amount)], replicas=replicas)
    outcomes = await asyncio.gather(
        *(installation.admits(door(), at=n % replicas) for n in range(3 * amount + 50))
    )
    assert sum(outcomes) == amount


async def test_in_any_minute_there_is_no_more_than_the_burst_a_minutes_worth_and_a_second_more() -> None:
    amount, burst = 1_200, 300
    installation = Installation([limit(amount, burst=burst)], replicas=4)
    admitted: list[float] = []
    for tick in range(4_000):
        admitted += [installation.now for at in range(4) if await installation.admits(door(), at=at)]
        if tick % 20 == 0:
            for replica in installation.replicas:
                await replica.run_once()
        installation.now += 0.03
    for start in range(0, len(admitted), 50):
        within = sum(1 for t in admitted[start:] if t < admitted[start] + 60)
        assert within <= burst + amount * 61 / 60
    assert len(admitted) >= 0.98 * (burst + amount * 2)


async def test_who_leaves_while_it_waits_takes_nothing() -> None:
    installation = Installation([limit(3)])
    waiting = [asyncio.create_task(installation.replicas[0].admit(door())) for _ in range(3)]
    await asyncio.sleep(0)
    for task in waiting:
        task.cancel()
    await asyncio.gather(*waiting, return_exceptions=True)
    assert [await installation.admits(door()) for _ in range(4)] == [True] * 3 + [False]


async def test_a_limit_that_changes_holds_at_once_and_keeps_those_under_way() -> None:
    installation = Installation([limit(5, "concurrent")])
    admission, book = installation.replicas[0], installation.books[0]
    held: list[Admitted] = [await admission.admit(door()) for _ in range(3)]
    book.use([limit(3, "concurrent")])
    assert not await installation.admits(door())
    held[0].release()
    assert await installation.admits(door())


async def test_the_book_reads_what_the_store_has() -> None:
    installation = Installation([])
    [book] = installation.books
    assert await installation.admits(door())
    await installation.store.put(limit(1))
    await book.run_once()
    assert [await installation.admits(door()) for _ in range(2)] == [True, False]


async def test_a_caller_without_a_team_has_no_teams_limits() -> None:
    installation = Installation([limit(1, scope="team", owner=None)])
    assert [await installation.admits(door(BOB)) for _ in range(3)] == [True] * 3
    assert [await installation.admits(door(ANN)) for _ in range(2)] == [True, False]
