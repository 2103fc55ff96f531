"""A call's time limits."""

import asyncio

from models.chat import ChatRequest
from models.providers.call import Alarm, Clock, ProviderCall


def _clock(**limits: float) -> Clock:
    request = ChatRequest(model="m", messages=())
    call = ProviderCall(request=request, host="h", model="m", max_output_tokens=1, request_id="r", **limits)
    return Clock(call, provider="h")


async def test_the_first_wait_is_for_the_first_byte_and_the_others_are_idle() -> None:
    now = asyncio.get_running_loop().time()
    clock = _clock(first_byte_timeout_s=30.0, idle_timeout_s=5.0, total_timeout_s=100.0)
    clock.waits()
    assert 29.0 < clock.deadline() - now < 31.0
    assert "first-byte" in clock.late().message
    clock.arrived()
    assert 99.0 < clock.deadline() - now < 101.0
    clock.waits()
    assert 4.0 < clock.deadline() - now < 6.0
    assert "idle" in clock.late().message


async def test_the_total_limit_is_above_all() -> None:
    clock = _clock(first_byte_timeout_s=30.0, total_timeout_s=2.0)
    assert "total" in clock.late().message


async def test_an_alarm_rings_when_the_wait_that_runs_is_over_and_not_while_the_reader_is_slow() -> None:
    clock, rang = _clock(first_byte_timeout_s=60.0, idle_timeout_s=0.05), asyncio.Event()
    alarm = Alarm(clock, check_every_s=0.05, ring=rang.set)
    clock.arrived()
    await asyncio.sleep(0.15)
    assert not rang.is_set()
    clock.waits()
    async with asyncio.timeout(1.0):
        await rang.wait()
    alarm.cancel()


async def test_an_alarm_that_is_cancelled_is_silent() -> None:
    clock, rang = _clock(total_timeout_s=0.01), asyncio.Event()
    Alarm(clock, check_every_s=1.0, ring=rang.set).cancel()
    await asyncio.sleep(0.05)
    assert not rang.is_set()
