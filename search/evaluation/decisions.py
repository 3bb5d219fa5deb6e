"""The answers that probabilities give, and scores that count right and wrong ones.

Precision, recall and F1 are 0 where they are undefined (nothing predicted, nothing to find), as in scikit-learn
with `zero_division=0`. Averages over classes leave out a multiclass class that is neither true nor predicted in
any row, and keep every multilabel class, as scikit-learn does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels, unmasked

Probabilities = NDArray[np.float32]
Thresholds = float | NDArray[np.float64]
Floats = NDArray[np.float64]
Average = Literal["micro", "macro", "weighted"]


def answers(labels: Labels, probabilities: Probabilities, thresholds: Thresholds = 0.5) -> Labels:
    """Returns the answers that the probabilities give, in the form of `labels`.

    Args:
        labels: The true labels, which tell the task by their form.
        probabilities: Probabilities of the same rows.
        thresholds: The least probability to say yes, one for all classes or one per class; unused for multiclass.
    """
    if labels.ndim == 2:
        return np.asarray(probabilities >= thresholds, dtype=np.uint8)
    if probabilities.shape[1] == 1:
        return np.asarray(probabilities[:, 0] >= thresholds, dtype=np.int32)
    return np.asarray(probabilities.argmax(axis=1), dtype=np.int32)


def judged(labels: NDArray[Any], values: NDArray[Any]) -> tuple[NDArray[Any], NDArray[Any]]:
    """Leaves out masked labels, and the values at their places.

    Args:
        labels: Labels of any shape, masked where they do not count.
        values: One value per label, of the same shape.

    Returns:
        Both as they are where no label is masked, else flat.
    """
    if not np.ma.is_masked(labels):
        return np.ma.getdata(labels), values
    counting = ~np.ma.getmaskarray(labels)
    return np.ma.getdata(labels)[counting], values[counting]


@dataclass(frozen=True, eq=False)
class Counts:
    """Right and wrong answers of each class: int64 (classes,) each; two classes for a binary task."""

    hits: NDArray[np.int64]
    """Rows that carry the class and were given it."""
    predicted: NDArray[np.int64]
    """Rows that were given the class."""
    actual: NDArray[np.int64]
    """Rows that carry the class."""

    @property
    def precision(self) -> Floats:
        return _ratio(self.hits, self.predicted)

    @property
    def recall(self) -> Floats:
        return _ratio(self.hits, self.actual)

    @property
    def f1(self) -> Floats:
        return _ratio(2 * self.hits, self.predicted + self.actual)

    def total(self) -> Counts:
        """Returns all classes pooled into one, for micro averages."""
        return Counts(*(np.atleast_1d(column.sum()) for column in (self.hits, self.predicted, self.actual)))

    def seen(self) -> Counts:
        """Returns the counts without the classes that are neither true nor predicted in any row."""
        keep = (self.predicted + self.actual) > 0
        return Counts(self.hits[keep], self.predicted[keep], self.actual[keep])


def count(labels: Labels, probabilities: Probabilities, thresholds: Thresholds = 0.5) -> Counts:
    """Counts right and wrong answers of each class."""
    given = answers(labels, probabilities, thresholds)
    if labels.ndim == 2:
        # An answer counts only where its label does: both are no elsewhere.
        carried, given = unmasked(labels), np.where(np.ma.getmaskarray(labels), 0, given)
        columns = (carried & given, given, carried)
        return Counts(*(column.sum(axis=0, dtype=np.int64) for column in columns))
    classes = max(2, probabilities.shape[1])
    return Counts(*(np.bincount(part, minlength=classes) for part in (labels[labels == given], given, labels)))


def confusion_matrix(labels: Labels, given: Labels, classes: int) -> NDArray[np.int64]:
    """Returns the matrix of true classes (rows) and predicted ones (columns): int64 (classes, classes)."""
    return np.bincount(labels.astype(np.int64) * classes + given, minlength=classes**2).reshape(classes, classes)


def accuracy(labels: Labels, probabilities: Probabilities) -> float:
    return float((answers(labels, probabilities) == labels).mean())


def exact_match(labels: Labels, probabilities: Probabilities) -> float:
    right = answers(labels, probabilities) == np.ma.getdata(labels)
    return float((right | np.ma.getmaskarray(labels)).all(axis=1).mean())


def hamming_loss(labels: Labels, probabilities: Probabilities) -> float:
    labels, given = judged(labels, answers(labels, probabilities))
    return float((given != labels).mean())


def top3_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Share of rows whose class is among the three most probable; of equals, the first classes count."""
    own = probabilities[np.arange(len(labels)), labels][:, None]
    earlier = np.arange(probabilities.shape[1]) < labels[:, None]
    ahead = (probabilities > own) | ((probabilities == own) & earlier)
    return float((ahead.sum(axis=1) < 3).mean())


def balanced_accuracy(labels: Labels, probabilities: Probabilities) -> float:
    """Mean recall of the classes that some row carries."""
    counts = count(labels, probabilities)
    return float(counts.recall[counts.actual > 0].mean())


def matthews_correlation(labels: Labels, probabilities: Probabilities) -> float:
    """Matthews correlation coefficient, -1 to 1; 0 when labels or answers are all of one class."""
    given = answers(labels, probabilities)
    (tn, fp), (fn, tp) = confusion_matrix(labels, given, 2).astype(np.float64)
    scale = np.sqrt((tp + fp) * (tp + fn) * (tn + fp) * (tn + fn))
    return float((tp * tn - fp * fn) / scale) if scale else 0.0


def positive_precision(labels: Labels, probabilities: Probabilities) -> float:
    return float(count(labels, probabilities).precision[1])


def positive_recall(labels: Labels, probabilities: Probabilities) -> float:
    return float(count(labels, probabilities).recall[1])


def positive_f1(labels: Labels, probabilities: Probabilities) -> float:
    return float(count(labels, probabilities).f1[1])


def averaged(
    score: Literal["precision", "recall", "f1"],
    average: Average,
    labels: Labels,
    probabilities: Probabilities,
    thresholds: Thresholds = 0.5,
) -> float:
    """Precision, recall or F1 averaged over classes.

    Args:
        score: The score to average.
        average: "micro" pools all answers, "macro" is the plain mean, and "weighted" weighs each class by the rows
            that carry it (0 if none does).
        labels: The true labels.
        probabilities: Probabilities of the same rows.
        thresholds: As in `answers`.
    """
    counts = count(labels, probabilities, thresholds)
    if average == "micro":
        counts = counts.total()
    elif labels.ndim == 1:
        counts = counts.seen()
    values: Floats = getattr(counts, score)
    if average == "weighted":
        return float(_ratio((values * counts.actual).sum(), counts.actual.sum()))
    return float(values.mean())


def _ratio(numerator: NDArray[np.int64] | NDArray[np.float64], denominator: NDArray[np.int64]) -> Floats:
    values: Floats = numerator / np.maximum(denominator, 1)
    return values
