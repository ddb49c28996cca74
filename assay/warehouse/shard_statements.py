"""Statements about one shard of a run: the engine's own, narrowed to the records whose hash is of that part.

The hash is that of `assay.pipeline.shards`: the first 15 hex digits of SHA-256 of the conversation's key, else of the
record's id, modulo the number of shards. The other statements of the engine are in `statements.py`; tests hold these to the same.
"""

from __future__ import annotations

from assay.warehouse.statements import ANSWERED_IN_RUN, REUSABLE_ANSWERS, Statement

_SHARD = (("shard", "INT64"), ("shards", "INT64"))
_IN_SHARD = """
    run_id = @run_id
    and data_date = @data_date
    and mod(cast(concat('0x', substr(to_hex(sha256(coalesce(conversation_key, record_id))), 1, 15)) as int64), @shards) = @shard
"""
_ORDERED = "order by position, epoch"


def _narrowed(whole: Statement) -> Statement:
    """The statement's rows, of the shard's records alone."""
    answers = whole.sql.rstrip().removesuffix(_ORDERED)
    positions = "select position from records where" + _IN_SHARD
    sql = "with answers as (" + answers + ") select * from answers where position in (" + positions + ") " + _ORDERED
    return Statement(sql, (*whole.parameters, *_SHARD))


ANSWERED_IN_SHARD = _narrowed(ANSWERED_IN_RUN)
REUSABLE_IN_SHARD = _narrowed(REUSABLE_ANSWERS)

SHARD_COUNTS = Statement(
    "select (select count(distinct record_id) from records where"
    + _IN_SHARD
    + ") as records, (select count(distinct prediction_id) from predictions where run_id = @run_id"
    + " and data_date = @data_date and record_id in (select record_id from records where"
    + _IN_SHARD
    + ")) as predictions",
    (("run_id", "STRING"), ("data_date", "DATE"), *_SHARD),
)
