"""What the marts must say of routes, caches, batches and budgets, computed with plain loops from the landing rows.

Belongs here: a second implementation that shares nothing with the SQL; that of the other figures is in `expected.py`.
"""

from __future__ import annotations

import json
from typing import Any

import pandas as pd

from tests.dbt.expected import Frame, Tables, calls

TURNS = ("answer", "repair")
STATES = ("intent", "submitted", "finished", "landed", "abandoned")
SAVING = ("exact_cache", "semantic_cache", "reused")
OPEN = ("intent", "submitted", "finished")


def caching(tables: Tables) -> Frame:
    """One row for each run with a prediction."""
    paid_for = calls(tables).set_index("call_id").cost_usd.to_dict()
    found = []
    for run_id, cell in tables["predictions"].groupby("run_id"):
        mine = tables["responses"][tables["responses"].run_id == run_id]
        asked, embedded = mine[mine.purpose.isin(TURNS)], mine[mine.purpose == "embedding"]
        sourced = int(cell.answer_source.notna().sum())
        row: dict[str, Any] = {"run_id": run_id, "n_predictions": len(cell), "n_sourced": sourced}
        saved = {source: _saved(cell[cell.answer_source == source], paid_for) for source in SAVING}
        row |= {f"{source}_saved_usd": usd for source, (usd, _) in saved.items()}
        row["n_unpriced_savings"] = sum(unpriced for _, unpriced in saved.values())
        row["saved_usd"] = _total([usd for usd, _ in saved.values()])
        for source in ("wire", *SAVING):
            row[f"n_{source}"] = n = int((cell.answer_source == source).sum())
            row[f"{source}_share"] = n / sourced if sourced else None
        row["embedding_cost_usd"] = _total([_figure(value) for value in embedded.cost_usd])
        row["net_saved_usd"] = _difference(row["saved_usd"], row["embedding_cost_usd"])
        row["n_embedding_calls"] = len(embedded)
        row["input_tokens"], row["cached_input_tokens"] = asked.input_tokens.sum(), asked.cached_input_tokens.sum()
        row["cached_input_share"] = row["cached_input_tokens"] / row["input_tokens"] if row["input_tokens"] else None
        found.append(row)
    return pd.DataFrame(found)


def _saved(cell: Frame, paid_for: dict[str, float]) -> tuple[float | None, int]:
    """What the calls behind these answers had cost, and of how many nobody knows."""
    costs = [_figure(paid_for.get(call_id)) for call_id in cell.call_id]
    return _total(costs), sum(cost is None for cost in costs)


def routing(tables: Tables) -> Frame:
    """One row for each run and route."""
    cells: dict[tuple[str, str], dict[str, Any]] = {}
    every_call = calls(tables)
    asked = every_call[every_call.purpose.isin(TURNS)]
    for key, group in asked.groupby(["run_id", "route"]):
        unpriced = int(group.is_unpriced.sum())
        _cell(cells, key).update(n_asked=group.request_key.nunique(), n_unpriced_calls=unpriced)
        cells[key]["cost_usd"] = None if unpriced else group.cost_usd.sum()
    by_request = {key: list(group.cost_usd) for key, group in asked.groupby(["run_id", "request_key"])}
    for row in tables["predictions"].itertuples():
        told = json.loads(row.routing) if isinstance(row.routing, str) else {}
        for left in told.get("escalations", []):
            cell = _cell(cells, (row.run_id, left["route"]))
            cell["n_escalated"] += 1
            cell[f"n_escalated_{_kind(left['reason'])}"] += 1
        if isinstance(row.answer_source, str):
            cost = _total([_figure(usd) for usd in by_request.get((row.run_id, row.request_key), [])])
            _answer(_cell(cells, (row.run_id, row.route)), row, len(told.get("routes", [])), cost)
    sizes = tables["predictions"].dropna(subset=["answer_source"]).groupby("run_id").size()
    return pd.DataFrame(
        [
            {"run_id": run_id, "route": route, **cell, "share_of_answers": cell["n_answers"] / sizes[run_id]}
            for (run_id, route), cell in cells.items()
        ]
    )


def _cell(cells: dict[tuple[str, str], dict[str, Any]], key: Any) -> dict[str, Any]:
    counts = ("n_asked", "n_unpriced_calls", "n_answers", "n_wire", "n_compared", "n_uncompared", "n_escalated")
    kinds = ("n_escalated_check", "n_escalated_confidence", "n_escalated_no_valid_answer")
    empty = {"cost_usd": 0.0, "compared_cost_usd": None, "counterfactual_cost_usd": None, "routing_saved_usd": None}
    return cells.setdefault(key, {**dict.fromkeys((*counts, *kinds), 0), **empty})


def _answer(cell: dict[str, Any], row: Any, n_routes: int, cost: float | None) -> None:
    cell["n_answers"] += 1
    cell["n_wire"] += row.answer_source == "wire"
    if row.answer_source != "wire" or n_routes < 2:
        return
    instead = _figure(row.counterfactual_cost_usd)
    if cost is None or instead is None:
        cell["n_uncompared"] += 1
        return
    cell["n_compared"] += 1
    cell["compared_cost_usd"] = (cell["compared_cost_usd"] or 0.0) + cost
    cell["counterfactual_cost_usd"] = (cell["counterfactual_cost_usd"] or 0.0) + instead
    cell["routing_saved_usd"] = cell["counterfactual_cost_usd"] - cell["compared_cost_usd"]


def _kind(reason: str) -> str:
    if reason.startswith(("check:", "unscored:")):
        return "check"
    return "confidence" if reason in ("low_confidence", "no_confidence") else "no_valid_answer"


