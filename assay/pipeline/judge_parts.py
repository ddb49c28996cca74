"""Puts the engines of a run's judges together: one for each judge, juror and repeat, over the same limits and money.

Only wiring belongs here: which class plays which part.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from assay.evals.judge_prompts import Asking, JudgePrompts, asking
from assay.inference.budgets.protocol import Budget
from assay.inference.caches.protocol import AnswerCache, NoCache
from assay.inference.caches.repeats import RepeatCache
from assay.inference.call_rows import CallRows
from assay.inference.calls import CallJournal, CallMaker
from assay.inference.circuit import Circuits
from assay.inference.client import ModelClient
from assay.inference.engine import JUDGING, Engine
from assay.inference.limits.build import build_limiter
from assay.inference.limits.protocol import Limiter
from assay.inference.routing.rules import RuleRouter
from assay.pipeline.judges import RunJudge
from assay.pipeline.observing import Observed
from assay.pipeline.parts import connect_to
from assay.pipeline.project import Project
from assay.pipeline.run import Run
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import opinion_model
from assay.tasks.spec import RouteSpec

Engines = Mapping[tuple[str, str, int], Engine]
"""By judge, juror and judge epoch."""


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeParts:
    """What all judges of a run share; whoever opened the budget and the cache closes them."""

    project: Project
    run: Run
    rows: CallRows
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget
    cache: AnswerCache
    observed: Observed
    journal: CallJournal | None = None

    def engines(self, judges: Iterable[RunJudge]) -> Engines:
        """An engine for each opinion that a verdict is made of."""
        found: dict[tuple[str, str, int], Engine] = {}
        for judge in judges:
            spec, model = judge.spec, opinion_model(judge.rubric)
            asked = asking(spec.name, judge.rubric, model=model, parameters=spec.parameters)
            for juror in spec.routes:
                engine = self.engine(asked, juror)
                for repeat in range(spec.epochs):
                    found[spec.name, juror.name, repeat] = replace(engine, cache=self._cache_of(spec, repeat))
        return found

    def engine(self, asked: Asking, juror: JurorSpec, *, cache: AnswerCache | None = None) -> Engine:
        """What asks one juror; its calls land with the purpose `judge`."""
        calls = CallMaker(
            rows=self.rows,
            prompts=JudgePrompts(asked, hash_key=self.project.settings.hash_key),
            clients=self.clients,
            limiter=self.limiter,
            budget=self.budget,
            journal=self.journal,
        )
        return Engine(
            calls=calls,
            router=RuleRouter((RouteSpec.model_validate(juror.model_dump()),), checks={}),
            output_model=asked.model,
            cache=cache or NoCache(),
            tracing=self.observed.requests,
            events=self.observed.events,
            circuits=Circuits(events=self.observed.events),
            purposes=JUDGING,
            deadline_s=self.run.task.spec.deadline_s,
        )

    async def close(self) -> None:
        """Connections are released, shares of limits given back."""
        for client in self.clients.values():
            await client.close()
        await self.limiter.close()

    def _cache_of(self, spec: JudgeSpec, repeat: int) -> AnswerCache:
        return self.cache if isinstance(self.cache, NoCache) else RepeatCache(self.cache, repeat, spec.epochs)


def clients_of(project: Project, judges: Iterable[JudgeSpec]) -> dict[str, ModelClient]:
    """A transport for each provider that the judges name."""
    return connect_to(project, {juror.provider for judge in judges for juror in judge.routes})


def limiter_of(project: Project, run: Run) -> Limiter:
    """The limits of the providers, shared with whoever else asks them."""
    return build_limiter(project.providers, redis_url=project.settings.redis_url, run_id=run.run_id)
