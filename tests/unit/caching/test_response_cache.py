"""Answers that are given again: by whom, to whom, until when, and to many at once."""

import asyncio
import random
from collections.abc import Callable
from contextlib import suppress
from itertools import count
from typing import Any

import pytest
from msgspec.structs import replace

from models.caching import Flights, InMemoryCache
from models.chat import (
    Finished,
    Refusal,
    RefusalDelta,
    Started,
    Text,
    TextDelta,
    ToolCall,
    ToolCallStarted,
    Usage,
)
from models.doubles import Script, play
from models.errors import Overloaded, ProviderError, ProviderRefused, ProviderUnavailable
from models.providers.call import ProviderCall
from models.resilience import Resilience
from models.routing.constraints import Constraints
from models.routing.policies import RoutingPolicy
from tests.unit.caching.stage import GPT, USAGE, Replica, asking, says, until


def numbered() -> Callable[[ProviderCall], Script]:
    """Each answer another one."""
    numbers = count(1)
    return lambda _: [says(Text(f"answer {next(numbers)}"))]


def two_replicas() -> tuple[Replica, Replica]:
    store, script = InMemoryCache(), numbered()
    return Replica(script, store=store), Replica(script, store=store)


async def test_replicas_share_answers_and_each_remembers_what_it_gave() -> None:
    one, other = two_replicas()
    assert await one.ask() == (False, "answer 1")
    assert await other.ask() == (True, "answer 1")
    one.store.kept.clear()
    for replica in (one, other):
        assert await replica.ask() == (True, "answer 1")
        assert await replica.ask(asking(stream=True)) == (True, "answer 1")


async def test_t1_of_many_users_in_many_tenants_each_gets_their_own() -> None:
    store = InMemoryCache(max_entries=10_000)

    def own(call: ProviderCall) -> Script:
        (message,) = call.request.messages
        return [says(Text(f"{call.request.end_user} asked {message.parts[0]}"))]

    replicas = [Replica(own, store=store, local=local) for local in (True, False)]
    dice = random.Random(1)  # noqa: S311 - who asks what
    hits = 0
    for _ in range(1_500):
        tenant, user = dice.choice("ab"), dice.choice("xyz")
        request = asking(dice.choice(["p", "q", "r"]), end_user=f"{tenant}{user}")
        known, text = await dice.choice(replicas).ask(request, tenant=tenant, user=user)
        hits += known
        assert text.startswith(f"{tenant}{user} asked ")
    assert hits == 1_500 - 2 * 3 * 3


async def test_t1_a_value_under_anothers_key_is_not_opened() -> None:
    replica = Replica(numbered(), local=False)
    await replica.ask(user="ann")
    ((anns, kept),) = replica.store.kept.items()
    await replica.ask(user="bob")
    bobs = next(key for key in replica.store.kept if key != anns)
    replica.store.kept[bobs] = kept
    assert await replica.ask(user="bob") == (False, "answer 3")


@pytest.mark.parametrize("stream", [False, True], ids=["whole", "streamed"])
async def test_of_those_who_ask_the_same_at_once_one_is_answered_by_a_provider(stream: bool) -> None:
    may = asyncio.Event()
    replica = Replica(lambda call: [may, *_told(call, "Hello")])
    asked = [asking(stream=stream or n % 2 == 0) for n in range(30)]
    together = asyncio.create_task(replica.together(*asked))
    await until(lambda: replica.providers.calls)
    may.set()
    answers = await together
    assert sorted(known for known, _ in answers) == [False] + [True] * 29
    assert {text for _, text in answers} == {"Hello"}
    assert len(replica.providers.calls) == 1
    paid, *free = sorted(replica.ledger.records, key=lambda record: -record.cost_pico)
    assert {(record.cost_pico, record.saved_pico) for record in free} == {(0, paid.cost_pico)}
    assert len(replica.ledger.asks) == 1


