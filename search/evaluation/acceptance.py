"""What happens when only answers above a minimum probability are accepted."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Floats, Probabilities

MINIMA: Floats = np.linspace(0, 1, 101)


@dataclass(frozen=True, eq=False)
class AcceptanceScores:
    """Precision, recall and F1 over the minimum probability to accept an answer (`MINIMA`).

    float64 (101,) overall, (classes, 101) of each class. Precision is NaN where nothing is accepted.
    """

    precision: Floats
    recall: Floats

    @property
    def f1(self) -> Floats:
        total = np.nan_to_num(self.precision) + self.recall
        return np.divide(
            2 * np.nan_to_num(self.precision) * self.recall, total, out=np.zeros_like(total), where=total > 0
        )


@dataclass(frozen=True, eq=False)
class Certainty:
    """How sure each row's best answer is, and whether it is right; (n,) each.

    best: the highest probability. gap: to the second highest. spread: standard deviation over the classes.
    right: bool; for multilabel, whether the row carries the most probable class.
    """

    best: Floats
    gap: Floats
    spread: Floats
    right: NDArray[np.bool_]


def class_probabilities(probabilities: Probabilities) -> Probabilities:
    """One column a class: a binary task's one column becomes two."""
    if probabilities.shape[1] > 1:
        return probabilities
    return np.concatenate([1 - probabilities, probabilities], axis=1)


def acceptance_scores(labels: Labels, probabilities: Probabilities) -> tuple[AcceptanceScores, AcceptanceScores]:
    """Scores over `MINIMA`, of all answers together and of each class.

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
    columns = class_probabilities(probabilities).astype(np.float64)
    first = columns.argmax(axis=1)
    two_best = np.partition(columns, -2, axis=1)[:, -2:]
    right = labels[np.arange(len(labels)), first] == 1 if labels.ndim == 2 else labels == first
    return Certainty(two_best[:, 1], two_best[:, 1] - two_best[:, 0], columns.std(axis=1), right)


def accuracy_by_refusal(answers: Certainty) -> tuple[Floats, Floats]:
    """Share of rows refused, least certain first, and the accuracy of the rows left; float64 (n,) each."""
    order = np.argsort(-answers.best, kind="stable")
    kept = np.arange(1, len(order) + 1)
    accuracy = np.cumsum(answers.right[order]) / kept
    return (1 - kept / len(order))[::-1], accuracy[::-1]


def _reaching(scores: Probabilities) -> NDArray[np.int64]:
    """How many of the scores are at least each minimum: int64 (101,)."""
    reached: NDArray[np.int64] = len(scores) - np.searchsorted(np.sort(scores), MINIMA.astype(np.float32))
    return reached


def _scores(right: NDArray[np.int64], accepted: NDArray[np.int64], actual: NDArray[np.int64]) -> AcceptanceScores:
    precision = np.divide(right, accepted, out=np.full(right.shape, np.nan), where=accepted > 0)
    return AcceptanceScores(precision, right / np.maximum(actual, 1))
