"""An encoder for an event loop: off the loop, in turns, within bounds."""

import asyncio
import threading
from collections.abc import AsyncIterator, Sequence

import msgspec
import pytest

from models.conversations.embedding import Embed
from models.encoding import Encoder, EncoderService, Vectors, WordHashEncoder
from models.errors import Internal, Overloaded

LONG = "word " * 200
"""A turn each."""


class Gated(WordHashEncoder):
    """Encodes when it is let, and remembers what."""

    def __init__(self) -> None:
        self.loop = asyncio.get_running_loop()
        self.entered = asyncio.Event()
        self.gate = threading.Event()
        self.turns: list[list[str]] = []
        self.threads: set[str] = set()

    def encode(self, texts: Sequence[str]) -> Vectors:
        self.threads.add(threading.current_thread().name)
        self.turns.append(list(texts))
        self.loop.call_soon_threadsafe(self.entered.set)
        self.gate.wait()
        if "bad" in texts:
            raise ValueError("bad")
        return super().encode(texts)


@pytest.fixture
async def gated() -> AsyncIterator[Gated]:
    encoder = Gated()
    yield encoder
    encoder.gate.set()


@pytest.fixture
async def service(gated: Gated) -> AsyncIterator[EncoderService]:
    service = EncoderService(lambda: gated, max_queued=10)
    yield service
    service.close()


async def test_it_gives_what_the_embedding_of_messages_wants(encoder: Encoder) -> None:
    service = EncoderService(lambda: encoder)
    embed: Embed = service.embed
    rows = await embed(["one", "", LONG])
    service.close()
    assert [len(row) for row in rows] == [service.dimensions] * 3
    assert msgspec.json.decode(msgspec.json.encode(rows)) == rows
    assert service.name == encoder.name
    assert await embed([]) == []


async def test_the_loop_goes_on_while_the_encoder_works(encoder: Encoder) -> None:
    service = EncoderService(lambda: encoder)
    work = asyncio.create_task(service.embed([LONG] * 4))
    turns = 0
    while not work.done():
        await asyncio.sleep(0)
        turns += 1
    service.close()
    assert turns > 100


async def test_it_is_loaded_once_when_needed_and_in_its_thread(gated: Gated) -> None:
    loads: list[str] = []

    def load() -> Encoder:
        loads.append(threading.current_thread().name)
        return gated

    service = EncoderService(load)
    gated.gate.set()
    assert loads == []
    await service.warm()
    await asyncio.gather(service.embed(["a"]), service.embed(["b"]))
    service.close()
    assert len(loads) == 1
    assert gated.threads == set(loads)
    assert threading.current_thread().name not in loads


async def test_more_than_may_wait_is_refused_until_there_is_room(
    service: EncoderService, gated: Gated
) -> None:
    first = asyncio.create_task(service.embed(["a"] * 10))
    await gated.entered.wait()
    assert service.queued == 10
    assert service.lag_s > 0
    with pytest.raises(Overloaded):
        await service.embed(["b"])
    gated.gate.set()
    await first
    assert len(await service.embed(["b"] * 10)) == 10
    assert service.queued == 0
    assert service.lag_s == 0


async def test_a_question_takes_its_turn_amid_an_archive(service: EncoderService, gated: Gated) -> None:
    archive = asyncio.create_task(service.embed([LONG] * 4))
    await gated.entered.wait()
    question = asyncio.create_task(service.embed(["short", "and sweet"]))
    await asyncio.sleep(0)
    gated.gate.set()
    vectors = await question
    await archive
    assert gated.turns == [[LONG], ["short", "and sweet"], [LONG], [LONG], [LONG]]
    assert vectors == WordHashEncoder().encode(["short", "and sweet"]).tolist()


async def test_what_nobody_waits_for_any_more_is_not_encoded(service: EncoderService, gated: Gated) -> None:
    archive = asyncio.create_task(service.embed([LONG] * 4))
    unborn = asyncio.create_task(service.embed(["never"]))
    await gated.entered.wait()
    archive.cancel()
    unborn.cancel()
    await asyncio.wait([archive, unborn])
    assert service.queued == 0
    gated.gate.set()
    await service.embed(["next"])
    assert gated.turns == [[LONG], ["next"]]


async def test_a_call_that_fails_fails_alone(service: EncoderService, gated: Gated) -> None:
    gated.gate.set()
    bad, good = await asyncio.gather(service.embed(["bad"]), service.embed(["good"]), return_exceptions=True)
    assert isinstance(bad, Internal)
    assert good == WordHashEncoder().encode(["good"]).tolist()


@pytest.mark.parametrize("error", [Internal("not the pinned ones"), ImportError("no such module")])
async def test_what_cannot_be_loaded_is_tried_again(error: Exception) -> None:
    errors = [error]

    def load() -> Encoder:
        if errors:
            raise errors.pop()
        return WordHashEncoder()

    service = EncoderService(load)
    with pytest.raises(Internal):
        await service.warm()
    await service.warm()
    service.close()


async def test_who_waits_when_it_ends_is_told(service: EncoderService, gated: Gated) -> None:
    waiting = [asyncio.create_task(service.embed([LONG])) for _ in range(2)]
    await gated.entered.wait()
    service.close()
    told = await asyncio.gather(*waiting, return_exceptions=True)
    assert [type(one) for one in told] == [Overloaded, Overloaded]
    with pytest.raises(Overloaded):
        await service.embed(["late"])
