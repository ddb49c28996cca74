"""A template that cannot be compiled is an issue with its line, and none fills the memory, whatever it computes."""

from __future__ import annotations

import time

import pytest
from jinja2.exceptions import SecurityError

from assay.tasks.templates import compiled, renderer
from tests.fakes.task_folder import TaskFolder

SIX = "Text: {{ message }}\n" * 5
LOOPS = "{% for a in 'b' %}" * 25 + "{% endfor %}" * 25
UNFIT = {
    "nested loops": (LOOPS, "too many statically nested blocks"),
    "parentheses": ("{{ " + "(" * 300 + "1" + ")" * 300 + " }}", "too deeply nested"),
    "lists": ("{{ " + "[" * 300 + "]" * 300 + " }}", "too deeply nested"),
    "conditions": ("{% if 1 %}" * 400 + "{% endif %}" * 400, "too deeply nested"),
    "sum": ("{{ " + "1 + " * 2000 + "1 }}", "too deeply nested"),
    "negations": ("{{ " + "not " * 2000 + "1 }}", "too deeply nested"),
    "filters": ("{{ 'a'" + "|upper" * 2000 + " }}", "too deeply nested"),
    "a number": ("{{ " + "9" * 5000 + " }}", "Exceeds the limit"),
    "an unknown filter": ("{{ message|nothing }}", "No filter named 'nothing'"),
    "a surplus end": ("{% endfor %}", "unknown tag 'endfor'"),
}
TOO_LARGE = [
    "'a' * 3000000000", "3000000000 * 'a'", "[1] * 3000000000", "(1,) * 3000000000", "10 ** 10000000000", "9 ** (9 ** 9)",
    "2 ** 60000 * 2 ** 60000", "'%999999999d'|format(1)", "'%999999999d' % 1", "'%*d' % (999999999, 1)",
    "'%.999999999f' % 1", "'%(a)999999999d'|format(a=1)", "'{:999999999}'.format(1)", "'{:>{}}'.format(1, 999999999)",
    "'{a:999999999}'.format_map({'a': 1})", "'a'.ljust(1000000000)", "'a'.rjust(10 ** 9)", "'a'.center(10 ** 9)",
    "'a'.zfill(10 ** 9)", "'a\t'.expandtabs(10 ** 9)", "'a\t'.expandtabs(tabsize=10 ** 9)", "'a'|center(10 ** 9)",
    "'a'|center(width=1000000000)", "'a'|indent(10 ** 9)", "'a'|indent(width=10 ** 9, first=true)", "[1]|batch(10 ** 9, 0)|list",
    "[1]|slice(10 ** 9)|list", "1|round(10 ** 9, 'ceil')", "lipsum(10 ** 9)", "lipsum(n=10 ** 9)",
    "('a' * 9000000).replace('a', 'bb')", "('a' * 9000000)|replace('a', 'bb')", "range(99999)|list|join('a' * 9000)",
    "('a' * 9000).join(('b' * 90000)|list)", "('a' * 9000000) + ('a' * 9000000)", "['a'] | map('center', 10 ** 9) | list",
]  # fmt: skip
ORDINARY = {
    "'ab' * 3": "ababab", "2 ** 10": "1024", "7 % 4": "3", "1 + 2": "3", "'a' + 'b'": "ab", "[1] + [2]": "[1, 2]",
    "'%05.1f|%s' % (1.25, 'a')": "001.2|a", "'%d%%'|format(5)": "5%", "'%(a)s'|format(a=1)": "1", "'{:>4}'.format(1)": "   1",
    "'{0:.2f} {a}'.format(1, a=2)": "1.00 2", "'a'|center(3)": " a ", "'a'.ljust(3)": "a  ", "'a\nb'|indent(2)": "a\n  b",
    "[1, 2, 3]|batch(2)|list": "[[1, 2], [3]]", "'abc'|replace('b', 'd')": "adc", "'a,b'.split(',')|join('-')": "a-b",
    "[{'a': 1}, {'a': 2}]|join(', ', attribute='a')": "1, 2", "1.256|round(2)": "1.26", "'-'.join(['a', 'b'])": "a-b",
    "[1, 2]|map('string')|join": "12", "2 ** -1": "0.5",
}  # fmt: skip


@pytest.mark.parametrize("kind", UNFIT)
@pytest.mark.parametrize("ahead", ["", SIX], ids=["first line", "line 6"])
def test_a_template_that_cannot_be_compiled_is_an_issue_with_its_line(
    folder: TaskFolder, kind: str, ahead: str
) -> None:
    text, problem = UNFIT[kind]
    folder.write("user.j2", ahead + text)
    (issue,) = folder.issues()
    assert issue.file.endswith("user.j2")
    assert problem in issue.problem
    assert issue.line == 1 + ahead.count("\n")


@pytest.mark.parametrize("expression", TOO_LARGE)
def test_a_result_without_bound_is_an_error_and_is_not_computed(expression: str) -> None:
    began = time.process_time()
    template = compiled("{{ " + expression + " }}")
    with pytest.raises(SecurityError, match="may have more than 10,000,000 characters or items"):
        template.render()
    assert time.process_time() - began < 5


@pytest.mark.parametrize("expression", ORDINARY)
def test_ordinary_operations_have_the_results_of_jinja(expression: str) -> None:
    assert renderer("{{ " + expression + " }}")({}) == ORDINARY[expression]


def test_a_template_that_would_fill_the_memory_is_an_issue_of_the_task(folder: TaskFolder) -> None:
    folder.write("user.j2", "{{ message }}\n{{ 'a' * 3000000000 }}")
    (issue,) = folder.issues()
    assert (issue.line, "SecurityError" in issue.problem) == (2, True)
