"""The pool of connections under cancellation."""

import asyncio

from models.store import Database


async def test_p16_a_cancellation_is_never_lost(url: str) -> None:
    database = Database(url, max_size=4)

    async def ask_on() -> None:
        while True:
            await database.run(lambda connection: connection.execute("SELECT 1"))

    for _ in range(20):
        tasks = [asyncio.create_task(ask_on()) for _ in range(12)]
        await asyncio.sleep(0.03)
        for task in tasks:
            task.cancel()
        _, going_on = await asyncio.wait(tasks, timeout=5)
        assert going_on == set()
    await database.close()