async def test_others_do_not_wait_for_each_other() -> None:
    may = asyncio.Event()
    replica = Replica(lambda _: [may, says(Text("Hello"))])
    tasks = [
        asyncio.create_task(replica.ask(asking(text), user=user)) for text in "ab" for user in ("x", "y")
    ]
    await until(lambda: len(replica.providers.calls) == 4)
    may.set()
    assert [known for known, _ in await asyncio.gather(*tasks)] == [False] * 4


def _told(call: ProviderCall, text: str) -> Any:
    if not call.request.stream:
        return [says(Text(text))]
    return [[Started("i", "m"), TextDelta(text)], [Finished("stop", USAGE)]]


async def test_who_followed_one_that_failed_asks_by_itself() -> None:
    may, numbers = asyncio.Event(), count(1)

    def script(_: ProviderCall) -> Script:
        first = next(numbers) == 1
        yield may
        yield ProviderRefused("no", status=400) if first else says(Text("Hello"))

    replica = Replica(script)
    tasks = [asyncio.create_task(replica.ask()) for _ in range(5)]
    await until(lambda: replica.providers.calls)
    await asyncio.sleep(0.01)
    assert len(replica.providers.calls) == 1
    may.set()
    failed, *answers = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(failed, ProviderRefused)
    assert answers == [(False, "Hello")] * 4
    assert await replica.ask() == (True, "Hello")


async def test_who_followed_a_stream_that_was_left_asks_by_itself() -> None:
    never = asyncio.Event()

    def script(call: ProviderCall) -> Script:
        if call.request.stream:
            yield [Started("i", "m"), TextDelta("Hel")]
            yield never
        yield says(Text("Hello"))

    replica = Replica(script)
    leader = await replica.begin(asking(stream=True))
    await anext(leader.chunks)
    follower = asyncio.create_task(replica.ask())
    await asyncio.sleep(0.01)
    assert len(replica.providers.calls) == 1
    await leader.chunks.aclose()
    assert await follower == (False, "Hello")


async def test_a_leader_that_takes_too_long_is_not_waited_for() -> None:
    may, flights = asyncio.Event(), Flights(follow_s=0.05)
    replica = Replica(lambda _: [may, says(Text("Hello"))], flights=flights)
    slow, follower = asyncio.create_task(replica.ask()), asyncio.create_task(replica.ask())
    await until(lambda: len(replica.providers.calls) == 2)
    latecomer = asyncio.create_task(replica.ask())
    await until(lambda: len(replica.providers.calls) == 3)
    may.set()
    assert [known for known, _ in await asyncio.gather(slow, follower, latecomer)] == [False] * 3


POISON: dict[str, Any] = {
    "cut": says(Text("Hel"), finish="length"),
    "filtered": says(Text("Hel"), finish="content_filter"),
    "refused": says(Refusal("No."), finish="refusal"),
    "refused and stopped": says(Refusal("No.")),
    "text and refusal": says(Text("Well"), Refusal("No.")),
    "call": says(ToolCall("c", "f", "{}"), finish="tool_calls"),
    "text and call": says(Text("See."), ToolCall("c", "f", "{}")),
    "nothing": says(),
    "an empty text": says(Text("")),
    "no usage": says(Text("Hello"), usage=Usage(estimated=True)),
}
STREAMED_POISON: dict[str, Any] = {
    "no end": [[Started("i", "m"), TextDelta("Hel")]],
    "failed": [[Started("i", "m"), TextDelta("Hel")], ProviderUnavailable("cut", status=500)],
    "cut": [[Started("i", "m"), TextDelta("Hel")], [Finished("length", USAGE)]],
    "refused": [[Started("i", "m"), RefusalDelta("No.")], [Finished("stop", USAGE)]],
    "call": [[Started("i", "m"), TextDelta("a")], [ToolCallStarted(0, "c", "f"), Finished("stop", USAGE)]],
}


@pytest.mark.parametrize("answer", POISON.values(), ids=POISON)
async def test_t3_what_is_no_plain_answer_is_kept_nowhere(answer: Any) -> None:
    replica = Replica(play(answer))
    await replica.ask()
    assert (replica.store.kept, replica.local.bytes, await replica.ask()) == ({}, 0, (False, _text(answer)))


def _text(answer: Any) -> str:
    (completed,) = answer
    return "".join(part.text for part in completed.response.parts if isinstance(part, Text))


