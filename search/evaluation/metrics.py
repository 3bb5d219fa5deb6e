"""The table of metrics, and the objective that fits a task."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

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
from .direction import Direction
from .own_metrics import FORMS, own_score
from .probabilities import brier_score, expected_calibration_error, log_loss
from .ranking import average_precision, mean_average_precision, mean_average_precision_voc11, roc_auc
from .thresholds import at_half, tuned_f1

MAXIMIZE, MINIMIZE = Direction.MAXIMIZE, Direction.MINIMIZE
ALL: frozenset[Task] = frozenset({"binary", "multiclass", "multilabel"})
BINARY: frozenset[Task] = frozenset({"binary"})
MULTICLASS: frozenset[Task] = frozenset({"multiclass"})
MULTILABEL: frozenset[Task] = frozenset({"multilabel"})


@dataclass(frozen=True)
class Metric:
    """One number that says how good answers are, with all that the rest of the package knows about it."""

    name: str
    """Its name in settings, tables and MLflow."""
    direction: Direction
    """The direction in which answers get better."""
    best: float
    """The value that perfect answers reach and nothing beats."""
    tasks: frozenset[Task]
    """The tasks that have this metric."""
    function: Callable[[Labels, Probabilities], float]
    """Takes labels and probabilities in the forms of this package's docstring, finite and at least one row."""
    description: str
    """One sentence on what it measures."""
    per_epoch: bool = False
    """Recorded after every epoch as well as at the end; for the few that show how a training goes."""
    counts_right_answers: bool = False
    """A share of right answers, so McNemar's test says whether two models differ in it."""
    by_rank: bool = False
    """Depends on the order of the probabilities of each class alone, so the scale of a model changes nothing."""
    of_probabilities: bool = False
    """Depends on the probabilities themselves, so a threshold changes nothing."""
    has_interval: bool = True
    """Its bootstrap interval holds the truth; False where resampling itself moves the score."""
    tuned_on_its_images: bool = False
    """Tunes thresholds on the very images it scores, so it flatters; left out of test scores unless asked for."""
    own: bool = False
    """Computed by the user's own model or `fit`, so it cannot be found out from answers."""

    def score(self, labels: Labels, probabilities: Probabilities) -> float:
        """Returns the metric's value; NaN without rows, or if a probability is NaN or infinite."""
        if len(labels) == 0 or not np.isfinite(probabilities).all():
            return math.nan
        return self.function(labels, probabilities)

    def judged(self, probabilities: Probabilities, thresholds: Sequence[float]) -> Probabilities:
        """Returns probabilities to score by this metric where a model answers at thresholds of its own.

        Args:
            probabilities: The model's probabilities.
            thresholds: The least probability to say yes per output; empty for 0.5.
        """
        if self.of_probabilities or not thresholds:
            return probabilities
        return at_half(probabilities, np.asarray(thresholds, np.float64))

    def better(self, value: float, than: float) -> bool:
        """Returns whether `value` beats `than`; NaN beats nothing and is beaten by any number."""
        if math.isnan(value) or math.isnan(than):
            return math.isnan(than) and not math.isnan(value)
        return self.direction.better(value, than)


