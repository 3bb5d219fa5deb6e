"""A task for workers that only pretend to train."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from pretend_study import SPACE

from apertune.datasets.base import TrainingView
from apertune.search.messages import SpaceReference, TrialTask

EPOCHS = 3


def view(folder: Path) -> TrainingView:
    rows = np.arange(1)
    return TrainingView("pretended", "multiclass", ("a", "b", "c"), (8, 8, 1), folder, rows, rows, "ab" * 32)


def task(folder: Path, number: int, epochs: int = EPOCHS) -> TrialTask:
    return TrialTask(
        number=number,
        view=view(folder),
        space=SpaceReference("pretended"),
        search_space=SPACE,
        values={"rate": number / 100},
        seed=0,
        epochs=epochs,
        patience=None,
        objective="accuracy",
        folder=folder / str(number),
    )
