"""Finds labels that look wrong, by confident learning with a quick cross-validated model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import Labels
from .label_features import image_features

_FOLDS = 3
# A label with fewer images cannot be learnt, and then all of its images look wrong.
_LEAST_POSITIVES = 10
# The lead in probability that the likelier class must have. Measured with 5 % of the labels changed
# (benchmarks/findings.py): half of the changed ones are found among cartoons, of which a quick model gets two thirds
# right, and a tenth among facial emotions.
_LEAST_MARGIN = 0.5
_MOST_TEMPERATURE = 50.0


def suspicious_labels(images: NDArray[np.uint8], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Finds labels that look wrong.

    Confident learning as in C. Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels"
    (JAIR, 2021), by cleanlab. The probabilities are those of linear discriminant analysis on `image_features`,
    calibrated; each image's come from a model that was not trained on it. Classes with fewer images than folds are
    passed over.

    Args:
        images: uint8 (n, height, width, channels).
        labels: int32 (n,), or uint8 multi-hot (n, classes).
        seed: Random seed for the folds and the features.

    Yields:
        Rows, most suspicious first, each with its likelier classes.
    """
    features = image_features(images, seed)
    yield from (_multilabel if labels.ndim == 2 else _single_label)(features, labels, seed)


def _single_label(features: NDArray[np.float32], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    classes, numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    large = np.flatnonzero(sizes >= _FOLDS)
    rows = np.flatnonzero(np.isin(numbers, large))
    if len(large) > 1:
        for position, likelier in _issues(features[rows], np.searchsorted(large, numbers[rows]), seed):
            yield int(rows[position]), (int(classes[large[likelier]]),)


def _multilabel(features: NDArray[np.float32], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Treats each label as a binary task of its own: the image carries it or not."""
    positives = labels.sum(axis=0, dtype=np.int64)
    likelier = labels.copy()
    for label in np.flatnonzero(np.minimum(positives, len(labels) - positives) >= _LEAST_POSITIVES):
        for issue, carried in _issues(features, labels[:, label], seed):
            likelier[issue, label] = carried
    for row in np.flatnonzero((likelier != labels).any(axis=1)):
        yield int(row), tuple(np.flatnonzero(likelier[row]).tolist())


def _issues(features: NDArray[np.float32], given: NDArray[Any], seed: int) -> Iterator[tuple[int, int]]:
    """Yields rows whose given class, int (n,) from 0, looks wrong, most suspicious first, with the likelier class."""
    from cleanlab.filter import find_label_issues

    probabilities = _probabilities(features, given, seed)
    issues = find_label_issues(
        given, probabilities, filter_by="both", return_indices_ranked_by="self_confidence", n_jobs=1
    )
    for row in issues:
        likelier = int(np.argmax(probabilities[row]))
        if probabilities[row, likelier] - probabilities[row, given[row]] >= _LEAST_MARGIN:
            yield int(row), likelier


def _probabilities(features: NDArray[np.float32], given: NDArray[Any], seed: int) -> NDArray[np.float64]:
    """The class probabilities of each row, float64 (n, classes), from a model trained on the other folds."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    return _calibrated(cross_val_predict(model, features, given, cv=folds, method="predict_log_proba"), given)


def _calibrated(log_probabilities: NDArray[np.float64], given: NDArray[Any]) -> NDArray[np.float64]:
    """Probabilities at the temperature that fits the given labels best, since a model of many features is too sure.

    Source: C. Guo et al., "On Calibration of Modern Neural Networks" (ICML 2017), section 4.2.
    """
    from scipy.optimize import minimize_scalar
    from scipy.special import log_softmax

    rows = np.arange(len(given))
    logits = np.maximum(log_probabilities, np.log(np.finfo(np.float64).tiny))

    def surprise(temperature: float) -> float:
        return float(-log_softmax(logits / temperature, axis=1)[rows, given].mean())

    best = minimize_scalar(surprise, bounds=(0.2, _MOST_TEMPERATURE), method="bounded")
    probabilities: NDArray[np.float64] = np.exp(log_softmax(logits / best.x, axis=1))
    return probabilities
