"""A repeat is answered from the cache: no call, no cost, and the call that was paid for it is named."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import pytest

from assay.inference.caches.exact import ExactCache, ExactPolicy
from assay.inference.caches.keys import CacheKeys
from assay.inference.caches.sqlite_store import SqliteStore
from assay.inference.request import Request, RequestResult
from assay.tasks.task import Task
from tests.fakes.endpoint import Answer, ScriptedEndpoint, completion
from tests.inference.rig import Rig, prediction, request

GOOD = completion('{"label": "billing"}')
BAD = completion('{"label": "refund"}')


class Cached:
    """A rig whose engine has an exact cache in a file, which other rigs may open too."""

    def __init__(self, task: Task, folder: Path, answers: Sequence[Answer]) -> None:
        self.endpoint = ScriptedEndpoint(answers)
        self._task, self._folder = task, folder

    def ask(self, *requests: Request) -> list[RequestResult]:
        """The requests one after the other, in a process of their own as it were."""
        return asyncio.run(self._ask(requests))

    async def _ask(self, requests: Sequence[Request]) -> list[RequestResult]:
        store = SqliteStore(self._folder / "answers.sqlite", warn=pytest.fail)
        cache = ExactCache(store, CacheKeys(b"k" * 32), policy=ExactPolicy(task="sorting", ttl_s=3600))
        rig = Rig(self._task, openai=self.endpoint)
        engine = replace(rig.engine, cache=cache)
        try:
            return [await engine.answer(request) for request in requests]
        finally:
            await cache.close()
            for client in rig.clients.values():
                await client.close()


def test_the_same_question_in_a_later_run_makes_no_call(task: Task, tmp_path: Path) -> None:
    place = Cached(task, tmp_path, [GOOD])
    (paid,) = place.ask(request())

    (again,) = place.ask(request())

    row = prediction(again)
    assert (row.status, row.output, row.answer_source) == ("ok", prediction(paid).output, "exact_cache")
    assert (row.calls, row.call_id) == (0, prediction(paid).call_id)
    assert (again.responses, len(place.endpoint.calls)) == ((), 1)


def test_epochs_and_tenants_are_never_collapsed(task: Task, tmp_path: Path) -> None:
    place = Cached(task, tmp_path, [GOOD])

    place.ask(request(), request(epoch=1), replace(request(), tenant_id="another"))

    assert len(place.endpoint.calls) == 3


def test_an_answer_that_had_to_be_repaired_is_not_kept(task: Task, tmp_path: Path) -> None:
    place = Cached(task, tmp_path, [BAD, GOOD, GOOD])
    (repaired,) = place.ask(request())

    (again,) = place.ask(request())

    assert (prediction(repaired).status, prediction(again).answer_source) == ("repaired", "wire")


def test_an_answer_that_the_output_model_no_longer_takes_is_asked_for_again(task: Task, tmp_path: Path) -> None:
    from pydantic import BaseModel, field_validator

    class Stricter(BaseModel):
        label: str

        @field_validator("label")
        @classmethod
        def _not_billing(cls, value: str) -> str:
            assert value != "billing"
            return value

    place = Cached(task, tmp_path, [GOOD, completion('{"label": "other"}')])
    place.ask(request())

    place._task = replace(task, output_model=Stricter)
    (again,) = place.ask(request())

    assert (prediction(again).answer_source, prediction(again).output) == ("wire", '{"label":"other"}')
