"""Checks of the grounded_answer task that need code: what the sources of an answer must be."""

from __future__ import annotations

import re

PASSAGE = re.compile(r"^\[(p\d)\]", re.MULTILINE)


def sources_known(subject):
    """True when each passage that the answer names was given."""
    return set(subject.output["sources"]) <= set(PASSAGE.findall(subject.input["passages"]))


def sources_right(subject):
    """True when the answer rests on the passages that a person would name, in whatever order."""
    return set(subject.output["sources"]) == set(subject.expected["sources"])
