"""The table of metrics, and the objective that fits a task."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np

from ...datasets.base import Labels, Task
from ...errors import UnknownNameError
from .decisions import (
    Probabilities,
    accuracy,
    averaged,
    balanced_accuracy,
    exact_match,
    hamming_loss,
    matthews_correlation,
    positive_f1,
    positive_precision,
    positive_recall,
    top3_accuracy,
)
from .probabilities import brier_score, expected_calibration_error, log_loss
from .ranking import average_precision, mean_average_precision, mean_average_precision_voc11, roc_auc
from .thresholds import tuned_f1

Direction = Literal["maximize", "minimize"]
ALL: frozenset[Task] = frozenset({"binary", "multiclass", "multilabel"})
BINARY: frozenset[Task] = frozenset({"binary"})
MULTICLASS: frozenset[Task] = frozenset({"multiclass"})
MULTILABEL: frozenset[Task] = frozenset({"multilabel"})


@dataclass(frozen=True)
class Metric:
    """One number that says how good answers are.

    function: (labels, probabilities), in the forms this package's docstring gives, both finite and not empty,
    to a float. per_epoch: among the few that are recorded after every epoch.
    """

    name: str
    direction: Direction
    tasks: frozenset[Task]
    function: Callable[[Labels, Probabilities], float]
    per_epoch: bool
    description: str

    def score(self, labels: Labels, probabilities: Probabilities) -> float:
        """The metric's value; NaN without rows, or with a probability that is NaN or infinite."""
        if len(labels) == 0 or not np.isfinite(probabilities).all():
            return math.nan
        return self.function(labels, probabilities)

    def better(self, value: float, than: float) -> bool:
        """Whether `value` beats `than`; NaN beats nothing and is beaten by any number."""
        if math.isnan(value) or math.isnan(than):
            return math.isnan(than) and not math.isnan(value)
        return value > than if self.direction == "maximize" else value < than