_TABLE = (
    Metric(
        "accuracy",
        MAXIMIZE,
        1,
        BINARY | MULTICLASS,
        accuracy,
        "Share of right answers.",
        per_epoch=True,
        counts_right_answers=True,
    ),
    Metric(
        "balanced_accuracy",
        MAXIMIZE,
        1,
        BINARY | MULTICLASS,
        balanced_accuracy,
        "Mean recall of the classes that occur.",
        per_epoch=True,
    ),
    Metric(
        "roc_auc",
        MAXIMIZE,
        1,
        BINARY,
        roc_auc,
        "Chance that a positive image outranks a negative one.",
        per_epoch=True,
        by_rank=True,
    ),
    Metric(
        "average_precision",
        MAXIMIZE,
        1,
        BINARY,
        average_precision,
        "Area under the precision-recall curve.",
        per_epoch=True,
        by_rank=True,
    ),
    Metric("f1", MAXIMIZE, 1, BINARY, positive_f1, "Harmonic mean of precision and recall at 0.5.", per_epoch=True),
    Metric("precision", MAXIMIZE, 1, BINARY, positive_precision, "Share of answers 'positive' that are right, at 0.5."),
    Metric("recall", MAXIMIZE, 1, BINARY, positive_recall, "Share of positive images that are found, at 0.5."),
    Metric("mcc", MAXIMIZE, 1, BINARY, matthews_correlation, "Matthews correlation coefficient, -1 to 1."),
    Metric(
        "brier_score",
        MINIMIZE,
        0,
        BINARY,
        brier_score,
        "Mean squared error of the probability.",
        of_probabilities=True,
    ),
    Metric(
        "top3_accuracy",
        MAXIMIZE,
        1,
        MULTICLASS,
        top3_accuracy,
        "Share of images with their class among the three likeliest.",
        per_epoch=True,
    ),
    Metric(
        "macro_f1",
        MAXIMIZE,
        1,
        MULTICLASS | MULTILABEL,
        partial(averaged, "f1", "macro"),
        "Mean of the classes' F1.",
        per_epoch=True,
    ),
    Metric(
        "weighted_f1",
        MAXIMIZE,
        1,
        MULTICLASS | MULTILABEL,
        partial(averaged, "f1", "weighted"),
        "Mean of the classes' F1, weighted by images.",
    ),
    Metric(
        "micro_f1",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "f1", "micro"),
        "F1 of all answers pooled, at 0.5.",
        per_epoch=True,
    ),
    Metric(
        "micro_precision",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "precision", "micro"),
        "Precision of all answers pooled, at 0.5.",
        per_epoch=True,
    ),
    Metric(
        "macro_precision",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "precision", "macro"),
        "Mean of the classes' precision, at 0.5.",
    ),
    Metric(
        "weighted_precision",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "precision", "weighted"),
        "Mean of the classes' precision, weighted by images.",
    ),
    Metric(
        "micro_recall",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "recall", "micro"),
        "Recall of all answers pooled, at 0.5.",
        per_epoch=True,
    ),
    Metric(
        "macro_recall",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "recall", "macro"),
        "Mean of the classes' recall, at 0.5.",
    ),
    Metric(
        "weighted_recall",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(averaged, "recall", "weighted"),
        "Mean of the classes' recall, weighted by images.",
    ),
    Metric(
        "micro_f1_tuned",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(tuned_f1, "micro"),
        "Like micro_f1, at thresholds tuned on the same images.",
        tuned_on_its_images=True,
    ),
    Metric(
        "macro_f1_tuned",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(tuned_f1, "macro"),
        "Like macro_f1, at thresholds tuned on the same images.",
        tuned_on_its_images=True,
    ),
    Metric(
        "weighted_f1_tuned",
        MAXIMIZE,
        1,
        MULTILABEL,
        partial(tuned_f1, "weighted"),
        "Like weighted_f1, at thresholds tuned on the same images.",
        tuned_on_its_images=True,
    ),
    Metric(
        "map",
        MAXIMIZE,
        1,
        MULTILABEL,
        mean_average_precision,
        "Mean of the classes' average precision (area).",
        per_epoch=True,
        by_rank=True,
    ),
    Metric(
        "map_voc11",
        MAXIMIZE,
        1,
        MULTILABEL,
        mean_average_precision_voc11,
        "Mean of the classes' 11-point average precision (VOC 2007).",
        by_rank=True,
    ),
    Metric(
        "hamming_loss",
        MINIMIZE,
        0,
        MULTILABEL,
        hamming_loss,
        "Share of wrong yes-or-no answers, at 0.5.",
        per_epoch=True,
    ),
    Metric(
        "exact_match",
        MAXIMIZE,
        1,
        MULTILABEL,
        exact_match,
        "Share of images with every class right, at 0.5.",
        counts_right_answers=True,
    ),
    Metric(
        "log_loss",
        MINIMIZE,
        0,
        ALL,
        log_loss,
        "Mean negative log likelihood, in nats.",
        per_epoch=True,
        of_probabilities=True,
    ),
    Metric(
        "expected_calibration_error",
        MINIMIZE,
        0,
        ALL,
        expected_calibration_error,
        "Mean gap between the stated probability and the share that comes true.",
        of_probabilities=True,
        # Bins drawn with replacement vary more, and so lie further from the truth: a calibrated model's interval
        # would begin above its score.
        has_interval=False,
    ),
)
METRICS: dict[str, Metric] = {metric.name: metric for metric in _TABLE}


def for_task(task: Task, *, per_epoch: bool = False) -> list[Metric]:
    """Returns the metrics that a task has, or only those that are recorded after every epoch."""
    return [metric for metric in METRICS.values() if task in metric.tasks and (metric.per_epoch or not per_epoch)]


def evaluate(task: Task, labels: Labels, probabilities: Probabilities, *, per_epoch: bool = False) -> dict[str, float]:
    """Returns every metric of the task, or those recorded after every epoch, by name; NaN where one is undefined."""
    return {metric.name: metric.score(labels, probabilities) for metric in for_task(task, per_epoch=per_epoch)}


def default_objective(task: Task, dataset_objective: str | None = None) -> str:
    """Returns the objective of a search that is given none.

    Args:
        task: The data set's task.
        dataset_objective: The metric that the data set's own literature uses, if its adapter names one.

    Raises:
        UnknownNameError: The data set's objective is not a metric of the task.
    """
    if dataset_objective is not None:
        return resolve_objective(dataset_objective, task).name
    return {"binary": "roc_auc", "multiclass": "macro_f1", "multilabel": "map"}[task]


def task_objective(name: str, task: Task, direction: Direction | None) -> Metric:
    """Returns the metric that a training follows: one of ours, else one that the user's own model computes.

    Args:
        name: Its name.
        task: The data set's task.
        direction: Its direction, which must be known for a metric of the user's own.

    Raises:
        UnknownNameError: The task has no metric of that name, and no direction is given.
    """
    try:
        return resolve_objective(name, task)
    except UnknownNameError:
        if direction is None:
            raise
        return own_metric(name, direction)


def own_metric(name: str, direction: Direction) -> Metric:
    """Returns a metric that the user's own model or `fit` computes, under the name that it has there."""
    best = math.inf if direction is Direction.MAXIMIZE else -math.inf
    words = "Computed by the user's own model."
    return Metric(name, direction, best, ALL, lambda labels, probabilities: math.nan, words, own=True)


def resolve_objective(name: str, task: Task) -> Metric:
    """Returns the metric of that name, from the table or made from the name (`own_metrics`).

    Raises:
        UnknownNameError: The task has no metric of that name; the message lists those it has.
        SettingError: The name asks for a number, file or function that is wrong.
    """
    metric = METRICS.get(name)
    if metric is not None and task in metric.tasks:
        return metric
    own = own_score(name, task) if metric is None else None
    if own is None:
        raise UnknownNameError(f"{task} objective", name, (*(known.name for known in for_task(task)), *FORMS))
    return Metric(
        name,
        own.direction,
        own.best,
        frozenset({task}),
        own.function,
        own.description,
        of_probabilities=own.of_probabilities,
    )
