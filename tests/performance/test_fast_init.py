"""A class with the quick constructor behaves as without it."""

from __future__ import annotations

from dataclasses import FrozenInstanceError, dataclass, field, replace

import pytest

from assay.performance.fast_init import quick_init


@dataclass(frozen=True, slots=True, kw_only=True)
class Base:
    name: str


@quick_init
@dataclass(frozen=True, slots=True, kw_only=True)
class Named(Base):
    count: int = 3
    tags: list[str] = field(default_factory=list)


@quick_init
@dataclass(frozen=True, slots=True)
class Placed:
    first: int
    second: str = "b"

    def __post_init__(self) -> None:
        if self.first < 0:
            raise ValueError("negative")


def test_fields_defaults_and_inherited_fields_are_set() -> None:
    made = Named(name="x")

    assert (made.name, made.count, made.tags) == ("x", 3, [])
    assert made.tags is not Named(name="y").tags
    assert made == Named(name="x", count=3, tags=[])


def test_an_instance_stays_frozen_and_can_be_replaced() -> None:
    made = Placed(1)

    with pytest.raises(FrozenInstanceError):
        made.first = 2  # type: ignore[misc]
    assert replace(made, second="c") == Placed(1, "c")


@pytest.mark.parametrize("arguments", [{}, {"name": "x", "other": 1}])
def test_what_is_missing_or_unknown_is_refused(arguments: dict[str, object]) -> None:
    with pytest.raises(TypeError):
        Named(**arguments)  # type: ignore[arg-type]


def test_a_check_after_construction_is_still_made() -> None:
    with pytest.raises(ValueError, match="negative"):
        Placed(-1)
