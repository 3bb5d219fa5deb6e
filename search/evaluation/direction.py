"""The direction of an objective: whether higher or lower values are better."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from enum import Enum
from typing import TypeVar

T = TypeVar("T")


class Direction(str, Enum):
    """Equal to its name as Optuna and JSON write it, `maximize` or `minimize`."""

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
        """Returns the value turned so that less is better."""
        return -value if self is Direction.MAXIMIZE else value

    def best(self, candidates: Iterable[T], value: Callable[[T], float]) -> T | None:
        """Returns the first of the best candidates, or None if there are none."""
        return min(candidates, key=lambda candidate: self.loss(value(candidate)), default=None)
