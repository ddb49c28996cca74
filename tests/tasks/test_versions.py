"""Each of the four hashes changes with its own matter and with nothing else."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from assay.tasks.task import Versions
from tests.fakes.task_folder import TaskFolder, case

Change = Callable[[TaskFolder], None]


def edited(old: str, new: str, file: str = "task.yml") -> Change:
    return lambda folder: folder.edit(old, new, file=file)


def with_cases(*cases: object) -> Change:
    return lambda folder: folder.write_cases(*cases)


DEV, DEV_2, GATE = case("dev-1", "dev"), case("dev-2", "dev"), case("gate-1")
CHANGES: dict[str, tuple[set[str], Change]] = {
    "a template": ({"inference"}, edited("You sort", "You sift", "system.j2")),
    "a parameter": ({"inference"}, edited("temperature: 0", "temperature: 0.5")),
    "a model": ({"inference"}, edited("gpt-5-nano", "gpt-5-mini")),
    "a provider": ({"inference"}, edited("provider: cheap", "provider: dear")),
    "masking": ({"inference"}, edited("variants:", "masking:\n  enabled: false\nvariants:")),
    "the masked kinds": ({"inference"}, edited("variants:", "masking:\n  entities: [US_SSN]\nvariants:")),
    "which examples": ({"inference"}, edited("few_shot: [dev-1]", "few_shot: [dev-2]")),
    "the order of examples": ({"inference"}, edited("few_shot: [dev-1]", "few_shot: [dev-1, dev-2]")),
    "an example's text": ({"inference", "golden_set"}, with_cases(case("dev-1", "dev", input={"message": "?"}), DEV_2, GATE)),
    "the answer's schema": ({"inference"}, edited('"billing", "other"', '"billing", "other", "refund"', "output.py")),
    "one more gate case": ({"golden_set"}, with_cases(DEV, DEV_2, GATE, case("gate-2"))),
    "one more dev case": ({"golden_set"}, with_cases(DEV, DEV_2, case("dev-3", "dev"), GATE)),
    "a case's label": ({"golden_set"}, with_cases(DEV, DEV_2, case("gate-1", expected={"label": "other"}))),
    "a case's split": ({"golden_set"}, with_cases(DEV, case("dev-2", "gate"), GATE)),
    "the order of cases": (set(), with_cases(GATE, DEV_2, DEV)),
    "a case's author": (set(), with_cases(DEV, DEV_2, case("gate-1", author="the support team"))),
    "the cron": ({"policy"}, edited("0 6 * * *", "0 7 * * *")),
    "a threshold": ({"policy"}, edited("reliability: 0.8", "reliability: 0.9")),
    "the fallback": ({"policy"}, edited("    label: other", "    label: billing")),
    "a time limit": ({"policy"}, edited("model: gpt-5-nano", "model: gpt-5-nano\n    timeout_s: 5")),
    "what is correct": ({"policy"}, edited("correct: [label_right]", "correct: [label_right, mine]")),
    "turns": ({"inference", "policy"}, edited("record_id: id", "record_id: id\n  conversation: {id: talk, turn: n}")),
    "the custom check's file": ({"mine"}, edited("< 10", "< 11", "checks.py")),
    "a check's parameter": ({"label_right"}, edited("type: exact_match", "type: exact_match\n    ignore_case: true")),
    "a comment": (set(), edited("owner: data-team", "owner: data-team  # us")),
    "the owner": (set(), edited("owner: data-team", "owner: other-team")),
}  # fmt: skip


def moved(before: Versions, after: Versions) -> set[str]:
    return {name for name, value in parts(before).items() if parts(after)[name] != value}


def parts(versions: Versions) -> dict[str, str]:
    return {
        "inference": versions.inference,
        "golden_set": versions.golden_set,
        "policy": versions.policy,
        **versions.scorers,
    }


@pytest.mark.parametrize("what", CHANGES)
def test_a_change_moves_the_hashes_that_it_concerns_and_no_other(folder: TaskFolder, what: str) -> None:
    moved, change = CHANGES[what]
    before = parts(folder.load().versions)

    change(folder)

    after = parts(folder.load().versions)
    assert {name for name in before if before[name] != after[name]} == moved


def test_a_variant_moves_the_inference_hash_alone(folder: TaskFolder) -> None:
    before, after = parts(folder.load().versions), parts(folder.load("warm").versions)

    assert {name for name in before if before[name] != after[name]} == {"inference"}


def test_the_same_folder_elsewhere_has_the_same_hashes(
    folder: TaskFolder, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert TaskFolder(tmp_path_factory.mktemp("elsewhere")).load().versions == folder.load().versions


JUDGES = """\
judges:
  - name: apt
    rubric: relevance
    passes: 3
    routes:
      - {name: one, provider: cheap, model: gpt-5-nano}
      - {name: two, provider: cheap, model: gpt-5-mini}
  - name: safe
    rubric: safety
    routes:
      - {name: one, provider: cheap, model: gpt-5-nano}
"""


def test_the_hashes_are_those_that_earlier_versions_of_assay_landed(folder: TaskFolder) -> None:
    """A different hash requests and pays for every landed prediction, and judges it, again."""
    folder.edit("correct:", f"{JUDGES}correct:")

    assert parts(folder.load().versions) == {
        "inference": "e0e804d0a2a75e68",  # version 2 of the masking rules; 43b40d7cf0d137a1 with version 1
        "golden_set": "59c90f27da11f0db",
        "policy": "fab9250cc82b0332",
        "label_right": "48c48cfc85656619",
        "mine": "49e2c802a3097e8b",
        "apt": "5bef1f2d3244af44",
        "safe": "e37fa63826b6ce28",
    }


def test_any_of_the_four_moves_the_task_version(folder: TaskFolder) -> None:
    before = folder.load().versions.task_version_id
    folder.edit("reliability: 0.8", "reliability: 0.9")

    assert folder.load().versions.task_version_id != before


def test_how_long_a_conversation_is_kept_is_policy_and_a_turn_of_a_case_is_of_the_golden_set(
    folder: TaskFolder,
) -> None:
    folder.edit("record_id: id", "record_id: id\n  conversation: {id: talk, turn: n, ttl: 30 days}")
    before = folder.load().versions
    folder.edit("ttl: 30 days", "ttl: 10 days")
    longer = folder.load().versions
    folder.write_cases(DEV, DEV_2, case("gate-1", conversation="c", turn=1))
    placed = folder.load().versions
    assert moved(before, longer) == {"policy"}
    assert moved(longer, placed) == {"golden_set"}
