"""The index finds what is nearest, with the similarity that it has."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from assay.inference.caches.vectors import NEIGHBORS, VectorIndex

WIDTH = 64
Matrix = NDArray[np.float32]


def unit(rows: NDArray[np.float64]) -> Matrix:
    return (rows / np.linalg.norm(rows, axis=1, keepdims=True)).astype(np.float32)


def clustered(count: int, *, clusters: int, seed: int) -> tuple[Matrix, Matrix]:
    """Vectors around centres, as questions around topics, and as many new ones from the same topics."""
    rng = np.random.default_rng(seed)
    centres = rng.normal(size=(clusters, WIDTH))
    near = centres[rng.integers(0, clusters, 2 * count)] + 0.3 * rng.normal(size=(2 * count, WIDTH))
    return unit(near[:count]), unit(near[count:])


def index_of(vectors: Matrix) -> VectorIndex:
    made = VectorIndex(vectors.shape[1])
    for number, vector in enumerate(vectors):
        made.add(number, vector)
    return made


def test_similarities_are_those_of_numpy_and_come_nearest_first() -> None:
    rng = np.random.default_rng(1)
    vectors, [asked] = unit(rng.normal(size=(300, WIDTH))), unit(rng.normal(size=(1, WIDTH)))
    found = list(index_of(vectors).nearest(asked))
    assert len(found) == NEIGHBORS
    for number, similarity in found:
        assert similarity == pytest.approx(float(vectors[number] @ asked), abs=1e-5)
    assert [similarity for _, similarity in found] == sorted((s for _, s in found), reverse=True)


def test_the_nearest_of_clustered_vectors_is_found_at_least_99_times_in_100() -> None:
    vectors, asked = clustered(2000, clusters=40, seed=2)
    index, asked = index_of(vectors), asked[:500]
    nearest = np.argmax(asked @ vectors.T, axis=1)
    hits = sum(next(index.nearest(vector))[0] == best for vector, best in zip(asked, nearest, strict=True))
    assert hits / len(asked) >= 0.99


def test_of_64_neighbors_at_least_95_in_100_are_the_right_ones() -> None:
    vectors, asked = clustered(2000, clusters=40, seed=3)
    index, asked = index_of(vectors), asked[:200]
    right = np.argsort(-(asked @ vectors.T), axis=1)[:, :NEIGHBORS]
    shared = [
        len({number for number, _ in index.nearest(vector)} & set(best.tolist()))
        for vector, best in zip(asked, right, strict=True)
    ]
    assert np.mean(shared) / NEIGHBORS >= 0.95


def test_the_same_vector_has_a_similarity_of_one_and_no_more() -> None:
    vectors, _ = clustered(50, clusters=5, seed=4)
    index = index_of(vectors)
    for number, vector in enumerate(vectors):
        best, similarity = next(index.nearest(vector))
        assert best == number
        assert 1 - 1e-6 < similarity <= 1.0


def test_an_opposite_vector_has_a_similarity_of_minus_one() -> None:
    [vector], _ = clustered(1, clusters=1, seed=5)
    [(_, similarity)] = index_of(np.asarray([vector])).nearest(-vector)
    assert similarity == pytest.approx(-1.0, abs=1e-6)


def test_what_was_removed_is_not_found_and_the_others_are() -> None:
    vectors, _ = clustered(100, clusters=5, seed=6)
    index = index_of(vectors)
    for number in range(0, 100, 2):
        index.remove(number)
    assert {number for vector in vectors for number, _ in index.nearest(vector)} == set(range(1, 100, 2))


def test_an_index_that_is_empty_finds_nothing_also_after_it_was_emptied() -> None:
    [vector], _ = clustered(1, clusters=1, seed=7)
    index = VectorIndex(WIDTH)
    assert list(index.nearest(vector)) == []
    index.add(1, vector)
    index.remove(1)
    assert list(index.nearest(vector)) == []
    index.add(2, vector)
    assert [number for number, _ in index.nearest(vector)] == [2]
