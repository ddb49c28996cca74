"""Comparison of two predictions of one request by a judge, in both orders.

A preference that depends on the order counts as a tie, because judges favor a position: Zheng et al., "Judging
LLM-as-a-Judge with MT-Bench and Chatbot Arena", NeurIPS 2023, section 3.3.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import orjson
from pydantic import ConfigDict, Field

from assay.inference.engine import Engine, RunAborted
from assay.inference.keys import judge_key
from assay.inference.request import Request, RequestResult
from assay.records import Prediction
from assay.records.statuses import ANSWERED, ScoreStatus
from assay.scoring.judges.engine_factory import JudgeEngineFactory
from assay.scoring.judges.prompts import JudgedMaterial, JudgePrompt, context, output_parts, render_rubric
from assay.scoring.judges.verdicts import SCORED, status_without_verdict
from assay.tasks.digest import digest
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import MATERIAL, PAIR_PROMPT, JudgeVote, Rubric, judge_content, shipped_text

Side = Literal["a", "b", "tie"]
Shown = Literal["first", "second", "tie"]
Keep = Callable[[RequestResult], Awaitable[object]]


# The title and description are part of the response schema that is sent to the model; do not change them.
class PairVote(JudgeVote):
    """The reasons, then which answer is better as they were shown."""

    model_config = ConfigDict(title="PairOpinion")

    better: Shown = Field(description="Which of the two is better by the criterion.")


@dataclass(frozen=True, slots=True, kw_only=True)
class PredictionPair:
    """Two outputs for the same request; `judged` is the material of the record, whose own output is not used."""

    judged: JudgedMaterial
    a: Mapping[str, Any]
    b: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Preference:
    """The better output; a tie if the judge rates both as equal or its preference changes with the order.

    `is_consistent` is False if the two orders prefer different outputs, None if one of them has no verdict.
    """

    status: ScoreStatus
    better: Side | None = None
    is_consistent: bool | None = None
    explanation: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairPlace:
    """The record whose predictions are compared, with the columns of its request."""

    record_id: str
    position: int
    epoch: int
    request_key: str
    input_hash: str
    tenant_id: str
    subject_key: str | None


@dataclass(frozen=True, slots=True, kw_only=True)
class PairJudge:
    """Compares pairs with one juror of a judge."""

    spec: JudgeSpec
    juror: JurorSpec
    version: str
    engine: Engine

    @classmethod
    def of(cls, factory: JudgeEngineFactory, spec: JudgeSpec, rubric: Rubric, *, juror: JurorSpec) -> PairJudge:
        """Returns the juror with an engine from the factory; it uses the exact cache if the task has one."""
        prompt = pair_prompt(spec, rubric)
        return cls(
            spec=spec,
            juror=juror,
            version=pair_version(spec, rubric),
            engine=factory.engine(prompt, juror, cache=factory.cache),
        )

    async def prefer(self, place: PairPlace, pair: PredictionPair, *, keep: Keep) -> Preference:
        """Sends both orders concurrently and returns the preference; a tie if they disagree.

        `keep` receives the rows of each order's calls, also if the other order fails.

        Raises:
            NothingToJudge: the judge needs a reference and the record has none.
            AssayError: the run cannot continue; see `Engine.answer`.
        """
        requests = [self._request(place, pair, swapped=swapped) for swapped in (False, True)]
        straight, swapped = await asyncio.gather(
            *(self._answered(request, keep) for request in requests), return_exceptions=True
        )
        for ended in (straight, swapped):
            if isinstance(ended, BaseException):
                raise ended
        assert isinstance(straight, Prediction) and isinstance(swapped, Prediction)
        return preference_of(straight, swapped)

    async def _answered(self, request: Request, keep: Keep) -> Prediction:
        try:
            answered = await self.engine.answer(request)
        except RunAborted as stopped:
            await keep(RequestResult(None, tuple(stopped.work.responses), tuple(stopped.work.contents)))
            raise stopped.error from stopped
        await keep(RequestResult(None, answered.responses, answered.contents))
        if answered.prediction is None:
            raise asyncio.CancelledError
        return answered.prediction

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


def pair_prompt(judge: JudgeSpec, rubric: Rubric) -> JudgePrompt:
    """The prompt that compares two outputs according to the rubric."""
    return JudgePrompt(
        system=render_rubric(rubric, shipped_text(PAIR_PROMPT)),
        model=PairVote,
        name=f"{judge.name}_pair",
        judged="the two answers",
        parameters=judge.parameters,
    )


def pair_version(judge: JudgeSpec, rubric: Rubric) -> str:
    """Returns the scorer version of the judge's preferences; only preferences of the same version are comparable."""
    stated = {"prompt": shipped_text(PAIR_PROMPT), "material": shipped_text(MATERIAL)}
    return digest({**judge_content(judge, rubric), **stated, "pair": True})


def pair_material(judge: JudgeSpec, pair: PredictionPair, *, swapped: bool) -> dict[str, str]:
    """Returns the texts shown to the judge, by name: `a` first, or `b` first if `swapped`.

    Raises:
        NothingToJudge: the judge needs a reference and the record has none.
    """
    first, second = (pair.b, pair.a) if swapped else (pair.a, pair.b)
    return {
        **context(judge.sees, pair.judged),
        **dict(output_parts(judge.sees, first, name="first answer")),
        **dict(output_parts(judge.sees, second, name="second answer")),
    }


def preference_of(straight: Prediction, swapped: Prediction) -> Preference:
    """Returns the preference that follows from the replies in the two orders."""
    for reply in (straight, swapped):
        if reply.status not in ANSWERED or reply.output is None:
            status, reason = status_without_verdict(reply)
            return Preference(status=status, explanation=reason)
    one, other = orjson.loads(straight.output or ""), orjson.loads(swapped.output or "")
    sides: tuple[Side, Side] = _side(one["better"], swapped=False), _side(other["better"], swapped=True)
    explanation = f"a first: {one['explanation']} | b first: {other['explanation']}"
    return Preference(
        status=SCORED,
        better=sides[0] if sides[0] == sides[1] else "tie",
        is_consistent=set(sides) != {"a", "b"},
        explanation=explanation,
    )


def preferred_of_several(preferences: Sequence[Preference]) -> Preference:
    """Returns the side that more jurors prefer, else a tie; if any preference is unscored, the first unscored one."""
    for preference in preferences:
        if preference.status != SCORED:
            return preference
    votes = [preference.better for preference in preferences]
    lead = votes.count("a") - votes.count("b")
    known = [preference.is_consistent for preference in preferences if preference.is_consistent is not None]
    return Preference(
        status=SCORED,
        better="a" if lead > 0 else "b" if lead < 0 else "tie",
        is_consistent=all(known) if known else None,
        explanation=" || ".join(preference.explanation or "" for preference in preferences),
    )


def inconsistent_share(preferences: Iterable[Preference]) -> float | None:
    """Returns the share of preferences that changed with the order, a measure of position bias; None if empty."""
    known = [preference.is_consistent for preference in preferences if preference.is_consistent is not None]
    return known.count(False) / len(known) if known else None


def _side(better: Shown, *, swapped: bool) -> Side:
    if better == "tie":
        return "tie"
    return "b" if (better == "first") is swapped else "a"
