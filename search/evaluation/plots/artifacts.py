"""The files that an evaluation leaves beside its numbers: plots, tables, predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ....datasets.base import Images, Labels, Task
from ..baselines import baseline_scores
from ..decisions import Probabilities
from ..metrics import evaluate
from . import canvas, confusion, curves, examples, learning, minimum, tables

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from PIL import Image

MISTAKES_LISTED = 200
# Plots that trials are compared by, beside their learning curves. The others tell how to use a model.
FEW_PLOTS = ("confusion_matrix", "predictions", "mistakes")


def write_trial_artifacts(
    folder: Path,
    *,
    task: Task,
    classes: Sequence[str],
    labels: Labels,
    probabilities: Probabilities,
    images: Images,
    history: Sequence[Mapping[str, float]],
    objective: str | None = None,
    origins: Sequence[str] | None = None,
    class_counts: Sequence[int] | None = None,
    train_size: int | None = None,
    reference: Mapping[str, float] | None = None,
    thresholds: Sequence[float] = (),
    few_plots: bool = False,
) -> list[Path]:
    """Writes plots (PNG), tables (CSV) and predictions (NPZ) into `folder`; returns the files.

    Only learning curves and predictions are written if there are no rows, or if a probability is NaN or infinite.

    Args:
        folder: The folder to write to; created if missing.
        task: The data set's task.
        classes: Names of the classes.
        labels: Labels of the rows evaluated, in the form of this package's docstring.
        probabilities: Probabilities of the same rows.
        images: Pixels of the same rows, uint8 (n, height, width, channels).
        history: Metrics per epoch.
        objective: The metric whose best epoch the learning curves mark.
        origins: The place that each row came from.
        class_counts: Training images per class, for the baseline; without them the rows evaluated serve.
        train_size: Number of training images, for the baseline.
        reference: Published scores by metric.
        thresholds: The threshold of a binary model, which confusion matrix and scores are shown at; empty for 0.5.
        few_plots: Draw only the plots that trials are compared by: learning curves, confusion matrix, predictions and
            mistakes.
    """
    folder.mkdir(parents=True, exist_ok=True)
    files = [_write_predictions(folder / "predictions.npz", labels, probabilities, origins)]
    curves_file = folder / "learning_curves.png"
    if len(labels) == 0 or not np.isfinite(probabilities).all():
        return [*files, canvas.save(learning.learning_curves(history, objective), curves_file)]
    if class_counts is None:
        class_counts, train_size = _counts(task, classes, labels), len(labels)
    baseline = baseline_scores(task, labels, class_counts, train_size or sum(class_counts))
    files.append(canvas.save(learning.learning_curves(history, objective, baseline, reference), curves_file))
    rows = tables.score_rows(evaluate(task, labels, probabilities), baseline, reference or {})
    files.append(tables.write_table(folder / "scores.csv", _SCORE_COLUMNS, rows))
    files += _write_tables(folder, task, classes, labels, probabilities)
    mistakes = examples.confident_mistakes(task, classes, labels, probabilities, MISTAKES_LISTED)
    mistake_rows = tables.mistake_rows(mistakes, origins)
    files.append(tables.write_table(folder / "mistakes.csv", _MISTAKE_COLUMNS, mistake_rows))
    drawn = _plots(task, classes, labels, probabilities, images, mistakes, thresholds)
    if few_plots:
        drawn = {name: draw for name, draw in drawn.items() if name in FEW_PLOTS}
    return files + [canvas.save(draw(), folder / f"{name}.png") for name, draw in drawn.items()]


_SCORE_COLUMNS = ("metric", "value", "class_frequencies_alone", "published_reference", "better")
_MISTAKE_COLUMNS = ("row", "origin", "true", "predicted", "probability")


def _plots(
    task: Task,
    classes: Sequence[str],
    labels: Labels,
    probabilities: Probabilities,
    images: Images,
    mistakes: Sequence[examples.Mistake],
    thresholds: Sequence[float],
) -> dict[str, Callable[[], Figure | Image.Image]]:
    """Returns the task's plots: the name of each file, and the function that draws it."""
    sample = examples.sample(task, classes, labels, probabilities)
    worst = examples.mistake_examples(mistakes)
    drawn: dict[str, Callable[[], Figure | Image.Image]] = {
        "confusion_matrix": lambda: confusion.confusion_figure(task, classes, labels, probabilities, thresholds),
        "class_scores": lambda: curves.class_scores(classes, labels, probabilities),
        "reliability": lambda: curves.reliability_diagram(labels, probabilities),
        "minimum_probability": lambda: minimum.acceptance_figure(classes, labels, probabilities),
        "certainty": lambda: minimum.certainty_figure(labels, probabilities),
        "predictions": lambda: examples.grid("Predictions: green right, red wrong", sample, images),
        "mistakes": lambda: examples.grid(
            "Most confident mistakes" if worst else "No mistakes: every image is answered as it is labelled",
            worst,
            images,
        ),
    }
    if task == "multilabel":
        drawn["label_reliability"] = lambda: curves.reliability_of_labels(classes, labels, probabilities)
    if task == "binary":
        drawn["roc_precision_recall"] = lambda: curves.roc_and_precision_recall(labels, probabilities)
        drawn["thresholds"] = lambda: curves.scores_by_threshold(classes, labels, probabilities, thresholds)
        drawn["probability_histogram"] = lambda: curves.probability_histogram(classes, labels, probabilities)
    return drawn


def _write_tables(
    folder: Path, task: Task, classes: Sequence[str], labels: Labels, probabilities: Probabilities
) -> list[Path]:
    columns, rows = tables.class_rows(task, classes, labels, probabilities)
    files = [tables.write_table(folder / "classes.csv", columns, rows)]
    if task == "multilabel":
        averages = tables.average_rows(labels, probabilities)
        files.append(tables.write_table(folder / "averages.csv", ("score", "average", "at_0.5", "tuned"), averages))
    else:
        pairs = tables.confused_rows(classes, labels, probabilities)
        columns = ["true", "predicted", "images", "share_of_true"]
        files.append(tables.write_table(folder / "confused_pairs.csv", columns, pairs))
    return files


def _write_predictions(
    target: Path, labels: Labels, probabilities: Probabilities, origins: Sequence[str] | None
) -> Path:
    arrays: dict[str, Any] = {"labels": labels, "probabilities": np.asarray(probabilities, dtype=np.float32)}
    if origins is not None:
        arrays["origins"] = np.asarray(origins, dtype=np.str_)
    np.savez_compressed(target, allow_pickle=False, **arrays)
    return target


def _counts(task: Task, classes: Sequence[str], labels: Labels) -> list[int]:
    counts = labels.sum(axis=0) if task == "multilabel" else np.bincount(labels, minlength=len(classes))
    return [int(number) for number in counts]
