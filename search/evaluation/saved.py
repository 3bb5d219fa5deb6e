"""A trial's evaluation as its worker leaves it: numbers in a file, for plots, an ensemble or a gate made elsewhere."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import TrainingView

FILE = "evaluation.npz"


@dataclass(frozen=True, eq=False)
class Evaluation:
    """What a trial's plots are drawn from.

    probabilities: of the validation rows, float32 (rows, outputs). history: each epoch's metrics.
    reference: published scores by metric.
    """

    view: TrainingView
    probabilities: NDArray[np.float32]
    history: list[dict[str, float]]
    objective: str
    reference: Mapping[str, float] = field(default_factory=dict)


def save_evaluation(folder: Path, evaluation: Evaluation) -> None:
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
    """Raises OSError, ValueError or KeyError for a file that is missing or damaged."""
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
