"""Folds of a data set for cross-validation, made of training and validation rows; test rows stay out of reach."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..errors import DatasetError
from .base import TrainingView
from .duplicates import duplicates_of
from .splitting import draw


def fold_views(view: TrainingView, folds: int, seed: int) -> list[TrainingView]:
    """Views that validate on one part each of all rows and train on the rest.

    Each label's share is kept (several labels: iterative stratification), and images that are alike stay in one
    part. Raises DatasetError when a class has fewer images than there are folds.
    """
    rows = np.union1d(view.train, view.validation)
    labels = np.load(view.folder / "labels.npy")
    counts = labels[rows].sum(axis=0) if labels.ndim == 2 else np.bincount(labels[rows], minlength=len(view.classes))
    rare = [name for name, count in zip(view.classes, counts, strict=True) if 0 < count < folds]
    if rare:
        raise DatasetError(
            f"--folds {folds} needs at least {folds} images of each class; too few of: {', '.join(rare)}"
        )
    groups = duplicates_of(view.folder).near
    parts = draw(labels, groups, rows, [1 / folds] * folds, seed)
    return [replace(view, train=np.setdiff1d(rows, part), validation=part) for part in parts]