def batches(tables: Tables) -> Frame:
    """One row for each run and provider."""
    frame = tables["batches"].assign(rank=tables["batches"].state.map(STATES.index))
    began = frame.groupby("chunk_hash").occurred_at.min().to_dict()
    last = frame.sort_values("rank").drop_duplicates("chunk_hash", keep="last")
    by_batch = calls(tables).query("is_batch")
    found = []
    for (run_id, provider), cell in last.groupby(["run_id", "provider"]):
        waiting, landed = cell[cell.state.isin(OPEN)], cell[cell.state == "landed"]
        paid = by_batch[(by_batch.run_id == run_id) & (by_batch.provider == provider)]
        row: dict[str, Any] = {"run_id": run_id, "provider": provider, "n_batches": len(cell)}
        for state, name in zip(STATES, ("intended", "submitted", "finished", "landed", "abandoned"), strict=True):
            row[f"n_{name}"] = int((cell.state == state).sum())
        row["n_cut_short"] = sum(isinstance(status, str) and status != "completed" for status in cell.provider_status)
        row["n_requests"] = cell.requests[cell.state != "abandoned"].sum()
        row["n_open_requests"] = waiting.requests.sum()
        for name in ("answered", "failed", "missing"):
            row[f"n_lines_{name}"] = landed[f"lines_{name}"].sum()
        row["open_estimate_usd"] = _total([_figure(value) for value in waiting.estimate_usd])
        row["oldest_open_at"] = min((began[key] for key in waiting.chunk_hash), default=None)
        took = (cell.finished_at - cell.submitted_at).dropna()
        row["longest_turnaround_ms"] = took.max().total_seconds() * 1000 if len(took) else None
        row["last_landed_at"] = landed.occurred_at.max() if len(landed) else None
        row["calls"], row["n_unpriced_calls"] = len(paid), int(paid.is_unpriced.sum())
        row["cost_usd"] = None if paid.is_unpriced.any() else paid.cost_usd.sum()
        if paid.empty and row["n_lines_answered"]:  # answered lines whose calls are not in the marts
            row |= dict.fromkeys(("calls", "n_unpriced_calls", "cost_usd"))
        found.append(row)
    return pd.DataFrame(found)


def budget(tables: Tables) -> Frame:
    """One row for each month and task."""
    every_call, entries = calls(tables), tables["budget_entries"]
    months = every_call.started_at.dt.date.map(lambda day: day.replace(day=1))
    spent = every_call.assign(month=months, upper=every_call.cost_usd.fillna(every_call.cost_upper_usd).fillna(0.0))
    keys = sorted({*zip(spent.month, spent.task, strict=True), *zip(entries.month, entries.task, strict=True)})
    found = []
    for month, task in keys:
        lent, paid = entries[(entries.month == month) & (entries.task == task)], spent[spent.month == month]
        mine = paid[paid.task == task]
        row: dict[str, Any] = {"month": month, "task": task, **_lent(lent)}
        row["task_cap_usd"] = _newest_cap(lent, "task_cap_usd")
        row["month_cap_usd"] = _newest_cap(entries[entries.month == month], "month_cap_usd")
        row["calls"], row["n_unpriced_calls"] = len(mine), int(mine.is_unpriced.sum())
        row["spent_usd"], row["month_spent_usd"] = mine.upper.sum(), paid.upper.sum()
        if mine.empty and row["settled_usd"]:  # settled amounts whose calls are not in the marts
            row |= dict.fromkeys(("calls", "n_unpriced_calls", "spent_usd"))
        if paid.empty and row["settled_usd"]:
            row["month_spent_usd"] = None
        row["share_of_task_cap"] = _share(row["spent_usd"], row["task_cap_usd"])
        row["share_of_month_cap"] = _share(row["month_spent_usd"], row["month_cap_usd"])
        found.append(row)
    return pd.DataFrame(found)


def _share(spent: float | None, cap: float | None) -> float | None:
    return None if spent is None or not cap else spent / cap


def _lent(entries: Frame) -> dict[str, Any]:
    leases = [group for _, group in entries.groupby("lease_id")]
    ended = [lease[lease.event == "settle"] for lease in leases]
    reserved = [float(lease.amount_usd[lease.event == "reserve"].sum()) for lease in leases]
    caps = [float(cap) for cap in entries.run_cap_usd.dropna()]
    return {
        "n_leases": len(leases),
        "n_open_leases": sum(settled.empty for settled in ended),
        "n_expired_leases": sum(bool(settled.is_expired.any()) for settled in ended),
        "highest_run_cap_usd": max(caps, default=None),
        "reserved_usd": sum(reserved),
        "open_reserved_usd": sum(usd for usd, settled in zip(reserved, ended, strict=True) if settled.empty),
        "settled_usd": float(sum(settled.amount_usd.sum() for settled in ended)),
    }


def _newest_cap(entries: Frame, cap: str) -> float | None:
    """The cap of the lease with the newest entry among those that name one."""
    newest = entries.groupby("lease_id").occurred_at.max().to_dict()
    named = entries.dropna(subset=[cap])
    if named.empty:
        return None
    lease = max(named.lease_id.unique(), key=lambda one: (newest[one], one))
    return float(named[named.lease_id == lease][cap].max())


def _figure(value: Any) -> float | None:
    return None if value is None or pd.isna(value) else float(value)


def _total(values: list[float | None]) -> float | None:
    return None if None in values else float(sum(value for value in values if value is not None))


def _difference(one: float | None, other: float | None) -> float | None:
    return None if one is None or other is None else one - other
