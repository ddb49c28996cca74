"""The exact cache: what was paid for is given again to the same request, while it is fresh and nobody touched it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

from assay.inference.caches.exact import LANE_SECONDS, ExactCache, ExactPolicy
from assay.inference.caches.key_value import CacheItem
from assay.inference.caches.keys import CacheKeys
from assay.inference.caches.protocol import CachedAnswer
from tests.fakes.key_value import MemoryStore
from tests.inference.caches.asked import DAY_S, LANE, START, SetClock, asked, body_of, paid

ASKED = asked()
BODY = body_of(ASKED)
KEYS = CacheKeys(b"k" * 32)


class Place:
    """A store and a clock that processes share; `cache` is what a process of its own sees."""

    def __init__(self) -> None:
        self.clock = SetClock()
        self.store = MemoryStore(now=self.clock)

    def cache(self, *, ttl_days: float = 7, not_before: float = 0.0, keys: CacheKeys = KEYS) -> ExactCache:
        policy = ExactPolicy(task="sorting", ttl_s=ttl_days * DAY_S, not_before=not_before)
        return ExactCache(self.store, keys, policy=policy, now=self.clock)

    def keep(self, *, body: bytes = BODY, cache: ExactCache | None = None, **answer: Any) -> None:
        asyncio.run((cache or self.cache()).store(ASKED, body, paid(**answer)))

    def find(self, cache: ExactCache | None = None, *, body: bytes = BODY) -> CachedAnswer | None:
        return now(lambda: (cache or self.cache()).find(ASKED, body, lane=LANE))


def now(work: Callable[[], Awaitable[Any]]) -> Any:
    async def run() -> Any:
        return await work()

    return asyncio.run(run())


def call_of(found: CachedAnswer | None) -> str | None:
    return found.call_id if found is not None else None


def test_a_repeat_gets_the_answer_with_the_call_that_was_paid_for() -> None:
    place = Place()
    place.keep(label="delivery", call_id="call-7")
    assert place.find() == CachedAnswer(
        output='{"label":"delivery"}', route="first", call_id="call-7", response_model="nano-1", source="exact_cache"
    )


def test_an_answer_is_given_until_its_lifetime_ends() -> None:
    place = Place()
    place.keep()
    place.clock.pass_days(6.99)
    assert place.find() is not None
    place.clock.pass_days(0.02)
    assert place.find() is None


def test_a_lifetime_that_was_shortened_holds_for_what_is_kept_already() -> None:
    place = Place()
    place.keep()
    place.clock.pass_days(2)
    assert place.find(place.cache(ttl_days=1)) is None
    assert place.find(place.cache(ttl_days=3)) is not None


def test_a_lifetime_that_was_prolonged_does_not_bring_back_what_expired() -> None:
    place = Place()
    place.keep()
    place.clock.pass_days(8)
    assert place.find(place.cache(ttl_days=30)) is None


def test_an_answer_older_than_the_run_may_reuse_is_not_given() -> None:
    place = Place()
    place.keep()
    assert place.find(place.cache(not_before=START)) is not None
    assert place.find(place.cache(not_before=START + 1)) is None


def test_a_later_answer_to_the_same_request_takes_the_place_of_the_first() -> None:
    place = Place()
    place.keep(call_id="call-1")
    place.keep(call_id="call-2")
    assert call_of(place.find()) == "call-2"


def test_another_model_under_the_same_name_expires_what_the_old_one_said() -> None:
    place = Place()
    place.keep(call_id="old", model="nano-1")
    place.keep(call_id="new", model="nano-2", body=body_of(asked("Another text")))
    assert place.find() is None
    assert call_of(place.find(body=body_of(asked("Another text")))) == "new"


def test_a_process_that_goes_on_learns_of_another_model_within_a_second() -> None:
    place = Place()
    place.keep(model="nano-1")
    going = place.cache()
    assert place.find(going) is not None
    place.keep(model="nano-2", body=body_of(asked("Another text")))
    place.clock.at += LANE_SECONDS
    assert place.find(going) is None


def test_a_model_change_leaves_other_lanes_alone() -> None:
    place = Place()
    place.keep(model="nano-1")
    place.keep(model="mini-2", lane="openai:gpt-5-mini", body=body_of(ASKED, model="gpt-5-mini"))
    assert place.find() is not None


def test_answers_of_an_endpoint_that_names_no_model_are_given_again() -> None:
    place = Place()
    place.keep(model=None)
    assert call_of(place.find()) == "call-1"


def test_an_answer_that_was_altered_is_a_miss() -> None:
    place = Place()
    place.keep(label="delivery")
    place.store.alter(lambda value: value.replace(b"delivery", b"refunded"))
    assert place.find() is None


def test_an_answer_that_was_moved_to_another_question_is_a_miss() -> None:
    place, other = Place(), body_of(asked("Another text"))
    place.keep(label="delivery")
    mine, theirs = (KEYS.entry(ASKED, body, lane=LANE) for body in (BODY, other))
    place.store.put(CacheItem(theirs, place.store.items[mine].value, START + DAY_S))
    assert place.find() is not None
    assert place.find(body=other) is None


def test_what_is_no_entry_at_all_is_a_miss() -> None:
    for rubbish in (b"", b"x", b"\x00" * 400):
        place = Place()
        place.keep()
        place.store.alter(lambda _, rubbish=rubbish: rubbish)
        assert place.find() is None


def test_another_projects_secret_finds_nothing() -> None:
    place = Place()
    place.keep()
    assert place.find(place.cache(keys=CacheKeys(b"other" * 8))) is None


def test_every_entry_about_a_person_is_tagged_for_erasure_and_the_lane_is_not() -> None:
    place, about = Place(), asked(subject_key="subject-1")
    asyncio.run(place.cache().store(about, BODY, paid()))
    tags = {item.tag: item.note is not None for item in place.store.items.values()}
    assert tags == {"subject-1": True, None: False}


def test_the_store_holds_neither_the_question_nor_the_tenant_in_the_clear() -> None:
    place, secret = Place(), asked("My PIN is 1234", tenant_id="acme", record_id="r-77")
    asyncio.run(place.cache().store(secret, body_of(secret), paid()))
    kept = b"".join(
        key + item.value + (item.note.text if item.note else b"") for key, item in place.store.items.items()
    )
    assert [word for word in (b"PIN", b"acme", b"r-77") if word in kept] == []


def test_a_trace_tells_which_parts_changed_since_the_answer_before() -> None:
    place = Place()
    place.keep(call_id="call-1")
    place.keep(call_id="call-2", body=body_of(ASKED, temperature=1, seed=3))
    trace = now(lambda: place.cache().trace(ASKED, LANE))
    assert trace.call_id == "call-2"
    assert trace.before.keys() == {"parameter temperature", "parameter seed"}


def test_a_first_answer_has_no_before_and_a_repeat_what_was_before_it() -> None:
    place = Place()
    place.keep(body=body_of(ASKED, temperature=1))
    assert now(lambda: place.cache().trace(ASKED, LANE)).before is None
    for _ in range(2):
        place.keep()
        assert now(lambda: place.cache().trace(ASKED, LANE)).before.keys() == {"parameter temperature"}


def test_an_altered_trace_is_none() -> None:
    place = Place()
    place.keep()
    place.store.alter_notes(lambda text: text[:-1] + b" ")
    assert now(lambda: place.cache().trace(ASKED, LANE)) is None


def test_a_trace_outlives_its_answer_so_that_an_expired_one_can_be_explained() -> None:
    place = Place()
    place.keep()
    place.clock.pass_days(20)
    trace = now(lambda: place.cache().trace(ASKED, LANE))
    assert (trace.stored_at, trace.expires_at) == (START, START + 7 * DAY_S)


def test_traces_are_kept_apart_by_record_tenant_epoch_and_lane() -> None:
    place = Place()
    place.keep()
    for other in (asked(record_id="r2"), asked(tenant_id="t"), asked(epoch=1)):
        assert now(lambda other=other: place.cache().trace(other, LANE)) is None
    assert now(lambda: place.cache().trace(ASKED, "other:lane")) is None