_TABLE = (
    Metric("accuracy", "maximize", BINARY | MULTICLASS, accuracy, True, "Share of right answers."),
    Metric(
        "balanced_accuracy",
        "maximize",
        BINARY | MULTICLASS,
        balanced_accuracy,
        True,
        "Mean recall of the classes that occur.",
    ),
    Metric("roc_auc", "maximize", BINARY, roc_auc, True, "Chance that a positive image outranks a negative one."),
    Metric("average_precision", "maximize", BINARY, average_precision, True, "Area under the precision-recall curve."),
    Metric("f1", "maximize", BINARY, positive_f1, True, "Harmonic mean of precision and recall at 0.5."),
    Metric(
        "precision",
        "maximize",
        BINARY,
        positive_precision,
        False,
        "Share of answers 'positive' that are right, at 0.5.",
    ),
    Metric("recall", "maximize", BINARY, positive_recall, False, "Share of positive images that are found, at 0.5."),
    Metric("mcc", "maximize", BINARY, matthews_correlation, False, "Matthews correlation coefficient, -1 to 1."),
    Metric("brier_score", "minimize", BINARY, brier_score, False, "Mean squared error of the probability."),
    Metric(
        "top3_accuracy",
        "maximize",
        MULTICLASS,
        top3_accuracy,
        True,
        "Share of images with their class among the three likeliest.",
    ),
    Metric(
        "macro_f1",
        "maximize",
        MULTICLASS | MULTILABEL,
        partial(averaged, "f1", "macro"),
        True,
        "Mean of the classes' F1.",
    ),
    Metric(
        "weighted_f1",
        "maximize",
        MULTICLASS | MULTILABEL,
        partial(averaged, "f1", "weighted"),
        False,
        "Mean of the classes' F1, weighted by images.",
    ),
    Metric(
        "micro_f1", "maximize", MULTILABEL, partial(averaged, "f1", "micro"), True, "F1 of all answers pooled, at 0.5."
    ),
    Metric(
        "micro_precision",
        "maximize",
        MULTILABEL,
        partial(averaged, "precision", "micro"),
        False,
        "Precision of all answers pooled, at 0.5.",
    ),
    Metric(
        "macro_precision",
        "maximize",
        MULTILABEL,
        partial(averaged, "precision", "macro"),
        False,
        "Mean of the classes' precision, at 0.5.",
    ),
    Metric(
        "weighted_precision",
        "maximize",
        MULTILABEL,
        partial(averaged, "precision", "weighted"),
        False,
        "Mean of the classes' precision, weighted by images.",
    ),
    Metric(
        "micro_recall",
        "maximize",
        MULTILABEL,
        partial(averaged, "recall", "micro"),
        False,
        "Recall of all answers pooled, at 0.5.",
    ),
    Metric(
        "macro_recall",
        "maximize",
        MULTILABEL,
        partial(averaged, "recall", "macro"),
        False,
        "Mean of the classes' recall, at 0.5.",
    ),
    Metric(
        "weighted_recall",
        "maximize",
        MULTILABEL,
        partial(averaged, "recall", "weighted"),
        False,
        "Mean of the classes' recall, weighted by images.",
    ),
    Metric(
        "micro_f1_tuned",
        "maximize",
        MULTILABEL,
        partial(tuned_f1, "micro"),
        False,
        "Like micro_f1, at thresholds tuned on the same images.",
    ),
    Metric(
        "macro_f1_tuned",
        "maximize",
        MULTILABEL,
        partial(tuned_f1, "macro"),
        False,
        "Like macro_f1, at thresholds tuned on the same images.",
    ),
    Metric(
        "weighted_f1_tuned",
        "maximize",
        MULTILABEL,
        partial(tuned_f1, "weighted"),
        False,
        "Like weighted_f1, at thresholds tuned on the same images.",
    ),
    Metric(
        "map", "maximize", MULTILABEL, mean_average_precision, True, "Mean of the classes' average precision (area)."
    ),
    Metric(
        "map_voc11",
        "maximize",
        MULTILABEL,
        mean_average_precision_voc11,
        False,
        "Mean of the classes' 11-point average precision (VOC 2007).",
    ),
    Metric("hamming_loss", "minimize", MULTILABEL, hamming_loss, True, "Share of wrong yes-or-no answers, at 0.5."),
    Metric(
        "exact_match", "maximize", MULTILABEL, exact_match, False, "Share of images with every class right, at 0.5."
    ),
    Metric("log_loss", "minimize", ALL, log_loss, True, "Mean negative log likelihood, in nats."),
    Metric(
        "expected_calibration_error",
        "minimize",
        ALL,
        expected_calibration_error,
        False,
        "Mean gap between probability and how often it comes true.",
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}


def for_task(task: Task, *, per_epoch: bool = False) -> list[Metric]:
    """The metrics that a task has, or only the few that are recorded after every epoch."""
    return [metric for metric in METRICS.values() if task in metric.tasks and (metric.per_epoch or not per_epoch)]


def evaluate(task: Task, labels: Labels, probabilities: Probabilities, *, per_epoch: bool = False) -> dict[str, float]:
    """Every metric of the task (or the few recorded after every epoch) by name; NaN where one is undefined."""
    return {metric.name: metric.score(labels, probabilities) for metric in for_task(task, per_epoch=per_epoch)}


def default_objective(task: Task, dataset_objective: str | None = None) -> str:
    """What a search aims at unless told otherwise.

    dataset_objective: the one the data set's own literature uses, when its adapter names one.
    Raises UnknownNameError when that one is no metric of the task.
    """
    if dataset_objective is not None:
        return resolve_objective(dataset_objective, task).name
    return {"binary": "roc_auc", "multiclass": "macro_f1", "multilabel": "map"}[task]


def resolve_objective(name: str, task: Task) -> Metric:
    """The metric called `name`. Raises UnknownNameError, listing the task's metrics, when it has none of that name."""
    metric = METRICS.get(name)
    if metric is None or task not in metric.tasks:
        raise UnknownNameError(f"{task} objective", name, (known.name for known in for_task(task)))
    return metric
