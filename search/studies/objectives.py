"""The objectives of a study: a metric of the answers first, then further metrics or costs of the network."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...datasets.base import Labels, Task
from ...errors import SettingError, UnknownNameError, UserError
from ...text import named_line
from ..evaluation.baselines import label_frequencies
from ..evaluation.costs import COSTS
from ..evaluation.direction import Direction
from ..evaluation.metrics import Metric, for_task, resolve_objective
from ..evaluation.own_metrics import FORMS, whole_name

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


def check_target_value(value: float | None, objective: Objective, task: Task) -> None:
    """Refuses a value that the objective, a metric of the answers, can never reach.

    Args:
        value: The value; None where none is asked for.
        objective: The objective.
        task: The data set's task.

    Raises:
        SettingError: The value is better than the best there is.
    """
    if objective.own:
        return
    best = resolve_objective(objective.name, task).best
    if value is not None and objective.direction.better(value, best):
        bound = "most" if objective.direction is Direction.MAXIMIZE else "least"
        raise SettingError(
            f"--target-value must be at {bound} {best:g}, the best {objective.name} there is, but got {value:g}"
        )


def check_computable(objective: Objective, task: Task, labels: Labels, outputs: int) -> None:
    """Computes a metric once, of class frequencies, so that one that cannot be computed is refused before any training.

    Args:
        objective: The objective, a metric of the answers.
        task: The data set's task.
        labels: Labels of the validation images.
        outputs: Columns of a network's probabilities.

    Raises:
        SettingError: The metric's file does not fit the classes, or the user's function fails.
    """
    if objective.own:
        return
    metric: Metric = resolve_objective(objective.name, task)
    try:
        metric.score(labels, label_frequencies(task, labels, outputs))
    except UserError:
        raise
    except Exception as error:
        raise SettingError(f"--objective {objective.name} cannot be computed: {named_line(error)}") from None


def _resolve(name: str, task: Task) -> Objective:
    own, _, direction = name.rpartition(":")
    if own and direction in _OWN_DIRECTIONS:
        return Objective(own.removeprefix("val_"), _OWN_DIRECTIONS[direction], own=True)
    if name in COSTS:
        return Objective(name, COSTS[name].direction)
    try:
        metric = resolve_objective(name, task)
    except UnknownNameError:
        known = [metric.name for metric in for_task(task)]
        raise UnknownNameError(f"{task} objective", name, (*known, *FORMS, *COSTS)) from None
    return Objective(whole_name(metric.name), metric.direction)
