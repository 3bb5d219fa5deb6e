"""The gain and the price of accepting only answers above a minimum probability."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Floats, Probabilities, answers

MINIMA: Floats = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class AcceptanceScores:
    """Precision, recall and F1 at each minimum probability of `MINIMA`.

    Each is float64: (101,) for all classes together, (classes, 101) for the classes one by one.
    """

    precision: Floats
    """Share of accepted answers that are right; NaN where none is accepted."""
    recall: Floats
    """Share of what is there to find that is accepted and right."""

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall; 0 where nothing is accepted."""
        total = np.nan_to_num(self.precision) + self.recall
        return np.divide(
            2 * np.nan_to_num(self.precision) * self.recall, total, out=np.zeros_like(total), where=total > 0
        )


@dataclass(frozen=True, eq=False)
class Certainty:
    """The certainty of each row's best answer, with its correctness; (n,) each."""

    best: Floats
    """The highest probability."""
    gap: Floats
    """Its distance to the second highest."""
    spread: Floats
    """The standard deviation of the probabilities over the classes."""
    right: NDArray[np.bool_]
    """True where the answer is right; for multilabel, where the row carries the most probable class."""


@dataclass(frozen=True)
class Accepted:
    """The answers of a model that says "unknown" below a minimum probability."""

    minimum: float
    """The minimum probability."""
    images: int
    """Images that were asked."""
    coverage: float
    """Share of them that get an answer."""
    accuracy: float
    """Share of the answers given that are right; of several labels per image each one is an answer; NaN if none is."""
    low: float
    """Lower end of the accuracy's 95 % interval (Wilson)."""
    high: float
    """Upper end of it."""

    def __str__(self) -> str:
        if self.coverage == 0:
            return f"At least {self.minimum:g} sure, it answers none of {self.images:,} images."
        return (
            f"At least {self.minimum:g} sure, it answers {self.coverage:.1%} of {self.images:,} images, and "
            f"{self.accuracy:.1%} of these answers are right (95 % interval {self.low:.1%} to {self.high:.1%})."
        )


def accepted(
    labels: Labels, probabilities: Probabilities, minimum: float, thresholds: Sequence[float] = ()
) -> Accepted:
    """Returns coverage and accuracy of the answers that are at least so probable.

    Args:
        labels: Labels of the images.
        probabilities: A model's answers to them.
        minimum: The minimum probability.
        thresholds: The least probability to say yes per output; empty for 0.5.
    """
    from scipy.stats import binomtest

    given = answers(labels, probabilities, np.asarray(thresholds or 0.5, np.float64))
    if labels.ndim == 2:
        named = (given == 1) & (probabilities >= minimum)
        covered, right, total = named.any(axis=1), int((named & (labels == 1)).sum()), int(named.sum())
    else:
        columns = class_probabilities(probabilities)
        covered = columns[np.arange(len(labels)), given] >= minimum
        right, total = int((covered & (given == labels)).sum()), int(covered.sum())
    if not total:
        return Accepted(minimum, len(labels), 0.0, math.nan, math.nan, math.nan)
    interval = binomtest(right, total).proportion_ci(method="wilson")
    return Accepted(
        minimum, len(labels), float(covered.mean()), right / total, float(interval.low), float(interval.high)
    )


def class_probabilities(probabilities: Probabilities) -> Probabilities:
    """Returns one column per class: the one column of a binary task becomes two."""
    if probabilities.shape[1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=1)


def acceptance_scores(labels: Labels, probabilities: Probabilities) -> tuple[AcceptanceScores, AcceptanceScores]:
    """Returns scores over `MINIMA`, of all answers together and of each class.

    A row answers its most probable class (binary, multiclass) or every class (multilabel); an answer counts once
    its probability reaches the minimum.
    """
    columns = probabilities if labels.ndim == 2 else class_probabilities(probabilities)
    classes = columns.shape[1]
    if labels.ndim == 2:
        offered, truth = np.ones(columns.shape, dtype=bool), labels == 1
    else:
        offered = columns.argmax(axis=1)[:, None] == np.arange(classes)
        truth = labels[:, None] == np.arange(classes)
    accepted = np.stack([_reaching(columns[offered[:, c], c]) for c in range(classes)])
    right = np.stack([_reaching(columns[offered[:, c] & truth[:, c], c]) for c in range(classes)])
    actual = truth.sum(axis=0)
    overall = _scores(right.sum(axis=0), accepted.sum(axis=0), actual.sum())
    return overall, _scores(right, accepted, actual[:, None])


def certainty(labels: Labels, probabilities: Probabilities) -> Certainty:
    """Returns how certain each row's best answer is, and whether it is right."""
    columns = class_probabilities(probabilities).astype(np.float64)
    first = columns.argmax(axis=1)
    two_best = np.partition(columns, -2, axis=1)[:, -2:]
    right = labels[np.arange(len(labels)), first] == 1 if labels.ndim == 2 else labels == first
    return Certainty(two_best[:, 1], two_best[:, 1] - two_best[:, 0], columns.std(axis=1), right)


def accuracy_by_refusal(sureness: Certainty) -> tuple[Floats, Floats]:
    """Returns shares of rows refused, the least certain first, and the accuracy of the rest; float64 (n,) each."""
    order = np.argsort(-sureness.best, kind="stable")
    kept = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(sureness.right[order]) / kept
    return (1 - kept / len(order))[::-1], accuracy[::-1]


def _reaching(scores: Probabilities) -> NDArray[np.int64]:
    """Counts the scores that reach each minimum: int64 (101,)."""
    reached: NDArray[np.int64] = len(scores) - np.searchsorted(np.sort(scores), MINIMA.astype(np.float32))
    return reached


def _scores(right: NDArray[np.int64], accepted: NDArray[np.int64], actual: NDArray[np.int64]) -> AcceptanceScores:
    precision = np.divide(right, accepted, out=np.full(right.shape, np.nan), where=accepted > 0)
    return AcceptanceScores(precision, right / np.maximum(actual, 1))
