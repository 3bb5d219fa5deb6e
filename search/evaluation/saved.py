"""A trial's evaluation in a file, as its worker leaves it for the processes that draw plots, ensemble or promote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...datasets.base import TrainingView
from .decisions import Probabilities

FILE = "evaluation.npz"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """All that a trial's plots are drawn from."""

    view: TrainingView
    """The data set as the trial saw it."""
    probabilities: Probabilities
    """Probabilities of the validation rows, float32 (rows, outputs)."""
    history: list[dict[str, float]]
    """Metrics per epoch."""
    objective: str
    """The metric that the trial was trained for."""
    reference: Mapping[str, float] = field(default_factory=dict)
    """Published scores by metric."""


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
    """Writes an evaluation into a folder, which is created if missing."""
    folder.mkdir(parents=True, exist_ok=True)
    view = evaluation.view
    facts = {
        "name": view.name,
        "task": view.task,
        "classes": view.classes,
        "image_shape": view.image_shape,
        "folder": str(view.folder),
        "fingerprint": view.fingerprint,
        "licence": view.licence,
        "resize": view.resize,
    }
    words = {
        "view": facts,
        "history": evaluation.history,
        "objective": evaluation.objective,
        "reference": dict(evaluation.reference),
    }
    np.savez(
        folder / FILE,
        words=np.array(json.dumps(words)),
        train=view.train,
        validation=view.validation,
        probabilities=evaluation.probabilities,
    )


def load_evaluation(folder: Path) -> Evaluation:
    """Reads the evaluation in a folder.

    Raises:
        OSError: The file is missing or damaged.
        ValueError: The file is damaged.
        KeyError: The file is damaged.
    """
    with np.load(folder / FILE) as saved:
        words = json.loads(saved["words"].item())
        facts = words.pop("view")
        view = TrainingView(
            **{
                **facts,
                "classes": tuple(facts["classes"]),
                "image_shape": tuple(facts["image_shape"]),
                "folder": Path(facts["folder"]),
                "train": saved["train"],
                "validation": saved["validation"],
            }
        )
        return Evaluation(view, saved["probabilities"], words["history"], words["objective"], words["reference"])
