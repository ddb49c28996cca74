"""The plainest loops there are, each in a process of its own: `AsyncOpenAI.create`, and aiohttp with orjson.

    python -m tests.benchmarks.engine.baselines '{"kind": "aiohttp", "base_url": ..., "rows": ..., ...}'

Worker tasks pull from one iterator. CPU is that of the loop alone, after imports and a warm-up.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
import urllib.request
from collections.abc import Awaitable, Callable, Coroutine, Iterable
from typing import Any

from tests.benchmarks.engine import workload

Ask = Callable[[dict[str, Any]], Awaitable[object]]


def main(argument: str) -> None:
    """One measurement; its figures are printed as JSON."""
    order = json.loads(argument)
    kinds = {"openai": through_openai, "aiohttp": through_aiohttp, "aiohttp-uvloop": through_aiohttp}
    run = kinds[order["kind"]](order)
    if order["kind"].endswith("uvloop"):
        import uvloop

        figures = uvloop.run(run)
    else:
        figures = asyncio.run(run)
    sys.stdout.write(json.dumps(figures))


async def through_openai(order: dict[str, Any]) -> dict[str, float]:
    """A loop over the package's own `create`."""
    from openai import AsyncOpenAI

    async with AsyncOpenAI(base_url=order["base_url"], api_key="none") as client:

        async def ask(body: dict[str, Any]) -> object:
            answer = await client.chat.completions.create(**body)
            return answer.choices[0].message.content

        return await measured(ask, order)


async def through_aiohttp(order: dict[str, Any]) -> dict[str, float]:
    """A loop over aiohttp's `post` and orjson."""
    import aiohttp
    import orjson

    url = f"{order['base_url']}/chat/completions"
    headers = {"authorization": "Bearer none", "content-type": "application/json"}
    connector = aiohttp.TCPConnector(limit=0)
    async with aiohttp.ClientSession(connector=connector, headers=headers) as session:

        async def ask(body: dict[str, Any]) -> object:
            async with session.post(url, data=orjson.dumps(body)) as answer:
                content = orjson.loads(await answer.read())
            return content["choices"][0]["message"]["content"]

        return await measured(ask, order)


async def measured(ask: Ask, order: dict[str, Any]) -> dict[str, float]:
    """CPU and wall seconds of the rows, after the warm-up and with the endpoint's counters at zero."""
    frame, in_flight = order["frame"], order["in_flight"]
    warm_up = (workload.body(number, frame, prefix="w") for number in range(order["warm_up"]))
    await asyncio.gather(*workers(ask, warm_up, in_flight))
    if order["warm_up"]:
        reset(order["base_url"])
    bodies = (workload.body(number, frame) for number in range(order["rows"]))
    began, cpu = time.perf_counter(), cpu_s()
    await asyncio.gather(*workers(ask, bodies, in_flight))
    return {"wall_s": time.perf_counter() - began, "cpu_s": cpu_s() - cpu}


def workers(ask: Ask, bodies: Iterable[dict[str, Any]], count: int) -> list[Coroutine[Any, Any, None]]:
    """So many tasks that pull from one iterator until it is empty."""
    source = iter(bodies)

    async def work() -> None:
        for body in source:
            await ask(body)

    return [work() for _ in range(count)]


def reset(base_url: str) -> None:
    """The endpoint's counters are zero."""
    request = urllib.request.Request(f"{base_url.removesuffix('/v1')}/_reset", data=b"{}")
    urllib.request.urlopen(request, timeout=60).close()


def cpu_s() -> float:
    """CPU seconds of this process so far, user and system."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


if __name__ == "__main__":
    main(sys.argv[1])
