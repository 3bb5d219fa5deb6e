"""The direction of an objective: whether higher or lower values are better."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Direction(str, Enum):
    """Equal to the text that Optuna and JSON hold, `maximize` or `minimize`, and printed as that text."""

    MAXIMIZE = "maximize"
    MINIMIZE = "minimize"

    def __str__(self) -> str:
        return self.value

    def __format__(self, spec: str) -> str:
        return format(self.value, spec)

    def better(self, value: float, other: float) -> bool:
        """Returns whether `value` is better than `other`; never true of NaN."""
        return value > other if self is Direction.MAXIMIZE else value < other

    def loss(self, value: float) -> float:
        """Returns the value, its sign turned where needed so that less is better."""
        return -value if self is Direction.MAXIMIZE else value

    def best(self, candidates: Iterable[T], value: Callable[[T], float]) -> T | None:
        """Returns the first of the best candidates, or None if there are none; no value may be NaN."""
        return min(candidates, key=lambda candidate: self.loss(value(candidate)), default=None)
