"""Two answers to one question, compared by a judge in both orders: a preference that depends on the order is none.

What is asked and what the two replies come to belongs here; asking is `pipeline/judge_pairs.py`'s part. Judges favour a
position: Zheng et al., "Judging LLM-as-a-Judge with MT-Bench and Chatbot Arena", NeurIPS 2023, section 3.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import Field

from assay.inference.engine import Engine
from assay.inference.keys import judge_key
from assay.inference.request import Request, RequestResult
from assay.records import Prediction
from assay.records.statuses import ANSWERED, ScoreStatus
from assay.scoring.judges.engine_factory import JudgeEngineFactory
from assay.scoring.judges.prompts import JudgedMaterial, JudgePrompt, answer, context, rubric_words
from assay.scoring.judges.verdicts import SCORED, not_answered
from assay.tasks.digest import digest
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import MATERIAL, PAIR_PROMPT, Opinion, Rubric, judge_content, shipped_text

Side = Literal["a", "b", "tie"]
Shown = Literal["first", "second", "tie"]


class PairOpinion(Opinion):
    """The reasons, then which answer is better as they were shown."""

    better: Shown = Field(description="Which of the two is better by the criterion.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPair:
    """Two answers to the same request; the exhibit is that of the record, its output is not looked at."""

    exhibit: JudgedMaterial
    a: Mapping[str, Any]
    b: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """Which answer is better; a tie where the judge says so or changes its mind with the order.

    `is_consistent` is False where the two orders name different answers, None where one of them gave no verdict.
    """

    status: ScoreStatus
    better: Side | None = None
    is_consistent: bool | None = None
    explanation: str | None = None


def pair_prompt(judge: JudgeSpec, rubric: Rubric) -> JudgePrompt:
    """Two answers are compared by the rubric."""
    return JudgePrompt(
        system=rubric_words(rubric, shipped_text(PAIR_PROMPT)),
        model=PairOpinion,
        name=f"{judge.name}_pair",
        judged="the two answers",
        parameters=judge.parameters,
    )


def pair_version(judge: JudgeSpec, rubric: Rubric) -> str:
    """The scorer version of preferences: they compare only where this is the same."""
    stated = {"prompt": shipped_text(PAIR_PROMPT), "material": shipped_text(MATERIAL)}
    return digest({**judge_content(judge, rubric), **stated, "pair": True})


def pair_material(judge: JudgeSpec, pair: PredictionPair, *, swapped: bool) -> dict[str, str]:
    """What is shown: `a` first, or `b` first when swapped.

    Raises:
        NothingToJudge: a reference is asked for and the record has none.
    """
    first, second = (pair.b, pair.a) if swapped else (pair.a, pair.b)
    return {
        **context(judge.sees, pair.exhibit),
        **dict(answer(judge.sees, first, name="first answer")),
        **dict(answer(judge.sees, second, name="second answer")),
    }


def preference_of(straight: Prediction, swapped: Prediction) -> Preference:
    """What the replies to the two orders come to."""
    for reply in (straight, swapped):
        if reply.status not in ANSWERED or reply.output is None:
            status, reason = not_answered(reply)
            return Preference(status=status, explanation=reason)
    one, other = orjson.loads(straight.output or ""), orjson.loads(swapped.output or "")
    said: tuple[Side, Side] = _side(one["better"], swapped=False), _side(other["better"], swapped=True)
    explanation = f"a first: {one['explanation']} | b first: {other['explanation']}"
    return Preference(
        status=SCORED,
        better=said[0] if said[0] == said[1] else "tie",
        is_consistent=set(said) != {"a", "b"},
        explanation=explanation,
    )


def preferred_of_several(said: Sequence[Preference]) -> Preference:
    """What several jurors prefer together: the side that more of them name, else a tie; unscored where one gave no verdict."""
    for one in said:
        if one.status != SCORED:
            return one
    votes = [one.better for one in said]
    lead = votes.count("a") - votes.count("b")
    known = [one.is_consistent for one in said if one.is_consistent is not None]
    return Preference(
        status=SCORED,
        better="a" if lead > 0 else "b" if lead < 0 else "tie",
        is_consistent=all(known) if known else None,
        explanation=" || ".join(one.explanation or "" for one in said),
    )


def inconsistent_share(preferences: Iterable[Preference]) -> float | None:
    """The share of preferences that turned round with the order: how much the judge goes by position; None without any."""
    known = [one.is_consistent for one in preferences if one.is_consistent is not None]
    return known.count(False) / len(known) if known else None


def _side(better: Shown, *, swapped: bool) -> Side:
    if better == "tie":
        return "tie"
    return "b" if (better == "first") is swapped else "a"


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
    calls: RequestResult


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudge:
    """One juror of a judge that compares."""

    spec: JudgeSpec
    juror: JurorSpec
    version: str
    engine: Engine

    @classmethod
    def of(cls, parts: JudgeEngineFactory, spec: JudgeSpec, rubric: Rubric, *, juror: JurorSpec) -> PairJudge:
        """The juror over the parts that judges share; an exact cache, where there is one, is used."""
        asked = pair_prompt(spec, rubric)
        return cls(
            spec=spec,
            juror=juror,
            version=pair_version(spec, rubric),
            engine=parts.engine(asked, juror, cache=parts.cache),
        )

    async def prefer(self, place: PairPlace, pair: PredictionPair) -> Preferred:
        """Both orders are asked at once; a preference that turns round with the order is a tie.

        Raises:
            NothingToJudge: a reference is asked for and the record has none.
            RunCannotGoOn: see `Engine.answer`.
        """
        straight, swapped = await asyncio.gather(
            *(self.engine.answer(self._request(place, pair, swapped=swapped)) for swapped in (False, True))
        )
        assert straight.prediction is not None and swapped.prediction is not None  # neither was cancelled
        calls = RequestResult(None, (*straight.responses, *swapped.responses), (*straight.contents, *swapped.contents))
        return Preferred(preference=preference_of(straight.prediction, swapped.prediction), calls=calls)

    def _request(self, place: PairPlace, pair: PredictionPair, *, swapped: bool) -> Request:
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
