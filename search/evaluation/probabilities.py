"""Scores of the probabilities themselves: their distance from the truth, and their calibration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import Labels
from .decisions import Floats, Probabilities, judged

CALIBRATION_BINS = 15


def log_loss(labels: Labels, probabilities: Probabilities) -> float:
    """Mean negative log likelihood, in nats; for multilabel the mean over rows and classes.

    Probabilities are kept float32's epsilon away from 0 and 1, as in scikit-learn.
    """
    margin = np.finfo(np.float32).eps
    kept = np.clip(probabilities.astype(np.float64), margin, 1 - margin)
    if probabilities.shape[1] > 1 and labels.ndim == 1:
        return float(-np.log(kept[np.arange(len(labels)), labels]).mean())
    truth, stated = judged(labels.reshape(kept.shape), kept)
    return float(-np.log(np.where(truth == 1, stated, 1 - stated)).mean())


def brier_score(labels: Labels, probabilities: Probabilities) -> float:
    """Mean squared difference between probability and truth, 0 (best) to 1."""
    return float(np.square(probabilities[:, 0].astype(np.float64) - labels).mean())


@dataclass(frozen=True, eq=False)
class Reliability:
    """Probabilities in bins of equal width against the share that came true."""

    rows: NDArray[np.int64]
    """Rows in each bin, int64 (bins,)."""
    confidence: Floats
    """Mean probability of each bin, float64 (bins,); NaN in an empty bin."""
    frequency: Floats
    """Share of each bin that came true, float64 (bins,); NaN in an empty bin."""

    @property
    def expected_error(self) -> float:
        """Mean distance of confidence from frequency, weighted by rows, 0 (best) to 1."""
        filled = self.rows > 0
        gaps = np.abs(self.confidence[filled] - self.frequency[filled])
        return float((gaps * self.rows[filled]).sum() / self.rows.sum())


def reliability(labels: Labels, probabilities: Probabilities, bins: int = CALIBRATION_BINS) -> Reliability:
    """Bins the probability of the answer (multiclass) or of the positive class (binary, multilabel: every cell)."""
    if probabilities.shape[1] > 1 and labels.ndim == 1:
        stated = probabilities.max(axis=1).astype(np.float64)
        truth = probabilities.argmax(axis=1) == labels
    else:
        known, stated = judged(labels.reshape(probabilities.shape), probabilities.astype(np.float64))
        stated, truth = stated.ravel(), known.ravel() == 1
    place = np.clip((stated * bins).astype(np.int64), 0, bins - 1)
    rows = np.bincount(place, minlength=bins)
    size = np.where(rows > 0, rows, np.nan)
    return Reliability(
        rows=rows,
        confidence=np.bincount(place, weights=stated, minlength=bins) / size,
        frequency=np.bincount(place, weights=truth, minlength=bins) / size,
    )


def label_reliability(labels: Labels, probabilities: Probabilities) -> list[Reliability]:
    """Bins the probabilities of each label on its own (multilabel)."""
    columns = zip(labels.T, probabilities.T, strict=True)
    return [reliability(mine, given[:, None]) for mine, given in columns]


def expected_calibration_error(labels: Labels, probabilities: Probabilities) -> float:
    """Expected calibration error over 15 bins, 0 (best) to 1.

    Source: Guo et al., "On Calibration of Modern Neural Networks" (2017), equation 3.
    """
    return reliability(labels, probabilities).expected_error
