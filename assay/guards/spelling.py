"""Finds runs of digits as people and scanners write them: with any separators, and with letters read for digits.

A scanner reads 0 as O, 1 as I or l, 2 as Z, 5 as S, 8 as B. The text must be folded. All patterns take linear time.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property

READ_AS = str.maketrans("OoIilSsBZz", "0011155822")
DIGIT = "0-9OoIilSsBZz"
SEPARATOR = r"\s.,\-/_()\[\]{}|:*~'"
_RUN = re.compile(rf"[0-9](?:[{SEPARATOR}]{{0,4}}+[{DIGIT}])*+")
_LETTERS = frozenset("OoIilSsBZz")
_SEPARATORS = re.compile(rf"[{SEPARATOR}]")
_MOST_SEPARATORS = 4
_CHUNK = re.compile(rf"[{DIGIT}]+")
CLAIMED = "\0"


@dataclass(frozen=True, slots=True)
class DigitGroup:
    """Adjacent characters that may all be digits."""

    start: int
    end: int
    digits: str
    letters: int
    """Number of letters among them."""

    @property
    def is_word(self) -> bool:
        """True if all of them are letters."""
        return self.letters == len(self.digits)


@dataclass(frozen=True)
class Window:
    """Adjacent chunks of a run; `before` and `after` are the chunks around them, if any."""

    text: str
    chunks: tuple[DigitGroup, ...]
    before: DigitGroup | None
    after: DigitGroup | None

    @property
    def start(self) -> int:
        """Position of the first digit."""
        return self.chunks[0].start

    @property
    def end(self) -> int:
        """Position after the last digit."""
        return self.chunks[-1].end

    @cached_property
    def digits(self) -> str:
        """The digits alone, letters read as digits."""
        return "".join(chunk.digits for chunk in self.chunks)

    @cached_property
    def shape(self) -> tuple[int, ...]:
        """Number of digits in each chunk."""
        return tuple(len(chunk.digits) for chunk in self.chunks)

    @cached_property
    def letters(self) -> int:
        """Number of letters that were read as digits."""
        return sum(chunk.letters for chunk in self.chunks)

    @cached_property
    def separators(self) -> tuple[str, ...]:
        """The text between the chunks."""
        return tuple(
            self.text[left.end : right.start] for left, right in zip(self.chunks, self.chunks[1:], strict=False)
        )

    @property
    def is_uniform(self) -> bool:
        """True if all separators are equal."""
        return len(set(self.separators)) <= 1

    @property
    def is_glued(self) -> bool:
        """True if a letter touches the number."""
        return self.text[max(0, self.start - 1) : self.start].isalpha() or self.text[self.end : self.end + 1].isalpha()

    @property
    def continues(self) -> bool:
        """True if digits before or after are separated like those within, as in a table or a list."""
        around = [self.text[self.before.end : self.start]] if self.before else []
        around += [self.text[self.end : self.after.start]] if self.after else []
        return bool(set(around) & set(self.separators))


def digit_runs(text: str, *, fewest: int) -> Iterator[list[DigitGroup]]:
    """The chunks of each run that has a digit and at least `fewest` characters, in order of position."""
    done = 0
    for run in _RUN.finditer(text):
        begin, done = _leftmost(text, run.start(), done), run.end()
        if run.end() - begin < fewest:
            continue
        start = _after_letters(text, begin, run.end())
        end = _before_letters(text, start, run.end())
        chunks = [_chunk(match) for match in _CHUNK.finditer(text, start, end)]
        if chunks:
            yield chunks


def _leftmost(text: str, start: int, floor: int) -> int:
    """Start of the letters before the first digit that may be digits, too, with their separators."""
    position, separators = start - 1, 0
    while position >= floor and separators <= _MOST_SEPARATORS:
        if text[position] in _LETTERS:
            start, separators = position, 0
        elif _SEPARATORS.match(text, position):
            separators += 1
        else:
            break
        position -= 1
    return start


def matches(
    text: str, at: Callable[[list[DigitGroup], int], Window | None], *, fewest: int
) -> Iterator[tuple[int, int]]:
    """Start and end of each window that `at` returns for a run's chunks and the first of them, without overlaps."""
    for chunks in digit_runs(text, fewest=fewest):
        first = 0
        while first < len(chunks):
            found = at(chunks, first)
            if found:
                yield found.start, found.end
            first += len(found.chunks) if found else 1


def windows(text: str, chunks: list[DigitGroup], first: int, *, digits: range) -> Iterator[Window]:
    """Windows that begin with the chunk `first` and have a number of digits in the range, longest first."""
    total, found = 0, []
    for last in range(first, len(chunks)):
        total += len(chunks[last].digits)
        if total >= digits.stop:
            break
        if total in digits:
            before = chunks[first - 1] if first else None
            after = chunks[last + 1] if last + 1 < len(chunks) else None
            found.append(Window(text, tuple(chunks[first : last + 1]), before, after))
    return reversed(found)


def _chunk(match: re.Match[str]) -> DigitGroup:
    read = match.group()
    letters = sum(map(str.isalpha, read))
    return DigitGroup(match.start(), match.end(), read.translate(READ_AS) if letters else read, letters)


def _after_letters(text: str, start: int, end: int) -> int:
    """Start without letters that belong to the word before, as in SSN536-22-1234."""
    if start and text[start - 1].isalpha():
        while start < end and text[start].isalpha():
            start += 1
    return start


def _before_letters(text: str, start: int, end: int) -> int:
    if text[end : end + 1].isalpha():
        while start < end and text[end - 1].isalpha():
            end -= 1
    return end


def without(text: str, extents: list[tuple[int, int]]) -> str:
    """The text with a control character for each character of the extents, which are in order of position."""
    return spliced(text, [(start, CLAIMED * (end - start)) for start, end in extents])


def spliced(text: str, replaced: list[tuple[int, str]]) -> str:
    """The text with each replacement written over the characters from its position on; they are in order of position."""
    if not replaced:
        return text
    pieces, done = [], 0
    for start, others in replaced:
        pieces += [text[done:start], others]
        done = start + len(others)
    return "".join([*pieces, text[done:]])
