"""The least probability to say yes, tuned for each class on its own."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Average, Floats, Probabilities, averaged, judged


def best_thresholds(labels: NDArray[np.uint8], probabilities: Probabilities) -> Floats:
    """Returns each class's threshold of highest F1: float64 (classes,); 0.5 for a class that no row carries.

    A threshold lies halfway between the lowest probability that it accepts and the next one below, so that it does
    not hang on one image. If several thresholds reach the same F1, the highest one is taken.
    """
    pairs = zip(labels.T, probabilities.T, strict=True)
    return np.array([_best_threshold(*pair) for pair in pairs], dtype=np.float64)


def tuned_f1(average: Average, labels: Labels, probabilities: Probabilities) -> float:
    """F1 at thresholds tuned on these very rows: an optimistic number, the best that tuning can reach."""
    tuned = best_thresholds(labels.astype(np.uint8), probabilities)
    return averaged("f1", average, labels, probabilities, tuned)


def _best_threshold(positive: NDArray[np.uint8], scores: Probabilities) -> float:
    positive, scores = judged(positive, scores)
    positives = int(positive.sum())
    if positives == 0:
        return 0.5
    order = np.argsort(-scores, kind="stable")
    ranked = scores[order].astype(np.float64)
    hits = np.cumsum(positive[order], dtype=np.int64)
    last_of_equals = np.append(ranked[1:] != ranked[:-1], True)
    f1 = np.where(last_of_equals, 2 * hits / (np.arange(1, len(ranked) + 1) + positives), -1.0)
    best = int(f1.argmax())
    below = ranked[best + 1] if best + 1 < len(ranked) else 0.0
    return float((ranked[best] + below) / 2)
