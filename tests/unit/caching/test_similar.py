"""Answers to questions that mean the same: whose, when, and what shadow counts. Words make vectors here."""

import asyncio
from collections.abc import Callable
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from models.caching import InMemorySimilar, Mode
from models.caching.similar import Vector
from models.chat import Message, Text
from models.doubles import Script
from models.errors import Overloaded
from models.providers.call import ProviderCall
from models.response_cache import HITS, SIMILAR_HITS, CachedReply
from tests.unit.caching.stage import GPT, Replica, asking, embed, says, until

ASKED = "how do I renew my old passport in Spain"
SAME = "please how do I renew my old passport in Spain"
LOOKS_LIKE = "how do I renew my old passport in Italy"


def numbered() -> Callable[[ProviderCall], Script]:
    numbers = count(1)
    return lambda _: [says(Text(f"answer {next(numbers)}"))]


def replica(mode: Mode = "on", **options: Any) -> Replica:
    return Replica(numbered(), mode=mode, **options)


async def known(replica: Replica, text: str = SAME, *, similar: bool = True, **whose: Any) -> bool:
    request = whose.pop("request", None) or asking(text)
    return (await replica.ask(request, similar=similar, **whose))[0]


async def test_a_question_that_means_the_same_gets_the_answer() -> None:
    one = replica()
    assert not await known(one, ASKED)
    reply = await one.begin(asking(SAME), similar=True)
    assert isinstance(reply, CachedReply)
    assert reply.similarity is not None
    assert 0.85 <= reply.similarity < 1
    assert (await reply.response()).parts == (Text("answer 1"),)
    await one.calls.settle_all()
    hit = one.ledger.records[-1]
    assert (hit.cost_pico, hit.usage_details) == (0, {HITS: 1, SIMILAR_HITS: 1})
    assert hit.saved_pico == one.ledger.records[0].cost_pico


async def test_only_who_asks_for_it_gives_or_gets_anything() -> None:
    one = replica()
    await known(one, ASKED, similar=False)
    assert one.alike.rows == {}
    assert not await known(one, SAME)
    assert not await known(one, ASKED + " today", similar=False)


async def test_off_it_looks_at_nothing() -> None:
    one = replica("off")
    for text in (ASKED, SAME):
        assert not await known(one, text)
    assert (one.alike.rows, one.similar.counts.looked) == ({}, 0)
    assert await known(one, SAME), "the same to the letter is found as ever"


async def test_what_only_sounds_alike_is_asked_anew() -> None:
    one = replica()
    await known(one, ASKED)
    assert not await known(one, LOOKS_LIKE)
    assert (one.similar.counts.found, one.similar.counts.guarded) == (0, 1)


async def test_t4_another_user_or_tenant_finds_nothing_even_with_the_same_vector() -> None:
    one = replica()
    await known(one, ASKED, user="ann")
    assert not await known(one, SAME, user="bob")
    assert not await known(one, SAME, user="ann", tenant="elsewhere")
    assert await known(one, SAME, user="ann")


@pytest.mark.parametrize(
    "changes",
    [
        {"temperature": 0.5},
        {"model": "gpt-5.5"},
        {"messages": (Message("system", (Text("Be brief."),)), Message("user", (Text(SAME),)))},
        {"max_tokens": 9},
    ],
    ids=str,
)
async def test_asked_with_anything_else_it_is_another_question(changes: dict[str, Any]) -> None:
    one = replica()
    await known(one, ASKED)
    assert not await known(one, request=replace(asking(SAME), **changes))


async def test_a_similar_answer_is_not_taken_for_the_requests_own() -> None:
    one = replica()
    await known(one, ASKED)
    assert await known(one, SAME, similar=True)
    assert not await known(one, SAME, similar=False)


