"""Objectives beyond the table of metrics: kappa, F-beta, worst recall, the cost of confusions, and a user's function.

They are computed where they are asked for: `kappa`, `worst_class_recall`, `fbeta:2`, `cost:costs.csv` and
`package.module:function`.
"""

from __future__ import annotations

import csv
import importlib
import math
import re
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from ...datasets.base import Labels, Task
from ...errors import SettingError
from ...spaces.registry import check_module
from ...text import named_line
from .decisions import Floats, Probabilities, answers, confusion_matrix, count
from .direction import Direction

FORMS = ("kappa", "worst_class_recall", "fbeta:2", "cost:FILE", "package.module:function")


@dataclass(frozen=True)
class OwnScore:
    """A score that is made from its name."""

    function: Callable[[Labels, Probabilities], float]
    """Takes labels and probabilities in the forms of this package's docstring."""
    direction: Direction
    """The direction in which answers get better."""
    best: float
    """The value that nothing beats; infinite where that is not known."""
    description: str
    """One sentence on what it measures."""
    of_probabilities: bool = False
    """Depends on the probabilities themselves, so a threshold changes nothing."""


def own_score(name: str, task: Task) -> OwnScore | None:
    """Returns the score of a name; None for a name of another form.

    Args:
        name: A name such as those in `FORMS`.
        task: The data set's task.

    Raises:
        SettingError: The name has such a form, but its number, file or function is wrong.
    """
    head, colon, rest = name.partition(":")
    if name == "worst_class_recall":
        return OwnScore(worst_class_recall, Direction.MAXIMIZE, 1, "Recall of the class that is found least.")
    if name == "kappa" and task != "multilabel":
        return OwnScore(cohens_kappa, Direction.MAXIMIZE, 1, "Agreement beyond chance, Cohen's kappa, -1 to 1.")
    if head == "fbeta" and colon:
        return _fbeta(rest, name)
    if head == "cost" and colon:
        if task == "multilabel":
            raise SettingError(f"--objective {name} needs one class per image, but this data has several labels")
        costs = read_costs(Path(rest))
        return OwnScore(
            partial(mean_cost, costs), Direction.MINIMIZE, float(costs.min()), "Mean cost of an answer, from a file."
        )
    return _users_function(name) if colon else None


def whole_name(name: str) -> str:
    """Returns the name of an objective with the path of its file from the root, so that it means the same anywhere."""
    head, colon, rest = name.partition(":")
    return f"cost:{Path(rest).absolute()}" if head == "cost" and colon else name


def worst_class_recall(labels: Labels, probabilities: Probabilities) -> float:
    """Recall of the class that is found least, of those that some row carries; NaN if none does."""
    counts = count(labels, probabilities)
    present = counts.actual > 0
    return float(counts.recall[present].min()) if present.any() else math.nan


def cohens_kappa(labels: Labels, probabilities: Probabilities) -> float:
    """Agreement of answers and labels beyond chance, -1 to 1; 0 where chance alone would agree fully."""
    matrix = confusion_matrix(labels, answers(labels, probabilities), max(2, probabilities.shape[1]))
    shares = matrix / matrix.sum()
    agreed, by_chance = float(np.trace(shares)), float(shares.sum(axis=0) @ shares.sum(axis=1))
    return (agreed - by_chance) / (1 - by_chance) if by_chance < 1 else 0.0


def fbeta(beta: float, labels: Labels, probabilities: Probabilities) -> float:
    """F-beta of the positive class, or the mean over classes where there are more; recall counts beta times as much."""
    counts = count(labels, probabilities)
    if labels.ndim == 1 and probabilities.shape[1] > 1:
        counts = counts.seen()
    weighed = (1 + beta**2) * counts.hits
    scores = weighed / np.maximum(beta**2 * counts.actual + counts.predicted, 1)
    return float(scores[1]) if labels.ndim == 1 and probabilities.shape[1] == 1 else float(scores.mean())


