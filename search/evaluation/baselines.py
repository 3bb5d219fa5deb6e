"""Scores of answers that never look at the image, to compare a model with."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...datasets.base import Labels, Task
from .decisions import Probabilities
from .metrics import evaluate


def baseline_scores(task: Task, labels: Labels, class_counts: Sequence[int], train_size: int) -> dict[str, float]:
    """Returns every metric of answering each image with the classes' frequencies in training.

    Args:
        task: The data set's task.
        labels: Labels of the rows that are scored.
        class_counts: Training images per class.
        train_size: Number of training images.
    """
    return evaluate(task, labels, frequencies(task, len(labels), class_counts, train_size))


def label_frequencies(task: Task, labels: Labels, outputs: int) -> Probabilities:
    """Returns the frequencies of the labels themselves, the same for each row, where training's are not at hand.

    Args:
        task: The data set's task.
        labels: Labels of the rows.
        outputs: Columns of a network's probabilities.
    """
    classes = 2 if task == "binary" else outputs
    counts = labels.sum(axis=0, dtype=np.int64) if labels.ndim == 2 else np.bincount(labels, minlength=classes)
    return frequencies(task, len(labels), [int(count) for count in counts], len(labels))


def frequencies(task: Task, rows: int, class_counts: Sequence[int], train_size: int) -> Probabilities:
    """Returns the classes' frequencies in training, the same for each row: float32 (rows, outputs)."""
    shares = np.asarray(class_counts, dtype=np.float64) / max(1, train_size)
    outputs = shares[1:] if task == "binary" else shares
    return np.tile(outputs.astype(np.float32), (rows, 1))
