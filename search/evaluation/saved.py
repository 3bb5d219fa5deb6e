"""A trial's evaluation in a file, as its worker leaves it for the processes that draw plots, ensemble or promote."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from ...datasets.base import Labels, TrainingView
from ...files.replacing import replacing
from .decisions import Probabilities

FILE = "evaluation.npz"
# The supervisor writes them between other things; larger ones take it seconds, and are in MLflow all the same.
LARGEST_KEPT = 64 * 2**20  # bytes


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


def keep_answers(folder: Path, kept: Path, number: int) -> None:
    """Keeps the answers of a trial beside its study, where the end of a search and `compare` find them at once.

    An evaluation that is missing, damaged or very large is passed over; a full disk, too, since MLflow gets them all.

    Args:
        folder: The folder with the trial's evaluation.
        kept: The folder to keep them in.
        number: The trial's number.
    """
    try:
        evaluation = load_evaluation(folder)
        labels, probabilities = evaluation.view.labels("validation"), evaluation.probabilities
        if probabilities.nbytes > LARGEST_KEPT or len(labels) == 0:
            return
        kept.mkdir(parents=True, exist_ok=True)
        with replacing(_answers_file(kept, number)) as file:
            np.savez_compressed(file, allow_pickle=False, labels=labels, probabilities=probabilities)
    except (OSError, ValueError, KeyError):
        return


def read_answers(kept: Path, number: int) -> tuple[Labels, Probabilities] | None:
    """Returns a trial's validation labels and probabilities; None where they were not kept."""
    try:
        with np.load(_answers_file(kept, number), allow_pickle=False) as saved:
            return saved["labels"], saved["probabilities"]
    except (OSError, ValueError, KeyError, EOFError):
        return None


def answers_written(kept: Path, number: int) -> int:
    """Returns when a trial's answers were written, in nanoseconds of Unix time; 0 where they were not kept."""
    try:
        return _answers_file(kept, number).stat().st_mtime_ns
    except OSError:
        return 0


def forget_answers(kept: Path, number: int) -> None:
    """Removes what was kept of a trial's answers."""
    _answers_file(kept, number).unlink(missing_ok=True)


def kept_numbers(kept: Path) -> list[int]:
    """Returns the numbers of the trials whose answers are kept."""
    return sorted(int(file.stem) for file in kept.glob("*.npz") if file.stem.isdigit())


def _answers_file(kept: Path, number: int) -> Path:
    return kept / f"{number:05d}.npz"
