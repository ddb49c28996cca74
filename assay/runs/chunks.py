"""Splits an iterable into chunks, by number or also by size."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

T = TypeVar("T")
APPEND_ROWS, APPEND_CHARACTERS = 4_000, 4_000_000
"""Most rows of one append, and the size after which no row is added: an append costs about as much as 1,000 rows."""


def chunks(items: Iterable[T], size: int) -> Iterator[list[T]]:
    """Lists of up to `size` items, in order."""
    iterator = iter(items)
    while chunk := list(islice(iterator, size)):
        yield chunk


def sized_chunks(
    items: Iterable[T],
    size_of: Callable[[T], int],
    *,
    most_items: int = APPEND_ROWS,
    most_size: int = APPEND_CHARACTERS,
) -> Iterator[list[T]]:
    """Lists of up to `most_items` items, in order; a list ends with the item that brings its size to `most_size`."""
    chunk: list[T] = []
    size = 0
    for item in items:
        chunk.append(item)
        size += size_of(item)
        if len(chunk) >= most_items or size >= most_size:
            yield chunk
            chunk, size = [], 0
    if chunk:
        yield chunk
