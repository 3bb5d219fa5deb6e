"""What an answer that never looks at the image would score."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ...datasets.base import Labels, Task
from .decisions import Probabilities
from .metrics import evaluate


def baseline_scores(task: Task, labels: Labels, class_counts: Sequence[int], train_size: int) -> dict[str, float]:
    """Every metric of an answer that gives each image the classes' frequencies in training.

    Its class is the largest one (multiclass, binary); its probabilities are as good as they can be without looking.
    labels: the rows scored. class_counts, train_size: as in `DataSpec`.
    """
    return evaluate(task, labels, frequencies(task, len(labels), class_counts, train_size))


def frequencies(task: Task, rows: int, class_counts: Sequence[int], train_size: int) -> Probabilities:
    """The classes' frequencies in training, the same for each row: float32 (rows, outputs)."""
    shares = np.asarray(class_counts, dtype=np.float64) / max(1, train_size)
    outputs = shares[1:] if task == "binary" else shares
    return np.tile(outputs.astype(np.float32), (rows, 1))
