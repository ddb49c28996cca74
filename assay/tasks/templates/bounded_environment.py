"""Jinja templates of users: sandboxed, and an operation with a result of more than `MAX_SIZE` characters is an error."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sized
from functools import wraps
from itertools import islice
from typing import Any

from jinja2.exceptions import SecurityError
from jinja2.runtime import Context
from jinja2.sandbox import ImmutableSandboxedEnvironment

MAX_SIZE = 10_000_000
"""Characters or items; far more than any model reads."""
MAX_BITS = 65_536
"""Bits of an integer."""
TAB = 8
PERCENT_WIDTH = re.compile(r"%(?:\([^)]*\))?[-+ #0]*(\*|\d*)(?:\.(\*|\d*))?")
FORMAT_WIDTH = re.compile(r":[^{}]*?(\d+|\{)[^{}]*")
Size = Callable[..., int]
"""The size of the result of a function, by the function's arguments, at least roughly."""


def _number(value: object, default: int = 0) -> int:
    return int(value) if isinstance(value, int) else default


def _replaced(text: object, old: object = "", new: object = "", *_: object, **__: object) -> int:
    return str(text).count(str(old)) * len(str(new))


def _joined(items: Iterable[object], separator: object = "", *_: object, **__: object) -> int:
    if not isinstance(items, Sized):
        return 0  # a generator of a filter, whose items would be used up
    lengths = [len(item) if isinstance(item, str) else TAB for item in islice(items, MAX_SIZE)]
    return sum(lengths) + len(lengths) * len(str(separator))


def _indented(text: object, width: object = 4, *_: object, **__: object) -> int:
    return (str(text).count("\n") + 1) * (len(width) if isinstance(width, str) else _number(width))


def _tabs(text: str, width: object = TAB, **named: object) -> int:
    return text.count("\t") * _number(named.get("tabsize", width))


def _numbers(_: object, *values: object, **named: object) -> int:
    """The largest integer among the arguments of a function that pads to it."""
    return max((_number(value) for value in (*values, *named.values())), default=0)


def _words(n: object = 5, html: object = True, min: object = 20, max: object = 100) -> int:  # noqa: ARG001, FBT002
    return _number(n) * _number(max) * TAB


FILTERS: dict[str, Size] = {
    "batch": _numbers, "center": _numbers, "format": lambda text, *_, **__: _percent_width(str(text)), "indent": _indented, "join": _joined, "replace": _replaced,
    "round": lambda *values, **named: _numbers(*values, **named) * 10_000, "slice": _numbers,
}  # fmt: skip
METHODS: dict[str, Size] = {
    "center": _numbers, "expandtabs": _tabs, "ljust": _numbers, "replace": _replaced, "rjust": _numbers,
    "join": lambda separator, items, *_: _joined(items, separator), "zfill": _numbers,
}  # fmt: skip


class BoundedEnvironment(ImmutableSandboxedEnvironment):
    """Nothing is computed when a template is compiled; what it computes later has a bound for each operation."""

    intercepted_binops = frozenset(("*", "**", "%", "+"))

    def __init__(self, **options: Any) -> None:
        super().__init__(optimized=False, **options)
        for name, size in FILTERS.items():
            self.filters[name] = _bounded(name, size, self.filters[name])
        lipsum: Any = self.globals["lipsum"]
        self.globals["lipsum"] = _bounded("lipsum", _words, lipsum)

    def call_binop(self, context: Context, operator: str, left: Any, right: Any) -> Any:
        """The result of the operator.

        Raises:
            SecurityError: it would be too large.
        """
        _require(f"`{operator}`", _operator_size(operator, left, right))
        return super().call_binop(context, operator, left, right)

    def call(self, context: Context, function: Any, /, *values: Any, **named: Any) -> Any:
        """The result of the call.

        Raises:
            SecurityError: it would be too large, or the sandbox refuses the call.
        """
        owner, name = getattr(function, "__self__", None), getattr(function, "__name__", "")
        if isinstance(owner, (str, bytes)) and name in METHODS:
            _require(name, _size(METHODS[name], (owner, *values), named))
        return super().call(context, function, *values, **named)

    def wrap_str_format(self, value: Any) -> Callable[..., str] | None:
        """Returns the sandboxed form of `str.format`, which refuses large widths and those that are fields."""
        wrapped = super().wrap_str_format(value)
        if wrapped is None:
            return None

        @wraps(wrapped)
        def bounded(*values: Any, **named: Any) -> str:
            widths = FORMAT_WIDTH.findall(value.__self__)
            _require("format", max((MAX_SIZE + 1 if each == "{" else _digits(each) for each in widths), default=0))
            return wrapped(*values, **named)

        return bounded


def _bounded(name: str, size: Size, function: Callable[..., Any]) -> Callable[..., Any]:
    passed = 1 if hasattr(function, "jinja_pass_arg") else 0

    @wraps(function)
    def bounded(*values: Any, **named: Any) -> Any:
        _require(name, _size(size, values[passed:], named))
        return function(*values, **named)

    return bounded


def _size(size: Size, values: tuple[Any, ...], named: dict[str, Any]) -> int:
    try:
        return size(*values, **named)
    except TypeError:  # the function itself states which arguments it expects
        return 0


def _operator_size(operator: str, left: Any, right: Any) -> int:
    numbers = isinstance(left, int) and isinstance(right, int)
    if operator == "%":
        return _percent_width(left) if isinstance(left, str) else 0
    if operator == "+":
        return len(left) + len(right) if isinstance(left, Sized) and isinstance(right, Sized) else 0
    if operator == "**":
        return _integer_size(left.bit_length() * max(right, 0)) if numbers else 0
    if numbers:
        return _integer_size(left.bit_length() + right.bit_length())
    items, count = (left, right) if isinstance(right, int) else (right, left)
    return len(items) * count if isinstance(items, Sized) and isinstance(count, int) else 0


def _integer_size(bits: int) -> int:
    return MAX_SIZE + 1 if bits > MAX_BITS else 0


def _percent_width(text: str) -> int:
    widths = [width for found in PERCENT_WIDTH.findall(text) for width in found if width]
    return max((MAX_SIZE + 1 if width == "*" else _digits(width) for width in widths), default=0)


def _digits(text: str) -> int:
    return int(text) if len(text) <= len(str(MAX_SIZE)) else MAX_SIZE + 1


def _require(what: str, size: int) -> None:
    if size > MAX_SIZE:
        raise SecurityError(f"the result of {what} may have more than {MAX_SIZE:,} characters or items")
