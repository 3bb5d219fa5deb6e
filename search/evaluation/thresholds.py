"""The least probability to say yes, tuned for each class on its own by a rule."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from ...errors import SettingError
from .decisions import Average, Floats, Probabilities, averaged, judged
from .threshold_rules import F1, ThresholdRule


@dataclass(frozen=True, eq=False)
class ThresholdCurve:
    """Precision and recall of one class at every threshold that changes an answer, the highest threshold first.

    Each is float64 (thresholds,). A threshold lies halfway between the lowest probability that it accepts and the
    next one below, so that it does not hang on one image.
    """

    thresholds: Floats
    precision: Floats
    """Share of those accepted that carry the class."""
    recall: Floats
    """Share of the rows with the class that are accepted."""
    specificity: Floats
    """Share of the other rows that are not accepted."""

    @property
    def f1(self) -> Floats:
        """Harmonic mean of precision and recall."""
        total = self.precision + self.recall
        return np.divide(2 * self.precision * self.recall, total, out=np.zeros_like(total), where=total > 0)


def threshold_curve(positive: NDArray[np.integer], scores: Probabilities) -> ThresholdCurve:
    """Returns precision and recall of a class at all thresholds.

    Args:
        positive: 1 for rows that carry the class, 0 for others, (n,).
        scores: Its probability per row, (n,).
    """
    positive, scores = judged(positive, scores)
    positives, negatives = max(1, int(np.count_nonzero(positive))), max(1, int(np.count_nonzero(positive == 0)))
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    ends = np.flatnonzero(np.append(ranked[1:] != ranked[:-1], True))
    hits, taken = np.cumsum(positive[order], dtype=np.int64)[ends], ends + 1
    below = np.append(ranked[ends[:-1] + 1], 0.0)
    return ThresholdCurve(
        thresholds=(ranked[ends] + below) / 2,
        precision=hits / taken,
        recall=hits / positives,
        specificity=1 - (taken - hits) / negatives,
    )


def tuned_thresholds(labels: Labels, probabilities: Probabilities, rule: ThresholdRule = F1) -> Floats:
    """Returns each output's threshold by a rule: float64 (outputs,); 0.5 for a class that no row carries.

    If several thresholds are equally good, the highest one is taken.

    Args:
        labels: Labels of a task with two classes, or with several labels per image.
        probabilities: Probabilities of the same rows.
        rule: The rule.

    Raises:
        SettingError: No threshold reaches the precision that the rule asks for.
    """
    columns = labels.reshape(len(labels), -1)
    pairs = zip(columns.T, probabilities.T, strict=True)
    return np.array([_tuned(*pair, rule) for pair in pairs], dtype=np.float64)


def best_thresholds(labels: NDArray[np.uint8], probabilities: Probabilities) -> Floats:
    """Returns each class's threshold of highest F1: float64 (classes,); 0.5 for a class that no row carries."""
    return tuned_thresholds(labels, probabilities, F1)


def tuned_f1(average: Average, labels: Labels, probabilities: Probabilities) -> float:
    """F1 at thresholds tuned on these very rows: an optimistic number, the best that tuning can reach."""
    tuned = best_thresholds(labels.astype(np.uint8), probabilities)
    return averaged("f1", average, labels, probabilities, tuned)


def at_half(probabilities: Probabilities, thresholds: Floats) -> Probabilities:
    """Returns probabilities moved so that each threshold lies at 0.5, and their order is kept: float32.

    Metrics of answers, which say yes from 0.5 on, then judge the answers that are given at the thresholds.
    """
    given, bounds = probabilities.astype(np.float64), np.clip(np.asarray(thresholds, np.float64), 0.0, 1.0)
    below = 0.5 * given / np.where(bounds > 0, bounds, 1.0)
    above = 0.5 + 0.5 * (given - bounds) / np.where(bounds < 1, 1 - bounds, 1.0)
    moved = np.where(given >= bounds, above, np.minimum(below, np.nextafter(np.float32(0.5), np.float32(0))))
    return np.asarray(moved, dtype=np.float32)


def _tuned(positive: NDArray[np.integer], scores: Probabilities, rule: ThresholdRule) -> float:
    if rule.kind == "fixed":
        return rule.number
    positive, scores = judged(positive, scores)
    if not positive.any():
        return 0.5
    curve = threshold_curve(positive, scores)
    score = _scores(curve, positive, rule)
    best = int(np.argmax(score))
    if score[best] == -math.inf:
        raise SettingError(
            f"--threshold {rule} cannot be reached on the validation images, where precision is at most "
            f"{curve.precision.max():.3g}; ask for less"
        )
    return float(curve.thresholds[best])


def _scores(curve: ThresholdCurve, positive: NDArray[np.integer], rule: ThresholdRule) -> Floats:
    """Returns how good each threshold is by the rule; minus infinity where it is not allowed."""
    if rule.kind == "f1":
        return curve.f1
    if rule.kind == "balanced":
        return (curve.recall + curve.specificity) / 2
    if rule.kind == "cost":
        carrying = np.count_nonzero(positive)
        misses, alarms = (1 - curve.recall) * carrying, (1 - curve.specificity) * (len(positive) - carrying)
        costs: Floats = rule.number * misses + alarms
        return -costs
    wanted, bounded = curve.recall, curve.precision
    if rule.kind == "precision@recall":
        wanted, bounded = curve.precision, curve.recall
    allowed: Floats = np.where(bounded >= rule.number - 1e-12, wanted, -math.inf)
    return allowed
