"""Finds labels that look wrong, by confident learning over a quick cross-validated model."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from numpy.typing import NDArray

from .base import Labels
from .duplicates import area_means
from .row_blocks import row_blocks

_FOLDS = 3
# Fewer images teach a label nothing, and then every image of it looks wrong.
_LEAST_POSITIVES = 10
# By how much the likelier class must lead; a quick model is unsure of much that is right.
_LEAST_MARGIN = 0.9
_ORIENTATIONS = 8
_CELLS = 6
_THUMBNAIL = 8


def suspicious_labels(images: NDArray[np.uint8], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Rows whose labels look wrong, most suspicious first, with the likelier classes of each.

    Confident learning as in C. Northcutt et al., "Confident Learning: Estimating Uncertainty in Dataset Labels"
    (JAIR, 2021), by cleanlab; probabilities from linear discriminant analysis on gradient histograms, each
    image's from a model that did not see it. Classes with fewer images than folds are not looked at.
    """
    if labels.ndim == 2:
        yield from _multilabel(gradient_features(images), labels, seed)
    else:
        yield from _single_label(gradient_features(images), labels, seed)


def gradient_features(images: NDArray[np.uint8]) -> NDArray[np.float32]:
    """float32 (n, features): histograms of gradient directions in 6x6 cells (after N. Dalal and B. Triggs,
    "Histograms of Oriented Gradients for Human Detection", 2005) and an 8x8 thumbnail of every channel."""
    height, width, channels = images.shape[1:]
    cells = area_means(height, _CELLS), area_means(width, _CELLS)
    small = area_means(height, _THUMBNAIL), area_means(width, _THUMBNAIL)
    features = np.empty((len(images), _ORIENTATIONS * _CELLS**2 + channels * _THUMBNAIL**2), np.float32)
    for block in row_blocks(images, spread=_ORIENTATIONS):
        planes = np.moveaxis(images[block].astype(np.float32), 3, 1) / 255
        grey = planes.mean(axis=1)
        down, across = np.gradient(grey, axis=(1, 2))
        strength = np.hypot(down, across)
        direction = (np.arctan2(down, across) / np.pi * _ORIENTATIONS).astype(np.int8) % _ORIENTATIONS
        histograms = np.stack(
            [cells[0] @ np.where(direction == bin_, strength, 0) @ cells[1].T for bin_ in range(_ORIENTATIONS)], axis=1
        ).reshape(len(planes), -1)
        histograms /= np.linalg.norm(histograms, axis=1, keepdims=True) + 1e-3
        thumbnails = (small[0] @ planes @ small[1].T).reshape(len(planes), -1)
        features[block] = np.hstack([histograms, thumbnails])
    return features


def _single_label(features: NDArray[np.float32], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    classes, numbers, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    large = np.flatnonzero(sizes >= _FOLDS)
    rows = np.flatnonzero(np.isin(numbers, large))
    if len(large) > 1:
        for position, likelier in _issues(features[rows], np.searchsorted(large, numbers[rows]), seed):
            yield int(rows[position]), (int(classes[large[likelier]]),)


def _multilabel(features: NDArray[np.float32], labels: Labels, seed: int) -> Iterator[tuple[int, tuple[int, ...]]]:
    """Looks at each label by itself: does the image carry it or not?"""
    positives = labels.sum(axis=0, dtype=np.int64)
    likelier = labels.copy()
    for label in np.flatnonzero(np.minimum(positives, len(labels) - positives) >= _LEAST_POSITIVES):
        for issue, carried in _issues(features, labels[:, label], seed):
            likelier[issue, label] = carried
    for row in np.flatnonzero((likelier != labels).any(axis=1)):
        yield int(row), tuple(np.flatnonzero(likelier[row]).tolist())


def _issues(features: NDArray[np.float32], given: NDArray[Any], seed: int) -> Iterator[tuple[int, int]]:
    """Rows whose class looks wrong, most suspicious first, with the likelier class. given: int (n,), from 0."""
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
    """Each row's class probabilities from a model trained on the other folds, float64 (n, classes)."""
    from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    folds = StratifiedKFold(_FOLDS, shuffle=True, random_state=seed)
    model = LinearDiscriminantAnalysis(solver="lsqr", shrinkage="auto")
    probabilities: NDArray[np.float64] = cross_val_predict(model, features, given, cv=folds, method="predict_proba")
    return probabilities
