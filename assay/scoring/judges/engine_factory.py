"""Builds the engines of a run's judges, one per judge, juror and judge epoch; they share limits and a budget."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, replace
from typing import NamedTuple

from assay.inference.budgets.protocol import Budget
from assay.inference.caches.protocol import AnswerCache, NoCache
from assay.inference.caches.repeats import RepeatCache
from assay.inference.call_rows import CallRows
from assay.inference.calls import CallJournal, CallMaker
from assay.inference.endpoint.circuit import Circuits
from assay.inference.endpoint.client import ModelClient
from assay.inference.engine import JUDGING, Engine
from assay.inference.limits.build import build_limiter
from assay.inference.limits.protocol import Limiter
from assay.inference.routing.rules import RuleRouter
from assay.project import StageContext
from assay.runs.observation import RunObserver
from assay.runs.requests.answer_buffer import AnswerBuffer
from assay.runs.requests.budget import open_budget
from assay.runs.requests.cache import CacheSinks, open_judge_cache
from assay.runs.requests.engine_factory import connect_to
from assay.runs.run import Run
from assay.scoring.judges.judges import RunJudge
from assay.scoring.judges.prompts import JudgePrompt, JudgePrompts, judge_prompt
from assay.tasks.judge_spec import JudgeSpec, JurorSpec
from assay.tasks.rubric import vote_model
from assay.tasks.spec import RouteSpec

LOG = logging.getLogger(__name__)


class EngineKey(NamedTuple):
    """Identifies the vote that an engine returns."""

    judge: str
    juror: str
    judge_epoch: int


Engines = Mapping[EngineKey, Engine]


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeComponents:
    """The run to be judged, and the components that are already open."""

    context: StageContext
    run: Run
    rows: CallRows
    journal: CallJournal
    observed: RunObserver


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeEngineFactory:
    """Builds engines from the components that all judges of a run share; the caller closes the budget and the cache."""

    context: StageContext
    run: Run
    rows: CallRows
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget
    cache: AnswerCache
    observed: RunObserver
    journal: CallJournal | None = None

    def engines(self, judges: Iterable[RunJudge]) -> Engines:
        """Returns an engine for each vote of a verdict."""
        engines: dict[EngineKey, Engine] = {}
        for judge in judges:
            spec, model = judge.spec, vote_model(judge.rubric)
            prompt = judge_prompt(spec.name, judge.rubric, model=model, parameters=spec.parameters)
            for juror in spec.routes:
                engine = self.engine(prompt, juror)
                for judge_epoch in range(spec.epochs):
                    key = EngineKey(spec.name, juror.name, judge_epoch)
                    engines[key] = replace(engine, cache=self._cache_of(spec, judge_epoch))
        return engines

    def engine(self, prompt: JudgePrompt, juror: JurorSpec, *, cache: AnswerCache | None = None) -> Engine:
        """Returns an engine that calls one juror; its calls land with the purpose `judge`."""
        calls = CallMaker(
            rows=self.rows,
            prompts=JudgePrompts(
                prompt,
                hash_key=self.context.settings.hash_key,
                dialect_of=lambda route: self.context.providers[route.provider].dialect,
            ),
            clients=self.clients,
            limiter=self.limiter,
            budget=self.budget,
            journal=self.journal,
        )
        return Engine(
            calls=calls,
            router=RuleRouter((RouteSpec.model_validate(juror.model_dump()),), checks={}),
            output_model=prompt.model,
            cache=cache or NoCache(),
            tracing=self.observed.requests,
            events=self.observed.events,
            circuits=Circuits(events=self.observed.events),
            purposes=JUDGING,
            deadline_s=self.run.task.spec.deadline_s,
        )

    async def close(self) -> None:
        """Closes the connections and releases this worker's share of the rate limits."""
        for client in self.clients.values():
            await client.close()
        await self.limiter.close()

    def _cache_of(self, spec: JudgeSpec, judge_epoch: int) -> AnswerCache:
        return self.cache if isinstance(self.cache, NoCache) else RepeatCache(self.cache, judge_epoch, spec.epochs)


async def open_judge_components(
    closing: AsyncExitStack, buffer: AnswerBuffer, judges: Iterable[JudgeSpec], components: JudgeComponents
) -> JudgeEngineFactory:
    """Opens the components that judges share; `closing` closes them, then flushes the rows added on close."""
    context, run = components.context, components.run
    closing.push_async_callback(buffer.flush)
    cache = open_judge_cache(context.settings, run, CacheSinks(land=buffer.note, warn=LOG.warning))
    closing.push_async_callback(cache.close)
    budget = await open_budget(context, run)
    closing.push_async_callback(budget.close)
    factory = JudgeEngineFactory(
        context=context,
        run=run,
        rows=components.rows,
        clients=clients_of(context, judges),
        limiter=limiter_of(context, run),
        budget=budget,
        cache=cache,
        observed=components.observed,
        journal=components.journal,
    )
    closing.push_async_callback(factory.close)
    return factory


def clients_of(context: StageContext, judges: Iterable[JudgeSpec]) -> dict[str, ModelClient]:
    """Returns a client for each provider of the judges."""
    return connect_to(context, _providers(judges))


def in_flight_of(context: StageContext, judges: Iterable[JudgeSpec]) -> int:
    """Returns the total number of concurrent calls that the judges' providers allow."""
    return sum(context.providers[name].concurrency for name in _providers(judges))


def _providers(judges: Iterable[JudgeSpec]) -> set[str]:
    return {juror.provider for judge in judges for juror in judge.routes}


def limiter_of(context: StageContext, run: Run) -> Limiter:
    """Returns the rate limiter of the providers, shared with all processes that call them."""
    return build_limiter(context.providers, redis_url=context.settings.redis_url, run_id=run.run_id)
