"""Rubrics: the criterion and the scale of a judge, one file each, in the task folder or shipped with Assay."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from enum import StrEnum
from functools import cache
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, create_model, model_validator

from assay.tasks.block import Block, LocatedError
from assay.tasks.files import is_inside, is_present
from assay.tasks.issues import ValidationIssue, YamlDocument, shown
from assay.tasks.judge_spec import JudgeSpec
from assay.tasks.output_model import strict_schema

BUILTIN_DIR = Path(__file__).with_name("rubrics")
DEFAULT_PROMPT, MATERIAL, PAIR_PROMPT = "prompt.j2", "material.j2", "pair_prompt.j2"
PROMPT_VARIABLES = frozenset({"criterion", "question", "guidance", "anchors"})
FEWEST_LEVELS, MOST_LEVELS = 2, 10
CODE_VERSION = 1
"""Increase this number when code changes the prompt of a judge or the way its ratings are combined."""

Text = Annotated[str, Field(min_length=1)]


class BinaryLabel(StrEnum):
    """Labels of a binary scale, in rubric files, judge responses and landed rows."""

    PASS = "pass"
    FAIL = "fail"


PASS, FAIL = BinaryLabel.PASS.value, BinaryLabel.FAIL.value
"""Plain strings, because they are also JSON keys."""


class BinaryScale(Block):
    """The descriptions of the two verdicts."""

    passes: Annotated[Text, Field(alias=PASS)]
    fails: Annotated[Text, Field(alias=FAIL)]


class Rubric(Block):
    """One criterion with either a binary scale or numbered levels; each verdict or level has a description.

    `ordered: false` states that the levels are categories without an order: agreement with people is then not weighted
    by distance, and there is no mean. `needs` names the keys of `sees` that a judge must set; `prompt` is a Jinja template that replaces the default
    instructions.
    """

    criterion: Text
    question: Text
    guidance: str = ""
    binary: BinaryScale | None = None
    levels: Annotated[dict[int, Text], Field(min_length=FEWEST_LEVELS, max_length=MOST_LEVELS)] | None = None
    ordered: bool = True
    needs: tuple[Literal["sources", "reference"], ...] = ()
    prompt: Text | None = None

    @model_validator(mode="after")
    def _has_one_scale(self) -> Rubric:
        if (self.binary is None) == (self.levels is None):
            raise LocatedError((("levels",), "set exactly one of `binary` and `levels`"))
        if not self.ordered and self.levels is None:
            raise LocatedError(
                (("ordered",), "`ordered: false` needs `levels`; a binary scale has no order to set aside")
            )
        return self

    @property
    def anchors(self) -> str:
        """Each verdict or level with its description, one per line."""
        if self.levels is not None:
            return "\n".join(f"level {level}: {text.strip()}" for level, text in sorted(self.levels.items()))
        assert self.binary is not None  # the validator guarantees one of the two
        return f"{PASS}: {self.binary.passes.strip()}\n{FAIL}: {self.binary.fails.strip()}"


class JudgeVote(BaseModel):
    """Fields of every judge response; the verdict comes after its reasons, so that it follows from them."""

    model_config = ConfigDict(extra="forbid")

    explanation: str = Field(min_length=1, description="The reasons, before the verdict.")


def vote_model(rubric: Rubric) -> type[JudgeVote]:
    """Returns the schema of a judge response: an explanation, then `verdict` (pass, fail) or `level`."""
    if rubric.levels is None:
        verdict: Any = Literal[PASS, FAIL]
        return create_model("Opinion", __base__=JudgeVote, verdict=(verdict, Field(description="What it comes to.")))
    levels: Any = Annotated[Literal[tuple(sorted(rubric.levels))], BeforeValidator(_integer)]
    return create_model("Opinion", __base__=JudgeVote, level=(levels, Field(description="The level it comes to.")))


def _integer(value: object) -> object:
    """Returns the value, and rejects booleans, which Python treats as integers."""
    if isinstance(value, bool):
        raise ValueError("expected a level, not true or false")
    return value


def is_builtin(name: str) -> bool:
    """True if the name refers to a rubric shipped with Assay, not to a file in the task folder."""
    return "." not in name


def builtin_names() -> tuple[str, ...]:
    """Names of the rubrics shipped with Assay."""
    return tuple(sorted(path.stem for path in BUILTIN_DIR.glob("*.yml")))


@cache
def shipped_text(name: str) -> str:
    """Returns the text of a file in the folder of the shipped rubrics."""
    return (BUILTIN_DIR / name).read_text("utf-8")


def read_rubric(
    name: str, folder: Path, *, shown_as: Callable[[str], str], issues: list[ValidationIssue]
) -> Rubric | None:
    """Returns the rubric; on errors, appends them to `issues` and returns None. Requires that the file exists."""
    builtin = is_builtin(name)
    path = BUILTIN_DIR / f"{name}.yml" if builtin else folder / name
    document = YamlDocument(path, shown_as=f"rubric {name}" if builtin else shown_as(name))
    if document.issues:
        issues += document.issues
        return None
    if not isinstance(document.value, dict):
        issues.append(ValidationIssue(document.file, 1, "a mapping of keys", shown(document.value)))
        return None
    try:
        rubric = Rubric.model_validate(document.value)
    except ValidationError as error:
        issues += document.issues_of(error)
        return None
    prompt_issues = list(_prompt_issues(rubric.prompt, document)) if rubric.prompt is not None else []
    issues += prompt_issues
    return None if prompt_issues else rubric


def rubric_missing(name: str, folder: Path) -> bool:
    """True if no rubric file exists for the name."""
    if is_builtin(name):
        return name not in builtin_names()
    return not (is_inside(folder / name, folder) and is_present(folder / name))


def judge_content(judge: JudgeSpec, rubric: Rubric) -> Mapping[str, Any]:
    """Returns everything that determines a judge's scores; scores are comparable only if it is equal."""
    return {
        "code": CODE_VERSION,
        "rubric": rubric.model_dump(
            mode="json", by_alias=True, exclude={"prompt", *(("ordered",) if rubric.ordered else ())}
        ),
        "prompt": rubric.prompt or shipped_text(DEFAULT_PROMPT),
        "material": shipped_text(MATERIAL),
        "schema": strict_schema(vote_model(rubric)),
        "jurors": [[juror.name, juror.lane] for juror in judge.routes],
        "parameters": judge.parameters,
        "sees": judge.sees.model_dump(mode="json"),
        "epochs": judge.epochs,
        "jury": judge.jury,
        "passes": judge.passes,
    }


def _prompt_issues(prompt: str, document: YamlDocument) -> list[ValidationIssue]:
    from assay.tasks.templates import reads, syntax_issue

    line, wanted = document.line(["prompt"]), ", ".join(sorted(PROMPT_VARIABLES))
    if issue := syntax_issue(prompt):
        return [ValidationIssue(document.file, line, problem=f"`prompt` is {issue.problem}")]
    unknown = reads(prompt) - PROMPT_VARIABLES
    found = [
        ValidationIssue(document.file, line, problem=f"unknown variable `{name}` in `prompt`; expected one of {wanted}")
        for name in sorted(unknown)
    ]
    if "anchors" not in reads(prompt):
        problem = "`prompt` does not use {{ anchors }}, the descriptions of the verdicts; add it"
        found.append(ValidationIssue(document.file, line, problem=problem))
    return found
