"""Folds of a data set for cross-validation, made of training and validation rows; test rows stay out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import DatasetError
from ..base import Labels, Rows, TrainingView
from .duplicates import duplicates_of
from .splitting import draw


def fold_views(view: TrainingView, folds: int, seed: int) -> list[TrainingView]:
    """Views that validate on one part each of all rows and train on the rest.

    Each label's share is kept (several labels: iterative stratification), and images that are alike stay in one
    part. Raises DatasetError when a class has fewer images than there are folds, copies counted once, or when a
    part gets no image.
    """
    rows = np.union1d(view.train, view.validation)
    labels = np.load(view.folder / "labels.npy")
    groups = duplicates_of(view.folder).near
    rare = _rare_classes(view.classes, labels[rows], groups[rows], folds)
    if rare:
        raise DatasetError(
            f"--folds {folds} needs at least {folds} images of each class, copies of one image counted once; "
            f"too few of: {', '.join(rare)}"
        )
    parts = draw(labels, groups, rows, [1 / folds] * folds, seed)
    empty = sum(part.size == 0 for part in parts)
    if empty:
        raise DatasetError(
            f"--folds {folds} needs images for each fold, but {empty} get none, since copies of one image stay in one "
            "fold; give fewer folds"
        )
    return [replace(view, train=np.setdiff1d(rows, part), validation=part) for part in parts]


def _rare_classes(classes: Sequence[str], labels: Labels, groups: Rows, folds: int) -> list[str]:
    """Classes that cannot be in every fold; one without any image is in none, and asks for none."""
    rare = []
    for label, name in enumerate(classes):
        carried = labels[:, label] > 0 if labels.ndim == 2 else labels == label
        if 0 < len(np.unique(groups[carried])) < folds:
            rare.append(name)
    return rare
