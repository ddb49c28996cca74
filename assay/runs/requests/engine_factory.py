"""Builds the engine of a run: transports, limiter, budget, router, rows."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from decimal import Decimal

from assay.inference.budgets.protocol import Budget
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.caches.protocol import AnswerCache, NoCache
from assay.inference.caches.provider_prompt import prompt_cache_key
from assay.inference.call_rows import CallRows
from assay.inference.calls import CallJournal, CallMaker
from assay.inference.endpoint.circuit import Circuits
from assay.inference.endpoint.client import ModelClient, ReferenceClient
from assay.inference.endpoint.transport import LeanClient
from assay.inference.engine import Engine
from assay.inference.limits.build import build_limiter
from assay.inference.limits.protocol import Limiter
from assay.inference.prompts import Mask, PromptRenderer
from assay.inference.providers import Provider
from assay.inference.routing.rules import rule_router
from assay.inference.telemetry.protocol import Events, NoEvents, RequestTracing
from assay.project import StageContext
from assay.runs.masked_records import RecordMasker
from assay.runs.observation import UNOBSERVED, RunObserver
from assay.runs.run import Run
from assay.settings.proxies import proxy_for
from assay.tasks.spec import RouteSpec
from assay.tasks.task import Task


@dataclass(frozen=True, slots=True)
class EngineComponents:
    """The parts of a run's engine; close them after the run."""

    run: Run
    rows: CallRows
    prompts: PromptRenderer
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget
    cache: AnswerCache = field(default_factory=NoCache)
    tracing: RequestTracing | None = None
    events: Events = field(default_factory=NoEvents)

    def engine(self, journal: CallJournal | None) -> Engine:
        """Builds the engine from these parts."""
        task = self.run.task
        calls = CallMaker(
            rows=self.rows,
            prompts=self.prompts,
            clients=self.clients,
            limiter=self.limiter,
            budget=self.budget,
            journal=journal,
        )
        return Engine(
            calls=calls,
            router=rule_router(task),
            output_model=task.output_model,
            fallback=task.spec.output.fallback,
            deadline_s=task.spec.deadline_s,
            cache=self.cache,
            tracing=self.tracing,
            events=self.events,
            circuits=Circuits(events=self.events),
        )

    def money(self) -> tuple[Decimal, Decimal | None]:
        """Returns the amount that the run has spent and its cap, in USD; the cap is None if there is none."""
        return self.budget.spent_usd, self.budget.cap_usd

    async def close(self) -> None:
        """Closes connections and releases this worker's share of the rate limits."""
        for client in self.clients.values():
            await client.close()
        await self.limiter.close()


def open_components(
    context: StageContext,
    run: Run,
    guard: RecordMasker,
    *,
    clients: Mapping[str, ModelClient],
    budget: Budget | None = None,
    cache: AnswerCache | None = None,
    observed: RunObserver = UNOBSERVED,
) -> EngineComponents:
    """Opens the parts of the run's engine, which connect on first use; the caller closes the budget and the cache."""
    return EngineComponents(
        run=run,
        rows=call_rows(context, run, guard),
        prompts=prompts_of(context, run.task, mask=guard.mask_fields),
        clients=clients,
        limiter=build_limiter(context.providers, redis_url=context.settings.redis_url, run_id=run.run_id),
        budget=budget or RunBudget(None),
        cache=cache or NoCache(),
        tracing=observed.requests,
        events=observed.events,
    )


def call_rows(context: StageContext, run: Run, guard: RecordMasker) -> CallRows:
    """Returns the builder of the run's call rows."""
    return CallRows(run.facts, context.prices, guard.masker.scrub)


def prompts_of(context: StageContext, task: Task, *, mask: Mask) -> PromptRenderer:
    """Returns the renderer of the task's requests; providers that accept a prompt cache key get one."""

    def prefix_key(route: RouteSpec, tenant_id: str) -> str | None:
        if not context.providers[route.provider].prompt_cache_key:
            return None
        return prompt_cache_key(
            context.settings.hash_key,
            task=task.name,
            inference_version=task.versions.inference,
            tenant_id=tenant_id,
        )

    return PromptRenderer(
        task,
        mask=mask,
        prefix_key=prefix_key,
        dialect_of=lambda route: context.providers[route.provider].dialect,
    )


def connect(context: StageContext, run: Run) -> dict[str, ModelClient]:
    """Returns a client per provider of the run's routes: the fast one, or the reference client if there is a proxy."""
    return connect_to(context, {route.provider for route in run.task.spec.routes})


def connect_to(context: StageContext, names: Iterable[str]) -> dict[str, ModelClient]:
    """Returns a client for each of the providers."""
    providers = {name: context.providers[name] for name in sorted(names)}
    return {name: _transport(provider, provider.api_key(context.settings)) for name, provider in providers.items()}


def _transport(provider: Provider, api_key: str) -> ModelClient:
    if proxy_for(provider.base_url) is not None:  # the `openai` package reads the proxy from the environment
        return ReferenceClient(provider.dialect, base_url=provider.base_url, api_key=api_key)
    return LeanClient(provider.dialect, base_url=provider.base_url, api_key=api_key)
