"""The header of a scorecard: which run, which models, which prompt, and whether its rows are complete."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from assay.formatting import NOTHING
from assay.records.statuses import PartialReason, RunPurpose
from assay.report.block import Fact, Scorecard, ScorecardBlock
from assay.report.queries.calls import ADOPTED_MODELS, SERVED_MODELS
from assay.report.queries.runs import TASK_VERSION
from assay.report.run_metrics import STATEMENTS, run_metrics
from assay.report.source import RunSource

PURPOSES: dict[str, str] = {
    RunPurpose.SCORE: "run of the input",
    RunPurpose.EVAL: "run of an evaluation",
    RunPurpose.SHADOW: "shadow run",
    RunPurpose.CANARY: "canary run",
    RunPurpose.LATENCY: "latency run",
    RunPurpose.PERTURB: "run on perturbed input",
}
SHORT_HASH = 8
"""Number of characters shown of a template's hash."""
SHORT_COMMIT = 7
"""Number of characters shown of a commit, as git shows it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunBlock:
    """`run` has the run's metrics, the columns of `run_metrics`; `version` its models and prompts.

    `version.models` lists the requested models, each with what the provider says it served and the number of calls;
    without calls, the models of the routes. `version.prompts` maps each prompt of the task to the start of its SHA-256.
    """

    run: dict[str, Any]
    version: dict[str, Any]


def read(source: RunSource) -> RunBlock:
    """Returns the header of the run."""
    return RunBlock(run=run_metrics(source), version=_version(source))


def facts(card: Scorecard) -> Iterator[Fact]:
    """Yields the run, its models and prompts, and the counts of its rows."""
    block = card.of(RunBlock)
    run = block.run
    yield (
        "run",
        f"{run['run_id']} · {run['data_date']} · {PURPOSES.get(run['purpose'], run['purpose'])} · "
        f"stage {run['stage']} · variant {run['variant']}",
    )
    if not run["is_whole"]:
        yield (
            "partial run",
            f"{_partial(run)}; its predictions are not current, and its rates are not those of the input",
        )
    stated = [
        f"{row['adopted_model']} (adopted, {row['n_predictions']:,} predictions)"
        for row in block.version["adopted_models"]
    ]
    yield "model", "; ".join([*_model_texts(block.version["models"]), *stated]) or NOTHING
    yield "prompt", _prompt_text(block.version)
    yield "inference version", run["inference_version"]
    yield "rows", _rows_text(run)
    yield (
        "without a call",
        f"{run['n_reused']:,} predictions reused, {run['n_cached']:,} from the cache; {run['calls']:,} calls made",
    )


def _version(source: RunSource) -> dict[str, Any]:
    row = source.row(TASK_VERSION) or {}
    served = source.rows(SERVED_MODELS)
    routes = json.loads(row.get("routes") or "null") or []
    declared = [{"provider": route.get("provider"), "request_model": route.get("model")} for route in routes]
    return {
        "task_version_id": source.run["task_version_id"],
        "git_sha": row.get("git_sha"),
        "code_version": row.get("code_version"),
        "adopted_models": list(source.rows(ADOPTED_MODELS)),
        "models": list(served) or [{**route, "response_model": None, "n_calls": 0} for route in declared],
        "prompts": {
            name: _short_hash(text) for name, text in (json.loads(row.get("templates") or "null") or {}).items()
        },
    }


def _short_hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:SHORT_HASH]


def _model_texts(models: Sequence[Mapping[str, Any]]) -> list[str]:
    """Each model with its number of calls; a call without a response is one of the model that was requested."""
    calls: dict[str, int] = {}
    for model in models:
        answered = model["response_model"]
        served = "" if answered in (None, model["request_model"]) else f" served as {answered}"
        text = f"{model['provider']}/{model['request_model']}{served}"
        calls[text] = calls.get(text, 0) + model["n_calls"]
    return [f"{text} ({n:,} calls)" if n else text for text, n in calls.items()]


def _prompt_text(version: Mapping[str, Any]) -> str:
    prompts = " · ".join(f"{name} {digest}" for name, digest in version["prompts"].items()) or NOTHING
    commit = f", commit {version['git_sha'][:SHORT_COMMIT]}" if version["git_sha"] else ""
    return f"{prompts}{commit}"


def _rows_text(run: Mapping[str, Any]) -> str:
    counts = [NOTHING if run[name] is None else f"{run[name]:,}" for name in ("rows_read", "rows_rejected", "records")]
    end = "complete" if run["is_complete"] else "NOT complete"
    return f"{counts[0]} read, {counts[1]} rejected, {counts[2]} records, {end}"


def _partial(run: Mapping[str, Any]) -> str:
    """Returns why the run is not whole."""
    if run["partial_reason"] == PartialReason.OUT_OF_BUDGET:
        return f"the budget ran out with {run['n_skipped']:,} requests not sent"
    if run["partial_reason"] == PartialReason.PERTURBED:
        return "it has only the golden cases whose text a perturbation changed (--perturb)"
    return "only the first rows of the input were read (--limit)"


BLOCK = ScorecardBlock(kind=RunBlock, read=read, statements=(*STATEMENTS, SERVED_MODELS, ADOPTED_MODELS), facts=facts)
