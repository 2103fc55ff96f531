"""Conversations read for compression: read once, for as long as there is room."""

import asyncio
import threading
from datetime import UTC, datetime

from models.chat import Message
from models.context_readings import Key, Readings
from tests.unit.context_engine.scene import message, talk, user

LONG_AGO = datetime(2020, 1, 1, tzinfo=UTC)


def key(name: str, *, at: datetime = LONG_AGO, branch: int = 1, skipped: int = 0) -> Key:
    return (name, at, branch, skipped)


class Counting:
    """Four characters a token; remembers what was counted, and where."""

    def __init__(self) -> None:
        self.texts: list[str] = []
        self.threads: set[int] = set()

    def __call__(self, text: str) -> int:
        self.texts.append(text)
        self.threads.add(threading.get_ident())
        return (len(text) + 3) // 4


def short(text: str) -> list[Message]:
    return [user(text), message("assistant", "ok")]


async def test_a_conversation_is_read_once_away_from_the_event_loop() -> None:
    count = Counting()
    readings = Readings(count)
    read = await asyncio.gather(*(readings.of(key("a"), short("hello")) for _ in range(5)))
    assert len(set(map(id, read))) == 1
    assert "hello" in count.texts
    assert threading.get_ident() not in count.threads
    so_far = len(count.texts)
    assert await readings.of(key("a"), short("hello")) is read[0]
    assert len(count.texts) == so_far


async def test_another_branch_beginning_or_birth_is_another_conversation() -> None:
    readings = Readings(Counting())
    keys = [key("a"), key("b"), key("a", branch=2), key("a", skipped=1), key("a", at=datetime.now(UTC))]
    assert len({id(await readings.of(each, short("hello"))) for each in keys}) == 5


async def test_what_was_said_since_is_read_and_cuts_are_kept() -> None:
    readings = Readings(Counting())
    messages = talk()
    read = await readings.of(key("a"), messages)
    assembly = read.fit(500, "What about the tides?", models=["m", "n"])
    assert assembly.cut is not None
    assert read.cuts.keys() == {"m", "n"}
    grown = await readings.of(key("a"), [*messages, *short("and now?")])
    assert grown is not read
    assert grown.fit(500, "And bread?", models=["m"]).cut is assembly.cut
    assert grown.fit(500, "And bread?", models=["other"]).cut is not assembly.cut


async def test_a_fit_for_nobody_leaves_cuts_as_they_are() -> None:
    read = await Readings(Counting()).of(key("a"), talk())
    read.fit(500, None)
    assert not read.cuts


async def test_only_so_many_cuts_are_kept() -> None:
    read = await Readings(Counting()).of(key("a"), talk())
    for number in range(20):
        read.fit(500, "What about the tides?", models=[f"m{number}"])
    assert list(read.cuts) == [f"m{number}" for number in range(12, 20)]


async def test_what_has_not_been_asked_for_longest_goes_first() -> None:
    readings = Readings(Counting(), max_turns=6)
    a, b = await readings.of(key("a"), short("a")), await readings.of(key("b"), short("b"))
    await readings.of(key("c"), short("c"))
    assert await readings.of(key("a"), short("a")) is a
    await readings.of(key("d"), short("d"))
    assert await readings.of(key("a"), short("a")) is a
    assert await readings.of(key("b"), short("b")) is not b


async def test_one_that_is_too_long_for_the_room_is_kept_alone() -> None:
    readings = Readings(Counting(), max_turns=10)
    small = await readings.of(key("small"), short("x"))
    long = await readings.of(key("long"), talk())
    assert await readings.of(key("long"), talk()) is long
    assert await readings.of(key("small"), short("x")) is not small


async def test_work_is_done_away_from_the_event_loop_one_piece_at_a_time() -> None:
    readings = Readings(Counting())
    at_work, most = 0, 0

    def work() -> int:
        nonlocal at_work, most
        at_work += 1
        most = max(most, at_work)
        at_work -= 1
        return threading.get_ident()

    threads = await asyncio.gather(*(readings.work(work) for _ in range(20)))
    assert (most, threading.get_ident() in threads) == (1, False)
