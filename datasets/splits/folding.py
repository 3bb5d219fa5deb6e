"""Folds for cross-validation, made of training and validation rows; test rows stay out of reach."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from ...errors import DatasetError
from ..arrays import EntryArrays
from ..base import Labels, Rows, TrainingView
from .splitting import draw
from .together import kept_together


def fold_views(view: TrainingView, folds: int, seed: int) -> list[TrainingView]:
    """Cuts the rows of a view into parts, and makes one view per part, which validates on it and trains on the rest.

    Each part keeps the share of each label (by iterative stratification when images carry several), and images that
    are alike, or of one group, stay in one part.

    Args:
        view: The training and validation rows to cut.
        folds: Number of parts.
        seed: Random seed for the cut.

    Raises:
        DatasetError: A class has fewer images than there are folds, copies and groups counted once, or a fold gets no
            image.
    """
    rows = np.union1d(view.train, view.validation)
    arrays = EntryArrays(view.folder)
    labels = arrays.labels()
    groups = kept_together(arrays, view.grouping.rows(view.name, arrays) if view.grouping else None)
    copies = f"copies of one image{' and images of one group' if view.grouping else ''}"
    rare = _rare_classes(view.classes, labels[rows], groups[rows], folds)
    if rare:
        raise DatasetError(
            f"--folds {folds} needs at least {folds} images of each class, {copies} counted once; "
            f"too few of: {', '.join(rare)}"
        )
    parts = draw(labels, groups, rows, [1 / folds] * folds, seed)
    empty = sum(part.size == 0 for part in parts)
    if empty:
        raise DatasetError(
            f"--folds {folds} needs images for each fold, but {empty} would get none, since {copies} "
            "stay in one fold; give fewer folds"
        )
    return [replace(view, train=np.setdiff1d(rows, part), validation=part) for part in parts]


def _rare_classes(classes: Sequence[str], labels: Labels, groups: Rows, folds: int) -> list[str]:
    """Names the classes with too few images to be in every fold; a class without any image is not one of them."""
    rare = []
    for label, name in enumerate(classes):
        carried = labels[:, label] > 0 if labels.ndim == 2 else labels == label
        if 0 < len(np.unique(groups[carried])) < folds:
            rare.append(name)
    return rare