@pytest.mark.parametrize("said", STREAMED_POISON.values(), ids=STREAMED_POISON)
async def test_t3_nor_is_a_stream_that_ended_otherwise(said: Any) -> None:
    replica = Replica(play(*said))
    for _ in range(2):
        with suppress(ProviderError):
            known, _ = await replica.ask(asking(stream=True))
            assert not known
    assert len(replica.providers.calls) == 2
    assert (replica.store.kept, replica.local.bytes) == ({}, 0)


async def test_t3_what_two_models_may_have_made_together_is_not_kept_but_may_be_known() -> None:
    replica = Replica(numbered())
    continuing = Resilience(continues=True)
    assert await replica.ask(resilience=continuing) == (False, "answer 1")
    assert (replica.store.kept, replica.local.bytes) == ({}, 0)
    assert await replica.ask() == (False, "answer 2")
    assert await replica.ask(resilience=continuing) == (True, "answer 2")


class Changing:
    """Policies that are changed, or that nobody can look up."""

    def __init__(self) -> None:
        self.policy: RoutingPolicy | None = RoutingPolicy()

    async def of(self, tenant_id: str, key_id: str) -> RoutingPolicy:
        if self.policy is None:
            raise Overloaded("away")
        return self.policy


async def test_t3_another_policy_finds_nothing_that_was_answered_under_the_last() -> None:
    policies = Changing()
    replica = Replica(numbered(), policies=policies)
    await replica.ask()
    assert (await replica.ask())[0]
    policies.policy = RoutingPolicy(constraints=Constraints(denied_models=frozenset({GPT})))
    assert await replica.ask() == (False, "answer 2")
    policies.policy = None
    assert await replica.ask() == (False, "answer 3")


@pytest.mark.parametrize("level", ["local", "shared"])
async def test_what_was_invalidated_is_not_given_on_any_replica(level: str) -> None:
    for what, is_given in (
        (("user", "ann"), False),
        (("user", "bob"), True),
        (("model", GPT), False),
        (("model", "another"), True),
        (("tenant", ""), False),
    ):
        one, other = two_replicas()
        await one.ask()
        await other.ask()
        scope, named = what
        if scope == "tenant":
            await one.invalidation.invalidate_tenant_cache("t")
        else:
            tell = getattr(one.invalidation, f"invalidate_{scope}_cache")
            await tell("t", named)
        if level == "shared":
            one.local.clear()
            other.local.clear()  # which hears of it by the news
            assert (await other.ask())[0] is is_given
        assert (await one.ask())[0] is (is_given or level == "shared")


async def test_what_was_asked_for_before_an_invalidation_and_answered_after_it_is_not_kept() -> None:
    may = asyncio.Event()
    numbers = count(1)
    replica = Replica(lambda _: [may, says(Text(f"answer {next(numbers)}"))])
    early = asyncio.create_task(replica.ask())
    await until(lambda: replica.providers.calls)
    await replica.invalidation.invalidate_tenant_cache("t")
    late = asyncio.create_task(replica.ask())
    await until(lambda: len(replica.providers.calls) == 2)
    may.set()
    assert [known for known, _ in await asyncio.gather(early, late)] == [False, False]
    assert len(replica.providers.calls) == 2


async def test_where_it_is_not_known_when_it_was_asked_for_nothing_is_shared() -> None:
    class Away(InMemoryCache):
        async def get(self, key: str, *, tenant_id: str) -> Any:
            return (await super().get(key, tenant_id=tenant_id))._replace(value=None, at=None)

    replica = Replica(numbered(), store=Away())
    await replica.ask()
    assert replica.store.kept == {}
    assert await replica.ask() == (True, "answer 1"), "by itself it remembers"


async def test_what_is_unlike_in_any_field_is_asked_anew() -> None:
    replica = Replica(numbered())
    await replica.ask()
    for change in ({"temperature": 0.5}, {"seed": 1}, {"stop": ("x",)}, {"end_user": "e"}):
        assert not (await replica.ask(replace(asking(), **change)))[0]