def mean_cost(costs: Floats, labels: Labels, probabilities: Probabilities) -> float:
    """Mean cost of an answer.

    Args:
        costs: Cost of each answer (columns) to each true class (rows), float64 (classes, classes).
        labels: The true labels.
        probabilities: Probabilities of the same rows.

    Raises:
        SettingError: There are more or fewer classes than rows.
    """
    classes = max(2, probabilities.shape[1])
    if len(costs) != classes:
        raise SettingError(f"the file of costs must have {classes} rows, one per class, but has {len(costs)}")
    return float(costs[labels, answers(labels, probabilities)].mean())


def read_costs(file: Path) -> Floats:
    """Reads a CSV file of costs: a row per true class, a column per answer, with or without names around them.

    Raises:
        SettingError: It is missing, or holds no square of numbers.
    """
    try:
        with file.open(encoding="utf-8", newline="") as lines:
            rows = [row for row in csv.reader(lines) if any(cell.strip() for cell in row)]
    except (OSError, UnicodeDecodeError) as error:
        raise SettingError(f"--objective cost:FILE: {file} cannot be read: {error}") from None
    if rows and not _is_number(rows[0][-1]):
        rows = rows[1:]
    cells = [row if _is_number(row[0]) else row[1:] for row in rows]
    if (
        not cells
        or any(len(row) != len(cells) for row in cells)
        or not all(_is_number(cell) for row in cells for cell in row)
    ):
        raise SettingError(
            f"--objective cost:FILE must name a CSV file with a row per true class and a column per answer, all "
            f"finite numbers, but {file} holds something else"
        )
    return np.array([[float(cell) for cell in row] for row in cells], dtype=np.float64)


def _is_number(text: str) -> bool:
    try:
        return math.isfinite(float(text))
    except ValueError:
        return False


def _fbeta(text: str, name: str) -> OwnScore:
    if not _is_number(text) or not 0 < float(text) <= 100:
        raise SettingError(
            f"--objective fbeta:B needs a number above 0, at most 100, such as fbeta:2, but got '{name}'"
        )
    beta = float(text)
    described = f"F-beta, in which recall counts {beta:g} times as much as precision."
    return OwnScore(partial(fbeta, beta), Direction.MAXIMIZE, 1, described)


def _users_function(name: str) -> OwnScore | None:
    if not re.fullmatch(r"[^\W\d]\w*(\.[^\W\d]\w*)*:[^\W\d]\w*", name):
        return None
    check_module("--objective", name)
    module_name, _, attribute = name.partition(":")
    here = str(Path.cwd())
    if here not in sys.path:
        # A module beside the user's data, as with --space.
        sys.path.append(here)
    try:
        function: Any = getattr(importlib.import_module(module_name), attribute)
    # A script may end the program as it is imported.
    except (Exception, SystemExit) as error:
        raise SettingError(f"--objective {name} cannot be imported: {named_line(error)}") from None
    direction = getattr(function, "direction", "maximize")
    if not callable(function) or direction not in ("maximize", "minimize"):
        raise SettingError(
            f"--objective {name} must be a function of labels and probabilities, whose attribute 'direction', if it "
            "has one, is 'maximize' or 'minimize'"
        )
    aim = Direction(direction)
    endless = math.inf if aim is Direction.MAXIMIZE else -math.inf
    described = (function.__doc__ or "A function of the user's own.").strip().splitlines()[0]
    return OwnScore(
        partial(_called, name, function),
        aim,
        float(getattr(function, "best", endless)),
        described,
        of_probabilities=True,
    )


def _called(name: str, function: Callable[..., Any], labels: Labels, probabilities: Probabilities) -> float:
    value = function(labels, probabilities)
    try:
        return float(value)
    except (TypeError, ValueError):
        raise SettingError(f"--objective {name} must return a number, but returned {value!r:.60}") from None
