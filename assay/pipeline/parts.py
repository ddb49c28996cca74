"""Puts the engine of a run together: transports, limiter, budget, router, rows.

Only wiring belongs here: which class plays which part for this task and these settings.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal

from assay.errors import UsageError
from assay.inference.budgets.protocol import Budget
from assay.inference.budgets.run_budget import RunBudget
from assay.inference.call_rows import CallRows
from assay.inference.calls import CallJournal, CallMaker
from assay.inference.client import ModelClient
from assay.inference.engine import Engine
from assay.inference.limits.build import build_limiter
from assay.inference.limits.protocol import Limiter
from assay.inference.prompts import PromptRenderer
from assay.inference.routing.rules import rule_router
from assay.inference.transport import LeanClient
from assay.inference.usage import TokenUsage
from assay.pipeline.masked import RecordGuard
from assay.pipeline.project import Project
from assay.pipeline.run import Run
from assay.settings import proxy_for
from assay.warehouse.statements import RUN_SPENT


@dataclass(frozen=True, slots=True)
class EngineParts:
    """What answers the requests of one run, and must be closed after it."""

    run: Run
    rows: CallRows
    prompts: PromptRenderer
    clients: Mapping[str, ModelClient]
    limiter: Limiter
    budget: Budget

    def engine(self, journal: CallJournal | None) -> Engine:
        """The engine around the parts."""
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
        )

    async def close(self) -> None:
        """Connections are released, shares of limits and budgets given back."""
        for client in self.clients.values():
            await client.close()
        await self.limiter.close()
        await self.budget.close()


def open_parts(project: Project, run: Run, guard: RecordGuard, *, clients: Mapping[str, ModelClient]) -> EngineParts:
    """The parts of the run's engine, connected on first use.

    Raises:
        UsageError: a budget is set and a model has no price.
    """
    return EngineParts(
        run=run,
        rows=CallRows(run.facts, project.prices, guard.masker.scrub),
        prompts=PromptRenderer(run.task, mask=guard.mask_fields),
        clients=clients,
        limiter=build_limiter(project.providers, redis_url=project.settings.redis_url, run_id=run.run_id),
        budget=_budget(project, run),
    )


def connect(project: Project, run: Run) -> dict[str, ModelClient]:
    """A transport for each provider that the run's routes name."""
    names = {route.provider for route in run.task.spec.routes}
    providers = {name: project.providers[name] for name in sorted(names)}
    return {
        name: LeanClient(
            base_url=provider.base_url,
            api_key=provider.api_key(project.settings),
            proxy=proxy_for(provider.base_url),
        )
        for name, provider in providers.items()
    }


def _budget(project: Project, run: Run) -> Budget:
    stated = run.options.budget_usd
    cap = stated if stated is not None else run.task.spec.budget.run_usd
    if cap is None:
        return RunBudget(None)
    _refuse_unpriced(project, run)
    spent = next(project.warehouse.stream(RUN_SPENT.sql, run.window))["spent_usd"]
    return RunBudget(Decimal(str(cap)), spent_usd=Decimal(spent))


def _refuse_unpriced(project: Project, run: Run) -> None:
    one = TokenUsage(uncached_input=1, cached_input=0, cache_write=0, answer=1, reasoning=0)
    for route in run.task.spec.routes:
        price = project.prices.price(one, provider=route.provider, model=route.model, on=datetime.now(UTC).date())
        if price.usd is None:
            raise UsageError(
                f"A budget is set, but {route.provider}:{route.model} (route '{route.name}') has no price: "
                "expected it in genai-prices or assay/inference/prices.yml; add it, or run without a budget."
            )
