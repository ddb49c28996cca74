"""Random draws that are the same on every machine and in every version of Python."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Sequence
from typing import TypeVar

import orjson

Item = TypeVar("Item")


class Draws:
    """A stream of draws that depends only on the parts of its key.

    Uses only `Random.random`, the one method whose sequence Python keeps for a seed across versions.
    """

    def __init__(self, *key: str | int) -> None:
        seed = hashlib.sha256(orjson.dumps(key)).digest()
        self._random = random.Random(int.from_bytes(seed, "big"))

    def share(self) -> float:
        """A number from 0 up to, but not including, 1."""
        return self._random.random()

    def happens(self, probability: float) -> bool:
        """True with this probability."""
        return self.share() < probability

    def index(self, count: int) -> int:
        """An index below `count`, which is at least 1."""
        return int(self.share() * count)

    def one_of(self, items: Sequence[Item]) -> Item:
        """One of the items, all equally likely."""
        return items[self.index(len(items))]