async def test_who_wants_only_its_own_does_not_follow_who_takes_a_similar_one() -> None:
    may, one = asyncio.Event(), replica()

    async def slow(text: str) -> Vector:
        await may.wait()
        return await embed(text)

    one.similar._embed = slow
    loose = asyncio.create_task(known(one, SAME))
    await asyncio.sleep(0.01)
    assert not await known(one, SAME, similar=False)
    may.set()
    await loose
    assert len(one.providers.calls) == 2


async def test_shadow_gives_nothing_and_counts_what_would_have_been() -> None:
    one = replica("shadow")
    for text in (ASKED, SAME, LOOKS_LIKE):
        assert not await known(one, text)
    counts = one.similar.counts
    assert (counts.looked, counts.found, counts.guarded) == (3, 1, 1)
    assert (counts.agreed, counts.disagreed) == (0, 1), "the answers share one word of two"
    assert await known(one, SAME), "the same to the letter is found as ever"


async def test_shadow_knows_answers_that_agree() -> None:
    one = Replica(lambda _: [says(Text("at the town hall"))], mode="shadow")
    for text in (ASKED, SAME):
        assert not await known(one, text)
    assert (one.similar.counts.agreed, one.similar.counts.disagreed) == (1, 0)


class AwayStore(InMemorySimilar):
    async def near(self, *_: Any, **__: Any) -> Any:
        raise Overloaded("away")

    async def put(self, *_: Any, **__: Any) -> None:
        raise Overloaded("away")


async def away(_: str) -> Vector:
    raise Overloaded("away")


async def hanging(_: str) -> Vector:
    await asyncio.sleep(60)
    raise AssertionError


@pytest.mark.parametrize(
    "fault",
    [{"embedding": away}, {"embedding": hanging}, {"similar": AwayStore()}],
    ids=["encoder", "hang", "store"],
)
async def test_where_nobody_can_tell_it_is_asked_as_ever(fault: dict[str, Any]) -> None:
    one = replica(**fault)
    async with asyncio.timeout(5):
        for text in (ASKED, SAME):
            assert not await known(one, text)
    assert (await one.ask(asking(SAME), similar=True))[0]


async def test_t3_what_is_no_plain_answer_is_not_kept_for_others() -> None:
    one = Replica(lambda _: [says(Text("Hel"), finish="length")], mode="on")
    await known(one, ASKED)
    assert one.alike.rows == {}


async def test_what_is_kept_is_sealed_for_its_owner_and_scope() -> None:
    one = replica()
    await known(one, ASKED)
    ((place, row),) = one.alike.rows.items()
    assert b"passport" not in row.sealed
    for changed in (row.sealed[:-1] + bytes([row.sealed[-1] ^ 1]), b""):
        one.alike.rows[place] = row._replace(sealed=changed)
        assert not await known(one, SAME)
        del one.alike.rows[place[0], next(name for _, name in one.alike.rows if name != place[1])]
        one.local.clear()
        one.store.kept.clear()


async def test_an_invalidation_reaches_it() -> None:
    for scope, named in (("user", "ann"), ("model", GPT)):
        one = replica()
        await known(one, ASKED)
        await getattr(one.invalidation, f"invalidate_{scope}_cache")("t", "somebody or something else")
        assert len(one.alike.rows) == 1
        await getattr(one.invalidation, f"invalidate_{scope}_cache")("t", named)
        assert one.alike.rows == {}


async def test_what_was_asked_for_before_an_invalidation_is_not_kept_after_it() -> None:
    may = asyncio.Event()
    one = Replica(lambda _: [may, says(Text("Hello"))], mode="on")
    early = asyncio.create_task(known(one, ASKED))
    await until(lambda: one.providers.calls)
    await one.invalidation.invalidate_tenant_cache("t")
    may.set()
    await early
    assert one.alike.rows == {}


async def test_it_ends_with_its_time() -> None:
    now = 0.0
    alike = InMemorySimilar(clock=lambda: now)
    one = replica(similar=alike)
    await known(one, ASKED)
    now = 61
    assert not await known(one, SAME)
