"""A task that takes a cancellation for something else ends all the same."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from assay.inference.cancelling import cancel_and_wait


def test_a_task_that_loses_a_cancellation_is_cancelled_again() -> None:
    lost = 0

    async def stubborn() -> None:
        nonlocal lost
        while True:
            with suppress(*([asyncio.CancelledError] if not lost else [])):
                await asyncio.Event().wait()
            lost += 1

    async def scenario() -> bool:
        task = asyncio.create_task(stubborn())
        await asyncio.sleep(0)
        await asyncio.wait_for(cancel_and_wait(task, None), timeout=5)
        return task.cancelled()

    assert asyncio.run(scenario())
    assert lost == 1


def test_what_a_task_raised_is_not_raised_again() -> None:
    async def failing() -> None:
        raise ValueError("no")

    async def scenario() -> None:
        task = asyncio.create_task(failing())
        await asyncio.sleep(0)
        await cancel_and_wait(task)

    asyncio.run(scenario())
