"""What a study searches for: one metric of the answers first, and with it, if wanted, what the network costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ...datasets.base import Task
from ...errors import SettingError, UnknownNameError
from ..evaluation.costs import COST_NAMES
from ..evaluation.metrics import Direction, for_task


@dataclass(frozen=True)
class Objective:
    name: str
    direction: Direction


def resolve_objectives(names: Sequence[str], task: Task) -> tuple[Objective, ...]:
    """The objectives by name, in order.

    Raises UnknownNameError for a name that is neither a metric of the task nor a cost, SettingError when the first
    is a cost or one comes twice.
    """
    if len(set(names)) < len(names):
        raise SettingError(f"each --objective may be given once, but got {', '.join(names)}")
    if names[0] in COST_NAMES:
        raise SettingError(
            f"the first --objective must be a metric of the answers, by which trials are pruned, but got '{names[0]}'"
        )
    return tuple(_resolve(name, task) for name in names)


def check_target_value(value: float | None, objective: Objective) -> None:
    """Raises SettingError for a value that the objective, a metric of the answers, never reaches."""
    if value is None:
        return
    # A metric to maximize is at most 1, one to minimize a loss or an error.
    if objective.direction == "maximize" and value > 1:
        raise SettingError(f"--target-value must be at most 1, the best {objective.name} there is, but got {value:g}")
    if objective.direction == "minimize" and value < 0:
        raise SettingError(f"--target-value must be at least 0, the best {objective.name} there is, but got {value:g}")


def _resolve(name: str, task: Task) -> Objective:
    if name in COST_NAMES:
        return Objective(name, "minimize")
    known = {metric.name: metric for metric in for_task(task)}
    if name not in known:
        raise UnknownNameError(f"{task} objective", name, (*known, *COST_NAMES))
    return Objective(name, known[name].direction)
