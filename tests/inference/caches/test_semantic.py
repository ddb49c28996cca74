"""The semantic cache: an answer serves another question only where it is near enough, and never outside its scope."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Coroutine, Iterable
from dataclasses import replace
from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import orjson
import pytest
from numpy.typing import NDArray

from assay.inference.caches.embeddings import REST_SECONDS, EmbeddingEndpoint, OpenAIEmbedder
from assay.inference.caches.protocol import CachedAnswer
from assay.inference.caches.semantic import SemanticCache, SemanticPolicy, question
from assay.inference.request import Request, RunFacts
from assay.records import SemanticCacheEntry
from assay.warehouse.schema import landing_tables
from tests.fakes import embedding_endpoint
from tests.fakes.embedding_endpoint import NgramVectors
from tests.inference.caches.asked import DAY_S, LANE, START, SetClock, asked, paid

FACTS = RunFacts(
    run_id="run-1",
    task="sorting",
    data_date=date(2027, 1, 15),
    variant="default",
    stage="shadow",
    inference_version="v1",
    masking_version="off",
)
POLICY = SemanticPolicy(embedding_provider="openai", embedding_model="small", threshold=0.9, ttl_s=7 * DAY_S)
BODY = b"{}"


class Circle(NgramVectors):
    """Texts such as `card at 30` are directions of so many degrees, so that a test chooses what is similar."""

    def __init__(self, *, width: int = 2) -> None:
        super().__init__()
        self.width = width

    def vector(self, text: str) -> NDArray[np.float32]:
        angle = math.radians(float(text.rsplit(" ", 1)[1]))
        return np.asarray([math.cos(angle), math.sin(angle), *[0.0] * (self.width - 2)], dtype=np.float32)


class Place:
    """A cache whose embeddings come over the wire; `landed` are its rows for the warehouse."""

    def __init__(self, *, facts: RunFacts = FACTS, clock: SetClock | None = None, **policy: Any) -> None:
        self.clock = clock or SetClock()
        self.vectors = Circle()
        self.endpoint = embedding_endpoint.EmbeddingEndpoint(self.vectors)
        self.landed: list[SemanticCacheEntry] = []
        self.facts = facts
        self.policy = replace(POLICY, **policy)

    def run(self, work: Callable[[SemanticCache], Coroutine[Any, Any, Any]]) -> Any:
        async def run() -> Any:
            place = EmbeddingEndpoint(
                provider="openai",
                base_url="http://e.test/v1",
                api_key="k",
                model="small",
                http_client=self.endpoint.http_client(),
            )
            embedder = OpenAIEmbedder(place, note=lambda _: None, clock=self.clock)
            cache = SemanticCache(
                embedder, facts=self.facts, policy=self.policy, land=self.landed.append, now=self.clock
            )
            try:
                return await work(cache)
            finally:
                await cache.close()

        return asyncio.run(run())

    def after(self, kept: Iterable[tuple[Request, str]], then: Request, *, lane: str = LANE) -> str | None:
        """The label that `then` is answered with once the others were answered with theirs."""

        async def work(cache: SemanticCache) -> str | None:
            for number, (request, label) in enumerate(kept):
                await cache.store(request, BODY, paid(label, call_id=f"call-{number}"))
            return label_of(await cache.find(then, BODY, lane=lane))

        return self.run(work)  # type: ignore[no-any-return]

    def loaded(self, entries: Iterable[SemanticCacheEntry], then: Request) -> tuple[int, str | None]:
        """How many entries were taken, and the label that `then` is answered with."""

        async def work(cache: SemanticCache) -> tuple[int, str | None]:
            return cache.load(entries), label_of(await cache.find(then, BODY, lane=LANE))

        return self.run(work)  # type: ignore[no-any-return]


def label_of(found: CachedAnswer | None) -> str | None:
    return orjson.loads(found.output)["label"] if found is not None else None


def at(degrees: float, **of: Any) -> Request:
    return asked(f"card at {degrees}", **{"record_id": f"r{degrees}", **of})


def entry(degrees: float = 0, label: str = "delivery", **changes: Any) -> SemanticCacheEntry:
    """An entry as the warehouse gives it back."""
    place = Place()
    place.after([(at(degrees), label)], at(180))
    [landed] = place.landed
    return replace(landed, **changes)


KEPT = [(at(0), "delivery")]


def test_a_question_that_is_similar_enough_gets_the_answer() -> None:
    inside, outside = (math.degrees(math.acos(0.9)) + step for step in (-0.1, 0.1))
    assert Place().after(KEPT, at(inside)) == "delivery"
    assert Place().after(KEPT, at(outside)) is None


def test_a_hit_says_how_similar_it_was_and_which_call_was_paid_for() -> None:
    async def work(cache: SemanticCache) -> CachedAnswer | None:
        await cache.store(at(0), BODY, replace(paid(call_id="call-7"), confidence=0.8))
        return await cache.find(at(20), BODY, lane=LANE)

    found = Place().run(work)
    assert (found.source, found.call_id, found.route, found.confidence) == ("semantic_cache", "call-7", "first", 0.8)
    assert found.similarity == pytest.approx(math.cos(math.radians(20)), abs=1e-6)


def test_of_two_answers_the_nearer_one_is_given() -> None:
    assert Place().after([(at(0), "delivery"), (at(30), "refund")], at(20)) == "refund"


@pytest.mark.parametrize("other", [at(0, tenant_id="another"), at(0, epoch=1)], ids=["another tenant", "another epoch"])
def test_no_answer_leaves_its_tenant_or_its_epoch(other: Request) -> None:
    assert Place().after(KEPT, other) is None


def test_no_answer_leaves_its_lane() -> None:
    assert Place().after(KEPT, at(0), lane="openai:gpt-5-mini") is None


def test_a_question_of_a_conversation_is_neither_looked_up_nor_kept() -> None:
    told = replace(at(0), history=({"role": "user", "content": "It is lost."},))
    place = Place()
    assert place.after([(told, "delivery")], at(0)) is None
    assert place.landed == []
    assert Place().after(KEPT, told) is None
    assert Place().after(KEPT, replace(told, history=(), history_turns=0)) == "delivery"


def test_a_margin_leaves_a_question_between_two_answers_to_the_model() -> None:
    kept = [(at(0), "delivery"), (at(20), "refund")]
    assert Place(margin=0.05).after(kept, at(10.5)) is None
    assert Place(margin=0.05).after(kept, at(1)) == "delivery"


def test_a_margin_is_kept_to_the_nearest_other_answer_and_not_to_one_of_the_same() -> None:
    kept = [(at(0), "delivery"), (at(10), "delivery"), (at(60), "refund")]
    assert Place(margin=0.05).after(kept, at(5)) == "delivery"


def test_answers_that_agree_in_the_fields_that_count_are_no_rivals() -> None:
    async def work(cache: SemanticCache) -> str | None:
        for degrees, note in ((0, "in a sentence"), (2, "in other words")):
            output = orjson.dumps({"label": "delivery", "note": note}).decode()
            await cache.store(at(degrees), BODY, replace(paid(call_id=note), output=output))
        await cache.store(at(90), BODY, paid("refund", call_id="far"))
        return label_of(await cache.find(at(1), BODY, lane=LANE))

    assert Place(margin=0.1, compare=("label",)).run(work) == "delivery"
    assert Place(margin=0.1).run(work) is None


def test_an_answer_is_given_until_its_lifetime_ends() -> None:
    async def work(cache: SemanticCache) -> list[str | None]:
        await cache.store(at(0), BODY, paid())
        labels = []
        for days in (6.99, 0.02, 0.0):
            place.clock.pass_days(days)
            labels.append(label_of(await cache.find(at(0), BODY, lane=LANE)))
        return labels

    place = Place()
    assert place.run(work) == ["delivery", None, None]


def test_one_that_expired_makes_way_for_a_farther_one_that_has_not() -> None:
    later = START + 6 * DAY_S
    old, young = entry(0, "old"), entry(10, "young")
    young = replace(
        young,
        call_id="call-9",
        entry_id="e9",
        occurred_at=datetime.fromtimestamp(later, UTC),
        expires_at=datetime.fromtimestamp(later + 7 * DAY_S, UTC),
    )

    async def work(cache: SemanticCache) -> list[str | None]:
        cache.load([old, young])
        place.clock.pass_days(6.5)
        before = label_of(await cache.find(at(1), BODY, lane=LANE))
        place.clock.pass_days(1)
        return [before, *[label_of(await cache.find(at(1), BODY, lane=LANE)) for _ in range(2)]]

    place = Place()
    assert place.run(work) == ["old", "young", "young"]


def test_a_lifetime_that_was_shortened_holds_for_what_is_kept_already() -> None:
    clock = SetClock()
    clock.pass_days(2)
    assert Place(clock=clock, ttl_s=DAY_S).loaded([entry()], at(0)) == (1, None)
    assert Place(clock=clock, ttl_s=3 * DAY_S).loaded([entry()], at(0)) == (1, "delivery")


def test_an_answer_older_than_the_run_may_reuse_is_not_given() -> None:
    assert Place(not_before=START).loaded([entry()], at(0)) == (1, "delivery")
    assert Place(not_before=START + 1).loaded([entry()], at(0)) == (1, None)


def test_another_model_under_the_same_name_empties_the_shelf() -> None:
    async def work(cache: SemanticCache) -> list[str | None]:
        await cache.store(at(0), BODY, paid("old", model="nano-1"))
        await cache.store(at(90), BODY, paid("new", model="nano-2", call_id="call-2"))
        return [label_of(await cache.find(at(degrees), BODY, lane=LANE)) for degrees in (0, 90)]

    assert Place().run(work) == [None, "new"]


def test_an_answer_that_names_a_detail_which_the_question_has_not_is_not_given() -> None:
    def place(text: str) -> Request:
        return replace(at(0), fields={"message": f"{text} at 1"}, key=text)

    kept = [(place("I am <EMAIL_1>, card"), "write to <EMAIL_1>")]
    assert Place().after(kept, place("My <EMAIL_1>, card")) == "write to <EMAIL_1>"
    assert Place().after(kept, place("My <EMAIL_1> and <PHONE_1>, card")) == "write to <EMAIL_1>"
    for without in ("My <PHONE_1>, card", "My <EMAIL_2>, card", "My card"):
        assert Place().after(kept, place(without)) is None


def test_a_detail_that_the_model_wrote_in_small_letters_is_one_too() -> None:
    kept = [(replace(at(0), fields={"message": "I am <EMAIL_1> at 0"}), "write to <email_1>")]
    assert Place().after(kept, at(0)) is None
    assert Place().after(kept, replace(at(1), fields={"message": "Me: <EMAIL_1> at 1"})) == "write to <email_1>"


def test_embeddings_of_another_width_meet_no_entry_and_break_nothing() -> None:
    async def work(cache: SemanticCache) -> list[str | None]:
        await cache.store(at(0), BODY, paid())
        place.vectors.width = 3
        missed = label_of(await cache.find(at(1), BODY, lane=LANE))
        await cache.store(at(2), BODY, paid("wide", call_id="call-2"))
        return [missed, label_of(await cache.find(at(3), BODY, lane=LANE))]

    place = Place()
    assert place.run(work) == [None, "wide"]


def test_without_embeddings_there_are_misses_and_nothing_is_kept() -> None:
    place = Place()
    place.endpoint.broken = True
    assert place.after(KEPT, at(0)) is None
    assert place.landed == []


def test_embeddings_that_come_back_are_used_again() -> None:
    async def work(cache: SemanticCache) -> list[str | None]:
        await cache.store(at(0), BODY, paid())
        place.endpoint.broken = True
        away = label_of(await cache.find(at(1), BODY, lane=LANE))
        place.endpoint.broken = False
        place.clock.at += REST_SECONDS
        return [away, label_of(await cache.find(at(2), BODY, lane=LANE))]

    place = Place()
    assert place.run(work) == [None, "delivery"]


def test_a_question_that_was_missed_is_not_embedded_again_when_its_answer_comes() -> None:
    async def work(cache: SemanticCache) -> None:
        await cache.find(at(0), BODY, lane=LANE)
        await cache.find(at(0), BODY, lane="openai:second")
        await cache.store(at(0), BODY, paid())

    place = Place()
    place.run(work)
    assert place.endpoint.texts == [["card at 0"]]


def test_an_answer_is_landed_once_in_a_row_that_fits_its_table() -> None:
    place = Place()
    place.after([(replace(at(0), subject_key="subject-1"), "delivery")], at(0))
    [row] = place.landed
    assert (row.task, row.run_id, row.record_id, row.subject_key) == ("sorting", "run-1", "r0", "subject-1")
    assert (row.provider, row.request_model, row.response_model) == ("openai", "gpt-5-nano", "nano-1")
    assert row.embedding == (1.0, 0.0)
    assert row.expires_at.timestamp() - row.occurred_at.timestamp() == 7 * DAY_S
    columns = {column.name: column.mode for column in landing_tables()["semantic_cache"].columns}
    given = {name: getattr(row, name) for name in columns if name not in ("landed_at", "row_hash")}
    assert [name for name, value in given.items() if value is None and columns[name] == "REQUIRED"] == []


def test_one_paid_call_makes_one_entry_however_often_it_is_landed() -> None:
    assert entry().entry_id == entry().entry_id
    place = Place()
    place.after([(at(0), "delivery"), (at(1), "delivery")], at(0))
    assert len({row.entry_id for row in place.landed}) == 2


def test_what_the_warehouse_holds_is_found_by_the_next_run() -> None:
    assert Place().loaded([entry(0, "delivery"), entry(90, "refund", call_id="c", entry_id="e")], at(88)) == (
        2,
        "refund",
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"task": "other"},
        {"inference_version": "v2"},
        {"embedding_provider": "other"},
        {"embedding_model": "large"},
        {"expires_at": datetime.fromtimestamp(START, UTC)},
        {"embedding": ()},
    ],
    ids=lambda changes: next(iter(changes)),
)
def test_an_entry_of_something_else_is_passed_over(changes: dict[str, Any]) -> None:
    assert Place().loaded([entry(**changes)], at(0)) == (0, None)


def test_entries_of_the_model_that_answered_last_are_the_ones_that_are_loaded() -> None:
    old, new = entry(0, "old"), entry(90, "new", response_model="nano-2", call_id="c", entry_id="e")
    assert Place().loaded([old, new], at(0)) == (2, None)
    assert Place().loaded([old, new], at(90)) == (2, "new")


def test_a_question_that_is_asked_again_and_again_does_not_hide_its_rivals_or_itself() -> None:
    often = [(at(0, record_id=f"r{number}"), "delivery") for number in range(100)]
    kept = [*often, (at(20), "refund")]
    assert Place(margin=0.05).after(kept, at(1)) == "delivery"
    assert Place(margin=0.05).after(kept, at(10.5)) is None


def test_answers_that_differ_to_the_same_question_both_stay_and_a_margin_leaves_it_to_the_model() -> None:
    kept = [(at(0, record_id=f"r{number}"), label) for number, label in enumerate(("delivery", "refund") * 40)]
    assert Place(margin=0.01).after(kept, at(0)) is None
    assert Place().after(kept, at(0)) is not None


def test_a_shelf_keeps_the_newest_entries_only() -> None:
    kept = [(at(degrees), f"at {degrees}") for degrees in (0, 90, 180, 270)]
    assert Place(most_entries=3).after(kept, at(0)) is None
    assert Place(most_entries=3).after(kept, at(90)) == "at 90"


def test_a_shelf_does_not_keep_a_second_copy_of_each_vector() -> None:
    async def work(cache: SemanticCache) -> list[int]:
        await cache.store(at(0), BODY, paid())
        return [len(kept.embedding) for shelf in cache._by_scope.values() for kept in shelf.entries.values()]

    assert Place().run(work) == [0]


def test_a_lone_field_is_asked_as_it_is_and_several_with_their_names() -> None:
    assert question({"message": "Where?"}) == "Where?"
    assert question({"b": "two", "a": "one"}) == question({"a": "one", "b": "two"}) == "a: one\nb: two"
