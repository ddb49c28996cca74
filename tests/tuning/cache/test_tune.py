"""Tuning measures what the cache would do: it masks and embeds as a run, and chooses what the pairs support."""

from __future__ import annotations

from collections.abc import Iterator
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from assay.errors import ServiceUnreachable, UsageError
from assay.inference.caches.vectors import NEIGHBORS
from assay.tasks.spec import SemanticCacheSpec
from assay.tuning.cache.pairs import QuestionPair
from assay.tuning.cache.render import rows, task_yml
from assay.tuning.cache.threshold import HitCounts, ThresholdChoice, ThresholdRule, counts_at
from assay.tuning.cache.tune import Tuning, neighborhoods, tune
from tests.end_to_end.workplace import numbered_rows
from tests.fakes.embedding_endpoint import NgramVectors
from tests.fakes.embedding_model_endpoint import EmbeddingModelEndpoint
from tests.runs.bench import Bench

EMBEDDED = {"provider": "openai", "model": "text-embedding-3-small"}
NOT_TUNED = {"semantic": EMBEDDED}
SYLLABLES = ("ba", "do", "fi", "gu", "ke", "lo", "mi", "nu", "po", "re")


@pytest.fixture
def model() -> Iterator[EmbeddingModelEndpoint]:
    with EmbeddingModelEndpoint() as endpoint:
        yield endpoint


def word(number: int) -> str:
    return "".join(SYLLABLES[int(digit)] for digit in f"{number:04}")


def pair(a: str, b: str, *, same: bool = True, answer: str | None = None) -> QuestionPair:
    return QuestionPair({"text": a}, {"text": b}, same, answer)


def pairs(count: int) -> list[QuestionPair]:
    """Questions about things, each with the same question put otherwise and with one about another thing."""
    things = [(word(number), word(number + 1)) for number in range(0, 2 * count, 2)]
    alike = [pair(f"where is the {thing}", f"where is the {thing}, please?") for thing, _ in things]
    return alike + [pair(f"where is the {thing}", f"where is the {other}", same=False) for thing, other in things]


def measured(bench: Bench, task: str, labelled: list[QuestionPair]) -> Tuning:
    project = bench.project
    return tune(project, project.task(task), labelled)


def similarity(a: str, b: str) -> float:
    one, other = (NgramVectors().vector(text) for text in (a, b))
    return float(one @ other / np.linalg.norm(one) / np.linalg.norm(other))


def choice(
    status: str, *, rule: ThresholdRule | None = None, hits: int = 400, needed: int | None = None
) -> ThresholdChoice:
    counts = HitCounts(questions=1000, hits=hits, false_hits=0, most_false=0.0075)
    return ThresholdChoice(
        status=status,
        rule=rule,
        looked_at=rule or ThresholdRule(0.0, 0.9),
        chosen=counts,
        held_out=counts,
        questions_needed=needed,
    )


def tuning(found: ThresholdChoice, **changes: Any) -> Tuning:
    facts = {"answer_usd": Decimal("0.01"), "embedding_usd": Decimal("0.0001"), "embedding_tokens": 9, **changes}
    return Tuning(pairs=2100, identical=100, choice=found, **facts)


def told(measured: Tuning) -> dict[str, str]:
    return dict(rows(measured))


def test_a_threshold_is_found_that_tells_the_pairs_apart(bench: Bench, name: str) -> None:
    labelled = pairs(700)
    found = measured(bench, bench.place.task(name, cache=NOT_TUNED), labelled)
    assert (found.choice.status, found.questions, found.pairs, found.identical) == ("ok", 700, 1400, 0)
    assert found.choice.rule is not None
    assert found.choice.held_out.hits > 340 and found.choice.held_out.false_hits == 0
    right, wrong = (
        [similarity(one.a["text"], one.b["text"]) for one in labelled if one.same is same] for same in (True, False)
    )
    assert max(wrong) < found.choice.rule.threshold <= sorted(right)[10]


