"""Parts of a run: every record in exactly one, the same one for every worker and for the warehouse."""

from __future__ import annotations

import pytest

from assay.errors import UsageError
from assay.runs.shards import WHOLE, Shard

IDS = [f"r{number:05}" for number in range(8000)]


@pytest.mark.parametrize("count", [1, 2, 7, 16])
def test_every_record_is_of_exactly_one_shard(count: int) -> None:
    shards = [Shard(index, count) for index in range(count)]
    assert {sum(shard.holds(key) for shard in shards) for key in IDS} == {1}


def test_shards_are_about_the_same_size() -> None:
    sizes = [sum(Shard(index, 8).holds(key) for key in IDS) for index in range(8)]
    assert sum(sizes) == len(IDS)
    assert all(abs(size - 1000) < 5 * 1000**0.5 for size in sizes)  # five standard deviations of a fair throw


def test_the_hash_is_the_one_that_sql_reckons() -> None:
    # select mod(cast(concat('0x', substr(to_hex(sha256('r00001')), 1, 15)) as int64), 7)
    assert [index for index in range(7) if Shard(index, 7).holds("r00001")] == [4]


def test_ids_that_no_text_encoding_takes_have_a_shard_too() -> None:
    assert sum(Shard(index, 3).holds("\ud800") for index in range(3)) == 1


def test_the_whole_run_is_one_shard() -> None:
    assert Shard(0, 1) == WHOLE
    assert all(WHOLE.holds(key) for key in IDS)


@pytest.mark.parametrize(("index", "count"), [(1, 1), (-1, 2), (2, 2), (0, 0)])
def test_there_is_no_shard_beyond_the_last(index: int, count: int) -> None:
    with pytest.raises(UsageError, match=rf"Shard index {index} is out of range"):
        Shard(index, count)
