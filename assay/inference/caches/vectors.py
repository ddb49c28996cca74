"""In-process nearest-neighbor search over vectors, based on usearch (docs/adr/0005)."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from assay.inference.caches.embeddings import Vector

NEIGHBORS = 64
EXPANSION = 64


class VectorIndex:
    """Vectors with `width` dimensions; `number` is the caller's id of a vector."""

    def __init__(self, width: int) -> None:
        from usearch.index import Index

        self.width = width
        self._index = Index(ndim=width, metric="cos", dtype="f32", expansion_add=EXPANSION, expansion_search=EXPANSION)

    def add(self, number: int, vector: Vector) -> None:
        """Adds the vector."""
        self._index.add(number, vector, threads=1)

    def remove(self, number: int) -> None:
        """Removes the vector."""
        self._index.remove(number)

    def nearest(self, vector: Vector) -> Iterator[tuple[int, float]]:
        """Yields the numbers of the nearest vectors and their cosine similarities, nearest first, at most `NEIGHBORS`.

        The search is approximate: it occasionally misses a near vector, but similarities have float32 precision.
        """
        if not len(self._index):
            return
        found = self._index.search(vector, NEIGHBORS, threads=1)
        for number, distance in zip(found.keys, found.distances, strict=True):
            yield int(number), min(1.0, 1.0 - float(distance))
