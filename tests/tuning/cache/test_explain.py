"""A record's hit or miss is explained by what the cache knows of its latest answer."""

from __future__ import annotations

import asyncio
import shutil
from datetime import date
from typing import Any

import pytest

from assay.errors import UsageError
from assay.inference.caches.exact import ExactCache, ExactPolicy
from assay.inference.caches.keys import CacheKeys
from assay.tuning.cache.explain import RouteExplanation, explain, explain_route
from tests.end_to_end.workplace import PRICED_MODEL, Workplace, numbered_rows
from tests.fakes.key_value import MemoryStore
from tests.fakes.model_endpoint import ModelEndpoint
from tests.inference.caches.asked import DAY_S, LANE, SetClock, asked, body_of, paid
from tests.runs.bench import Bench

EXACT = {"exact": {"ttl": "7 days"}}
ROUTE = {"name": "first", "provider": "openai", "model": PRICED_MODEL, "timeout_s": 20, "max_attempts": 1}
TWO = numbered_rows(2)
ASKED = asked()


def explained(bench: Bench, task: str, record_id: str = "r00000", *, epoch: int = 0) -> RouteExplanation:
    project = bench.project
    [route] = explain(project, project.task(task), record_id, epoch=epoch, warn=pytest.fail)
    return route


def run(bench: Bench, task: str, **options: Any) -> str:
    return bench.run(task, input=bench.place.rows("in.csv", TWO), **options).run_id


def call_of(place: Workplace, run_id: str) -> str:
    sql = "select call_id from predictions where run_id = @run and record_id = 'r00000'"
    [row] = place.query(sql, run=run_id)
    return str(row["call_id"])


def test_a_record_that_was_answered_is_a_hit_with_the_call_that_was_paid_for(bench: Bench, name: str) -> None:
    task = bench.place.task(name, cache=EXACT)
    run_id = run(bench, task)
    found = explained(bench, task)
    assert (found.verdict, found.call_id) == ("hit", call_of(bench.place, run_id))
    assert (found.route, found.lane) == ("first", f"openai:{PRICED_MODEL}")


def test_explaining_asks_nobody_and_changes_nothing(bench: Bench, model: ModelEndpoint, name: str) -> None:
    task = bench.place.task(name, cache=EXACT)
    run(bench, task)
    assert explained(bench, task) == explained(bench, task)
    assert model.count == 2


@pytest.mark.parametrize(
    ("edits", "changed"),
    [
        ({"prompt": "Sort: {{ text }}"}, "message 1 (user)"),
        ({"parameters": {"temperature": 1, "max_tokens": 60}}, "parameter temperature"),
        ({"parameters": {"temperature": 0, "max_tokens": 60, "seed": 4}}, "parameter seed"),
    ],
)
def test_a_miss_names_the_part_that_changed(bench: Bench, name: str, edits: dict[str, Any], changed: str) -> None:
    run(bench, bench.place.task(name, cache=EXACT))
    found = explained(bench, bench.place.task(name, cache=EXACT, **edits))
    assert (found.verdict, found.changed) == ("miss", (changed,))
    assert "these parts of the request have changed since" in found.reason and found.reason.endswith(f": {changed}")


def test_an_answer_that_was_paid_for_again_says_what_had_changed(bench: Bench, name: str) -> None:
    run(bench, bench.place.task(name, cache=EXACT))
    changed = bench.place.task(name, cache=EXACT, prompt="Sort: {{ text }}")
    run(bench, changed, data_date=date(2024, 5, 2))
    found = explained(bench, changed)
    assert (found.verdict, found.changed_before) == ("hit", ("message 1 (user)",))


def test_another_epoch_has_no_answer_of_its_own(bench: Bench, name: str) -> None:
    task = bench.place.task(name, cache=EXACT)
    run(bench, task)
    found = explained(bench, task, epoch=1)
    assert (found.verdict, found.call_id) == ("miss", None)
    assert "no response for this record is cached" in found.reason


def test_each_route_is_explained_by_itself(bench: Bench, name: str) -> None:
    routes = [ROUTE, {**ROUTE, "name": "second", "model": "gpt-4.1-mini"}]
    task = bench.place.task(name, cache=EXACT, routes=routes)
    run(bench, task)
    project = bench.project
    found = explain(project, project.task(task), "r00000", epoch=0, warn=pytest.fail)
    assert [(route.route, route.verdict) for route in found] == [("first", "hit"), ("second", "miss")]


def test_a_masked_record_is_found_by_its_masked_words(bench: Bench, name: str) -> None:
    place, task = bench.place, bench.place.task(name, cache=EXACT, masking={"enabled": True})
    bench.run(task, input=place.rows("in.csv", [{"id": "r00000", "text": "I am ann@example.com"}]))
    assert explained(bench, task).verdict == "hit"


def test_a_cache_that_was_begun_anew_says_so(bench: Bench, name: str) -> None:
    task = bench.place.task(name, cache=EXACT)
    run(bench, task)
    [file] = bench.place.root.rglob("answers.sqlite")
    shutil.rmtree(file.parent)
    assert "no response for this record is cached" in explained(bench, task).reason


def test_a_task_without_an_exact_cache_is_told_what_to_add(bench: Bench, name: str) -> None:
    with pytest.raises(
        UsageError, match=r"has no `cache\.exact`, so .* for example `cache: \{exact: \{ttl: 7 days\}\}`"
    ):
        explained(bench, bench.place.task(name))


def test_a_record_that_no_run_has_read_is_refused(bench: Bench, name: str) -> None:
    with pytest.raises(UsageError, match=r"Record 'nobody' of task .* is not in .*\.records; check the id"):
        explained(bench, bench.place.task(name, cache=EXACT), "nobody")


class Kept:
    """A cache with one answer, and explanations of the same request later; its clock runs beside the real one."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.store = MemoryStore(now=self.clock)
        self.keep()

    def cache(self, ttl_days: float = 7) -> ExactCache:
        policy = ExactPolicy(task="sorting", ttl_s=ttl_days * DAY_S)
        return ExactCache(self.store, CacheKeys(b"k" * 32), policy=policy, now=self.clock)

    def keep(self, text: str = "Where is my card?", **answer: Any) -> None:
        request = asked(text, record_id=text)
        asyncio.run(self.cache().store(request, body_of(request), paid(**answer)))

    def why(self, **options: Any) -> str:
        request = asked(record_id="Where is my card?")
        found = asyncio.run(explain_route(self.cache(**options), request, body_of(request), route="first", lane=LANE))
        return found.reason


def test_an_answer_that_expired_says_when() -> None:
    kept = Kept()
    kept.clock.pass_days(8)
    assert kept.why() == "the response of 2027-01-15 08:00 UTC expired at 2027-01-22 08:00 UTC"


def test_another_model_under_the_same_name_is_named() -> None:
    kept = Kept()
    kept.keep("Another text", model="nano-2")
    assert kept.why() == "the response came from nano-1, but the provider now serves this model name with nano-2"


def test_a_shortened_lifetime_is_among_the_reasons_of_what_is_gone() -> None:
    kept = Kept()
    kept.clock.pass_days(2)
    assert "its TTL was shortened" in kept.why(ttl_days=1)
