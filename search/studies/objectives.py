"""The objectives of a study: a metric of the answers first, then further metrics or costs of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...datasets.base import Task
from ...errors import SettingError, UnknownNameError
from ..evaluation.costs import COSTS
from ..evaluation.direction import Direction
from ..evaluation.metrics import METRICS, for_task

_OWN_DIRECTIONS = {"max": Direction.MAXIMIZE, "min": Direction.MINIMIZE}


@dataclass(frozen=True)
class Objective:
    """A metric or a cost that a study searches by."""

    name: str
    """The metric's or cost's name."""
    direction: Direction
    """The direction in which it gets better."""
    own: bool = False
    """Computed by the user's own model, not by us."""


def resolve_objectives(names: Sequence[str], task: Task) -> tuple[Objective, ...]:
    """Returns the objectives of these names, in order.

    A name that ends in `:max` or `:min` is that of a metric which the user's own model computes, or its `fit` returns.

    Raises:
        UnknownNameError: A name is neither a metric of the task nor a cost.
        SettingError: The first one is a cost, or one comes twice.
    """
    if len(set(names)) < len(names):
        raise SettingError(f"each --objective may be given once, but got {', '.join(names)}")
    if names[0] in COSTS:
        raise SettingError(
            f"the first --objective must be a metric of the answers, by which trials are pruned, but got '{names[0]}'"
        )
    return tuple(_resolve(name, task) for name in names)


def check_target_value(value: float | None, objective: Objective) -> None:
    """Refuses a value that the objective, a metric of the answers, can never reach.

    Raises:
        SettingError: The value is better than the best there is.
    """
    if objective.own:
        return
    best = METRICS[objective.name].best
    if value is not None and objective.direction.better(value, best):
        bound = "most" if objective.direction is Direction.MAXIMIZE else "least"
        raise SettingError(
            f"--target-value must be at {bound} {best:g}, the best {objective.name} there is, but got {value:g}"
        )


def _resolve(name: str, task: Task) -> Objective:
    own, _, direction = name.rpartition(":")
    if own and direction in _OWN_DIRECTIONS:
        return Objective(own.removeprefix("val_"), _OWN_DIRECTIONS[direction], own=True)
    if name in COSTS:
        return Objective(name, COSTS[name].direction)
    known = {metric.name: metric for metric in for_task(task)}
    if name not in known:
        raise UnknownNameError(f"{task} objective", name, (*known, *COSTS))
    return Objective(name, known[name].direction)
