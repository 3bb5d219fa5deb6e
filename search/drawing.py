"""What is drawn beside the search, so that neither workers nor the supervisor wait for plots.

A trial's evaluation is left by its worker as numbers; a study's plots and report are made from its storage.
"""

from __future__ import annotations

import json
import logging
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..datasets.base import TrainingView
from .augmented_examples import draw_augmented
from .settings import Home

logger = logging.getLogger(__name__)

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


def is_drawn(folder: Path) -> bool:
    """Whether there is no evaluation in the folder that waits to be drawn."""
    return not (folder / FILE).exists()


def draw_evaluation(folder: Path) -> None:
    """Draws what a worker left in the folder, in its place. A plot that fails is logged and costs no other result."""
    if not folder.is_dir():
        return
    draw_augmented(folder)
    if is_drawn(folder):
        return
    try:
        _draw(folder, load_evaluation(folder))
    except Exception:
        logger.exception("the plots of %s could not be drawn", folder)
    (folder / FILE).unlink(missing_ok=True)


def draw_study(home: Home, name: str, folder: Path, *, with_report: bool) -> None:
    """Draws a study as it stands: `study_plots.html` and, if wanted, `report.html`. What fails is logged."""
    from .evaluation.study_plots import write_study_plots
    from .readable_study import readable
    from .storage import open_storage
    from .studies import open_study

    try:
        study = open_study(open_storage(home.storage), name)
        write_study_plots(readable(study), folder, [name for name, _ in study.definition.objectives])
        if with_report:
            _write_report(home, name, folder / "report.html")
    except Exception:
        logger.exception("the plots of study %s could not be drawn", name)


def _write_report(home: Home, name: str, target: Path) -> None:
    from .report import write_report
    from .report_sources import collect_report, fetch_best_files, written_now

    with tempfile.TemporaryDirectory() as files:
        fetch_best_files(home, name, Path(files))
        write_report(collect_report(home, name, files=Path(files), created=written_now()), target)


def _draw(folder: Path, evaluation: Evaluation) -> None:
    from .evaluation.plots import write_trial_artifacts

    view, spec = evaluation.view, evaluation.view.spec()
    write_trial_artifacts(
        folder,
        task=view.task,
        classes=view.classes,
        labels=view.labels("validation"),
        probabilities=evaluation.probabilities,
        images=view.images("validation"),
        origins=[str(origin) for origin in view.origins("validation")],
        history=evaluation.history,
        objective=evaluation.objective,
        reference=evaluation.reference,
        class_counts=spec.class_counts,
        train_size=spec.train_size,
    )