def test_exact_repeats_are_left_out_and_counted(bench: Bench, name: str) -> None:
    repeats = [pair(f"text {number}", f"text {number}") for number in range(5)]
    found = measured(bench, bench.place.task(name, cache=NOT_TUNED), pairs(20) + repeats)
    assert (found.pairs, found.identical, found.questions, found.choice.status) == (45, 5, 20, "too_few")


def test_every_text_is_embedded_once_and_its_price_is_told(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    labelled = pairs(20)
    found = measured(bench, bench.place.task(name, cache=NOT_TUNED), labelled)
    texts = {text for one in labelled for text in (one.a["text"], one.b["text"])}
    assert sorted(model.embedded) == sorted(texts)
    tokens = sum(len(text) // 4 + 1 for text in texts)
    assert found.embedding_tokens == tokens
    assert found.embedding_usd == pytest.approx(
        Decimal(tokens) * Decimal("0.02") / 1_000_000 / len(texts), rel=Decimal("0.01")
    )
    assert (found.answer_usd, found.saving_usd_per_1000) == (None, None)


def test_texts_leave_masked_as_in_a_run(bench: Bench, model: EmbeddingModelEndpoint, name: str) -> None:
    task = bench.place.task(name, cache=NOT_TUNED, masking={"enabled": True})
    labelled = [pair("I am ann@example.com, hi", "I am bob@example.org, hello"), *pairs(2)]
    measured(bench, task, labelled)
    assert [text for text in model.embedded if "example" in text] == []
    assert {"I am <EMAIL_1>, hi", "I am <EMAIL_1>, hello"} <= set(model.embedded)


def test_what_a_call_has_cost_comes_from_landed_answers(bench: Bench, name: str) -> None:
    place = bench.place
    task = place.task(name, cache=NOT_TUNED)
    run = bench.run(task, input=place.rows("in.csv", numbered_rows(4)))
    found = measured(bench, task, pairs(10))
    assert run.cost_usd is not None and found.answer_usd is not None
    assert float(found.answer_usd) == pytest.approx(float(run.cost_usd) / 4)


def test_a_task_without_embeddings_is_told_what_to_add(bench: Bench, name: str) -> None:
    with pytest.raises(
        UsageError, match=r"has no `cache\.semantic`, which sets the provider and model .* add it without"
    ):
        measured(bench, bench.place.task(name), pairs(5))


@pytest.mark.parametrize(
    "labelled", [[], [pair("same", "same")], [pair("one", "other")]], ids=["none", "repeat", "one"]
)
def test_too_few_questions_are_refused_with_what_is_needed(
    bench: Bench, name: str, labelled: list[QuestionPair]
) -> None:
    with pytest.raises(
        UsageError, match=r"Too few distinct questions: the \d pairs contain .* expected at least 2; .* several hundred"
    ):
        measured(bench, bench.place.task(name, cache=NOT_TUNED), labelled)


def test_an_endpoint_that_gives_no_embeddings_is_told_of(
    bench: Bench, model: EmbeddingModelEndpoint, name: str
) -> None:
    model.has_embeddings = False
    with pytest.raises(
        ServiceUnreachable,
        match=r"Computing embeddings for task .* failed: HTTP 503 from openai; check the provider in providers\.yml",
    ):
        measured(bench, bench.place.task(name, cache=NOT_TUNED), pairs(100))
    assert len(model.embeddings.texts) == 1


def test_a_question_counts_once_with_its_neighbors_nearest_first() -> None:
    vectors = {
        name: np.asarray(vector, dtype=np.float32)
        for name, vector in {"q": (1, 0), "near": (0.96, 0.28), "far": (0.6, 0.8), "other": (0, 1)}.items()
    }
    asked = [
        ("q", "far", pair("q", "far", same=False)),
        ("q", "near", pair("q", "near")),
        ("far", "other", pair("f", "o")),
    ]
    first, second = neighborhoods(asked, vectors)
    assert [(round(near.similarity, 2), near.same) for near in first] == [(0.96, True), (0.6, False)]
    assert [round(near.similarity, 2) for near in second] == [0.8]
    assert counts_at([first], ThresholdRule(0.0, 0.9)).false_hits == 0


def test_a_pair_that_is_labelled_both_ways_counts_as_wrong() -> None:
    vectors = {name: np.asarray(vector, dtype=np.float32) for name, vector in {"q": (1, 0), "b": (0.96, 0.28)}.items()}
    for labels in ((True, False), (False, True)):
        [question] = neighborhoods([("q", "b", pair("q", "b", same=same)) for same in labels], vectors)
        assert [near.same for near in question] == [False]


def test_no_more_neighbors_count_than_the_cache_looks_at() -> None:
    vectors = {"q": np.asarray((1, 0), dtype=np.float32)}
    angles = np.linspace(0.1, 1, NEIGHBORS + 20)
    vectors |= {f"b{number}": np.asarray((np.cos(x), np.sin(x)), dtype=np.float32) for number, x in enumerate(angles)}
    [question] = neighborhoods([("q", name, pair("q", name)) for name in vectors if name != "q"], vectors)
    assert len(question) == NEIGHBORS
    assert question[0].similarity == pytest.approx(np.cos(0.1), abs=1e-6)


def test_a_saving_is_calls_not_made_less_what_embeddings_cost() -> None:
    found = tuning(choice("ok", rule=ThresholdRule(0.0, 0.9)))
    assert found.saving_usd_per_1000 == 1000 * (Decimal("0.4") * Decimal("0.01") - Decimal("0.0001"))
    assert told(found)["saving"] == "$3.90 of $10.00 per 1,000 questions, after the cost of embeddings ($0.100000)"


def test_a_rule_is_told_with_its_evidence_and_the_hit_rate_of_questions_held_out() -> None:
    found = told(tuning(choice("ok", rule=ThresholdRule(0.05, 0.91))))
    assert found["verdict"] == "qualifies"
    assert found["rule"] == (
        "similarity of at least 0.9100, and 0.0500 above the nearest question with a different answer"
    )
    assert found["held-out half"] == (
        "hits: 400 of 1,000 questions; false hits: 0; precision 100.00%, false-hit rate at most 0.75%"
    )
    assert found["hit rate"].startswith("40.0% of questions like these")


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"answer_usd": None}, "unknown: no priced call of this task has landed yet"),
        (
            {"embedding_usd": None},
            "unknown: the embeddings have no price (add one to assay/inference/prices.yml); a call costs $0.010000 on average",
        ),
    ],
)
def test_a_saving_that_cannot_be_known_says_why(changes: dict[str, Any], said: str) -> None:
    assert told(tuning(choice("ok", rule=ThresholdRule(0.0, 0.9)), **changes))["saving"] == said


def test_without_a_rule_it_says_what_would_help() -> None:
    few = told(tuning(choice("too_few", needed=2392)))
    assert "too few questions" in few["verdict"] and "about 2,392 distinct questions" in few["needed"]
    hopeless = told(tuning(choice("too_many_false")))
    assert "a different embedding model" in hopeless["needed"]
    assert not {"rule", "saving", "hit rate"} & (few.keys() | hopeless.keys())


def test_no_hit_is_said_to_be_no_hit() -> None:
    assert told(tuning(choice("too_many_false", hits=0)))["held-out half"] == "no hits in 1,000 questions"


def test_the_block_for_task_yml_is_one_that_the_task_takes(bench: Bench, name: str) -> None:
    import yaml

    spec = SemanticCacheSpec(**EMBEDDED, ttl="3 days")
    block = yaml.safe_load(task_yml(spec, ThresholdRule(0.05, 0.91)))
    task = bench.project.task(bench.place.task(name, **block))
    assert task.spec.cache.semantic == SemanticCacheSpec(**EMBEDDED, ttl="3 days", threshold=0.91, margin=0.05)
    assert "margin" not in task_yml(spec, ThresholdRule(0.0, 0.91))
