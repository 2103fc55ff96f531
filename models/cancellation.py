"""Two ways to be cancelled: to stop at once, or to come to an end and still say what there is to say."""

import asyncio

HANG_UP = "hang up"
"""Message of the second kind's CancelledError."""


def is_hang_up(error: asyncio.CancelledError) -> bool:
    """Whether it is of the second kind; then it is taken, and the task goes on."""
    task = asyncio.current_task()
    if HANG_UP not in error.args or task is None:
        return False
    task.uncancel()
    return True
