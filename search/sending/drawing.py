"""Plots, drawn beside the search so that neither workers nor the supervisor wait for them.

A worker leaves its trial's evaluation as numbers; plots and report of a study are made from its storage.
"""

from __future__ import annotations

import logging
from pathlib import Path

from ..evaluation.saved import FILE, Evaluation, load_evaluation
from ..settings import Home
from ..training.augmented_examples import draw_augmented

logger = logging.getLogger(__name__)


def is_drawn(folder: Path) -> bool:
    """Returns whether no evaluation in the folder waits to be drawn."""
    return not (folder / FILE).exists()


def draw_evaluation(folder: Path, *, few: bool = False) -> None:
    """Replaces the numbers that a worker left in a folder by plots. A plot that fails is logged, no more.

    Args:
        folder: The folder; nothing is done without it.
        few: Draw only the plots that trials are compared by.
    """
    if not folder.is_dir():
        return
    draw_augmented(folder)
    if is_drawn(folder):
        return
    try:
        _draw(folder, load_evaluation(folder), few=few)
    except Exception:
        logger.exception("the plots of %s could not be drawn", folder)
    (folder / FILE).unlink(missing_ok=True)


def draw_study(home: Home, name: str, folder: Path, *, with_report: bool) -> None:
    """Draws a study as it stands: `study_plots.html` and, if wanted, `report.html`. A failure is logged."""
    from ..evaluation.study_plots import import_ahead, write_study_plots
    from ..reports.sources import write_drawn_report
    from ..studies.drawn_study import DrawnStudy
    from ..studies.opening import open_study
    from ..studies.storage.storage import open_storage

    try:
        drawn = DrawnStudy.of(open_study(open_storage(home.storage), name))
        write_study_plots(drawn.shown, folder, drawn.figures)
        if with_report:
            write_drawn_report(home, drawn, folder / "report.html")
        else:
            import_ahead()
    except Exception:
        logger.exception("the plots of study %s could not be drawn", name)


def _draw(folder: Path, evaluation: Evaluation, *, few: bool) -> None:
    from ..evaluation.plots import write_trial_artifacts

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
        few_plots=few,
    )
