"""So many at a time, no fault passed over, and an end when there is a reason for one."""

from __future__ import annotations

import asyncio

import pytest

from assay.pipeline.in_flight import InFlight


def test_no_more_than_so_many_are_under_way() -> None:
    most = 0

    async def scenario() -> None:
        nonlocal most
        now = 0

        async def work() -> None:
            nonlocal now, most
            now += 1
            most = max(most, now)
            await asyncio.sleep(0)
            now -= 1

        in_flight = InFlight(3, stops=lambda: False)
        for _ in range(20):
            in_flight.start(work())
            await in_flight.place()
        await in_flight.all_ended(grace_s=1)

    asyncio.run(scenario())
    assert most == 3


def test_a_fault_in_the_work_is_raised_where_one_waits() -> None:
    async def fails() -> None:
        raise KeyError("a fault of ours")

    async def scenario() -> None:
        in_flight = InFlight(1, stops=lambda: False)
        in_flight.start(fails())
        await in_flight.place()

    with pytest.raises(KeyError, match="a fault of ours"):
        asyncio.run(scenario())


def test_a_reason_to_stop_ends_the_waiting_for_a_place() -> None:
    async def scenario() -> None:
        stop = asyncio.Event()
        stopper = asyncio.create_task(stop.wait())
        in_flight = InFlight(1, stops=stopper.done)
        in_flight.watch(stopper)
        in_flight.start(asyncio.sleep(3600))
        asyncio.get_running_loop().call_later(0.01, stop.set)
        await asyncio.wait_for(in_flight.place(), timeout=10)
        await asyncio.wait_for(in_flight.all_ended(grace_s=0.01), timeout=10)
        await in_flight.cancel()

    asyncio.run(scenario())


def test_work_under_way_has_its_grace() -> None:
    ended = []

    async def scenario() -> None:
        async def work() -> None:
            await asyncio.sleep(0.05)
            ended.append(True)

        in_flight = InFlight(5, stops=lambda: True)
        in_flight.start(work())
        await in_flight.all_ended(grace_s=10)
        await in_flight.cancel()

    asyncio.run(scenario())
    assert ended == [True]
