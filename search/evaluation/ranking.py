"""Scores of the ranking that probabilities give, without a threshold; equal probabilities count as one step."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Floats, Probabilities, judged


def roc_auc(labels: Labels, probabilities: Probabilities) -> float:
    """Area under the ROC curve; NaN when all rows are of one class."""
    return area_under_roc(labels, probabilities[:, 0])


def average_precision(labels: Labels, probabilities: Probabilities) -> float:
    """Area under the precision-recall curve; NaN without a positive row."""
    return area_under_precision_recall(labels, probabilities[:, 0])


def mean_average_precision(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of the average precisions of the classes that some row carries; NaN when there is none."""
    return _mean_of_defined(
        [area_under_precision_recall(*pair) for pair in zip(labels.T, probabilities.T, strict=True)]
    )


def mean_average_precision_voc11(labels: Labels, probabilities: Probabilities) -> float:
    """Mean of the 11-point average precisions of the classes that some row carries; NaN when there is none."""
    return _mean_of_defined([eleven_point_precision(*pair) for pair in zip(labels.T, probabilities.T, strict=True)])


def area_under_roc(positive: NDArray[np.integer], scores: Probabilities) -> float:
    """Chance that a positive row outranks a negative one, ties counting half (Mann-Whitney U); NaN if one is missing.

    Args:
        positive: 1 for positive rows, 0 for others, (n,).
        scores: A score per row, (n,); higher for rows that look more positive.
    """
    positive, scores = judged(positive, scores)
    positives = int(np.count_nonzero(positive))
    negatives = len(positive) - positives
    if positives == 0 or negatives == 0:
        return math.nan
    _, group, sizes = np.unique(scores, return_inverse=True, return_counts=True)
    mean_ranks = np.cumsum(sizes) - (sizes - 1) / 2
    wins = mean_ranks[group][positive == 1].sum() - positives * (positives + 1) / 2
    return float(wins / (positives * negatives))


def area_under_precision_recall(positive: NDArray[np.integer], scores: Probabilities) -> float:
    """Average precision as scikit-learn defines it: precision summed over steps of recall; NaN without a positive."""
    hits, taken = ranked_steps(positive, scores)
    if hits[-1] == 0:
        return math.nan
    return float((np.diff(hits, prepend=0) * (hits / taken)).sum() / hits[-1])


def eleven_point_precision(positive: NDArray[np.integer], scores: Probabilities) -> float:
    """Mean of the best precision at recall 0, 0.1, ... 1 or more; NaN without a positive.

    Source: Everingham et al., "The PASCAL Visual Object Classes Challenge" (2010), equations 1 and 2.
    """
    hits, taken = ranked_steps(positive, scores)
    if hits[-1] == 0:
        return math.nan
    best_from = np.maximum.accumulate((hits / taken)[::-1])[::-1]
    # Recall at least k/10, compared in whole numbers: 0.1 * 3 > 0.3 in floating point.
    first = [int(np.argmax(10 * hits >= k * hits[-1])) for k in range(11)]
    return float(best_from[first].mean())


def ranked_steps(positive: NDArray[np.integer], scores: Probabilities) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Counts positive rows and all rows at or above each distinct score, from the highest score down."""
    positive, scores = judged(positive, scores)
    if len(scores) == 0:
        return np.zeros(1, np.int64), np.ones(1, np.int64)
    # Equal scores form one step, so their order does not matter, and the unstable sort is several times faster.
    order = np.argsort(-scores)
    ranked = scores[order]
    ends = np.append(np.flatnonzero(ranked[1:] != ranked[:-1]), len(ranked) - 1)
    return np.cumsum(positive[order], dtype=np.int64)[ends], ends + 1


def _mean_of_defined(values: list[float]) -> float:
    defined: Floats = np.array([value for value in values if not math.isnan(value)])
    return float(defined.mean()) if len(defined) else math.nan
