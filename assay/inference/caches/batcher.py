"""Combines single items into batches, for a function that processes a batch at the cost of one item.

There is no timer: a batch is processed as soon as none is in progress; items that arrive meanwhile form the next batch.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Generic, TypeVar

Q = TypeVar("Q")
A = TypeVar("A")


class Batcher(Generic[Q, A]):
    """Calls `answer` with up to `most` items; `answer` returns one result per item, in the order of the items."""

    def __init__(self, answer: Callable[[Sequence[Q]], Awaitable[Sequence[A]]], *, most: int) -> None:
        self._answer = answer
        self._most = most
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._sending: asyncio.Task[None] | None = None

    async def submit(self, question: Q) -> A:
        """The result for one item; an exception raised by `answer` is raised for every item of the batch."""
        loop = asyncio.get_running_loop()
        future: asyncio.Future[A] = loop.create_future()
        self._waiting.append((question, future))
        if self._sending is None or self._sending.done():
            self._sending = loop.create_task(self._send())
        return await future

    async def _send(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting[: self._most], self._waiting[self._most :]
            if wanted := [(question, future) for question, future in batch if not future.done()]:
                await self._settle(wanted)

    async def _settle(self, batch: Sequence[tuple[Q, asyncio.Future[A]]]) -> None:
        try:
            answers = await self._answer([question for question, _ in batch])
            answered = list(zip(batch, answers, strict=True))
        except BaseException as error:
            for _, future in batch:
                _fail(future, error)
            if not isinstance(error, Exception):
                raise
            return
        for (_, future), answer in answered:
            if not future.done():  # the caller may have been cancelled
                future.set_result(answer)


def _fail(future: asyncio.Future[A], error: BaseException) -> None:
    if future.done():
        return
    if isinstance(error, Exception):
        future.set_exception(error)
    else:
        future.cancel()
