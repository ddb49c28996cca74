"""Asks a judge which of two answers is better, in both orders; for the comparison of two variants.

The calls go through the engine of the judges. Which pairs there are, and landing the rows, is the caller's matter.
"""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import orjson

from assay.evals.pairwise import (
    Pair,
    Preference,
    pair_asking,
    pair_material,
    pair_version,
    preference_of,
)
from assay.inference.engine import Engine
from assay.inference.keys import judge_key
from assay.inference.request import Answered, Request
from assay.pipeline.judge_parts import JudgeParts
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import Rubric


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlace:
    """The record whose answers are compared."""

    record_id: str
    position: int
    epoch: int
    request_key: str
    input_hash: str
    tenant_id: str
    subject_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Preferred:
    """A preference, and the rows of the calls that it took."""

    preference: Preference
    calls: Answered


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudge:
    """One juror of a judge that compares."""

    spec: JudgeSpec
    juror: JurorSpec
    version: str
    engine: Engine

    @classmethod
    def of(cls, parts: JudgeParts, spec: JudgeSpec, rubric: Rubric, *, juror: JurorSpec) -> PairJudge:
        """The juror over the parts that judges share; an exact cache, where there is one, is used."""
        asked = pair_asking(spec, rubric)
        return cls(
            spec=spec,
            juror=juror,
            version=pair_version(spec, rubric),
            engine=parts.engine(asked, juror, cache=parts.cache),
        )

    async def prefer(self, place: PairPlace, pair: Pair) -> Preferred:
        """Both orders are asked at once; a preference that turns round with the order is a tie.

        Raises:
            NothingToJudge: a reference is asked for and the record has none.
            RunCannotGoOn: see `Engine.answer`.
        """
        straight, swapped = await asyncio.gather(
            *(self.engine.answer(self._request(place, pair, swapped=swapped)) for swapped in (False, True))
        )
        assert straight.prediction is not None and swapped.prediction is not None  # neither was cancelled
        calls = Answered(None, (*straight.responses, *swapped.responses), (*straight.contents, *swapped.contents))
        return Preferred(preference=preference_of(straight.prediction, swapped.prediction), calls=calls)

    def _request(self, place: PairPlace, pair: Pair, *, swapped: bool) -> Request:
        parts = pair_material(self.spec, pair, swapped=swapped)
        return Request(
            record_id=place.record_id,
            position=place.position,
            epoch=place.epoch,
            key=judge_key(
                scorer_version=self.version,
                juror=self.juror.lane,
                judge_epoch=int(swapped),
                answer_key=place.request_key,
                output=orjson.dumps(parts).decode(),
            ),
            fields=parts,
            input_hash=place.input_hash,
            tenant_id=place.tenant_id,
            subject_key=place.subject_key,
        )
