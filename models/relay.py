"""An answer that others go on with as often as it breaks off."""

from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import aclosing

from models.call import Call
from models.chat import Chunk
from models.continuation import said_so_far
from models.errors import PolyvoxError
from models.providers.assembly import Assembly
from models.reply import Reply

GoOn = Callable[[Call, str, PolyvoxError], Awaitable[Call]]
"""Takes a call that broke off, what had been said until then, and why. Raises where nobody can go on."""


async def relayed(reply: Reply, call: Call, go_on: GoOn) -> AsyncGenerator[list[Chunk], None]:
    """Raises what the answer broke off with, if nobody can go on."""
    heard = Assembly()
    while True:
        try:
            async with aclosing(call.chunks(reply)) as chunks:
                async for batch in chunks:
                    heard.add(batch)
                    yield batch
            return
        except PolyvoxError as error:
            said = said_so_far(heard.parts)
            if said is None or call.attempt.usage is not None:
                raise  # it is whole: what failed was to write it down
            try:
                call = await go_on(call, said, error)
            except PolyvoxError:
                raise error from None
