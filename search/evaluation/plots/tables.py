"""The numbers behind the plots, as CSV files that MLflow's artifact view and pandas open."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Literal, get_args

import numpy as np

from ....csv_rows import write_rows
from ....datasets.base import Labels, Task
from ..acceptance import class_probabilities
from ..decisions import Average, Probabilities, answers, averaged, confusion_matrix, count
from ..metrics import METRICS
from ..probabilities import label_reliability
from ..ranking import area_under_precision_recall
from ..thresholds import best_thresholds
from .examples import Mistake

Cell = str | int | float
Score = Literal["precision", "recall", "f1"]
MOST_PAIRS = 30


def write_table(target: Path, columns: Sequence[str], rows: Iterable[Sequence[Cell]]) -> Path:
    """Writes a CSV file with numbers to six digits; NaN becomes an empty cell."""
    with target.open("w", newline="", encoding="utf-8") as file:
        write_rows(file, [columns, *([_written(cell) for cell in row] for row in rows)])
    return target


def score_rows(
    scores: Mapping[str, float], baseline: Mapping[str, float], reference: Mapping[str, float]
) -> list[list[Cell]]:
    """Returns rows of metric, value, score of class frequencies alone, published score and direction."""
    return [
        [name, value, baseline.get(name, math.nan), reference.get(name, math.nan), METRICS[name].direction]
        for name, value in scores.items()
    ]


def class_rows(
    task: Task, classes: Sequence[str], labels: Labels, probabilities: Probabilities
) -> tuple[list[str], list[list[Cell]]]:
    """Returns the columns and one row per class; for multilabel with tuned thresholds and calibration, too."""
    columns = ["class", "images", "predicted", "precision", "recall", "f1", "average_precision"]
    counts = count(labels, probabilities)
    scores = class_probabilities(probabilities) if task != "multilabel" else probabilities
    truth = labels if labels.ndim == 2 else labels[:, None] == np.arange(len(classes))
    areas = [area_under_precision_recall(truth[:, c], scores[:, c]) for c in range(len(classes))]
    parts = [counts.actual, counts.predicted, counts.precision, counts.recall, counts.f1, np.array(areas)]
    if task == "multilabel":
        columns += ["tuned_threshold", "tuned_precision", "tuned_recall", "tuned_f1"]
        tuned = best_thresholds(labels.astype(np.uint8), probabilities)
        at_tuned = count(labels, probabilities, tuned)
        parts += [tuned, at_tuned.precision, at_tuned.recall, at_tuned.f1]
        columns += ["mean_probability", "calibration_error"]
        errors = [bins.expected_error for bins in label_reliability(labels, probabilities)]
        parts += [probabilities.mean(axis=0, dtype=np.float64), np.array(errors)]
    return columns, [[name, *(part[c].item() for part in parts)] for c, name in enumerate(classes)]


def average_rows(labels: Labels, probabilities: Probabilities) -> list[list[Cell]]:
    """Returns rows of score, average, value at 0.5 and at thresholds tuned per class on these rows (multilabel)."""
    tuned = best_thresholds(labels.astype(np.uint8), probabilities)
    return [
        [
            score,
            average,
            averaged(score, average, labels, probabilities),
            averaged(score, average, labels, probabilities, tuned),
        ]
        for score in get_args(Score)
        for average in get_args(Average)
    ]


def confused_rows(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> list[list[Cell]]:
    """Returns the pairs of classes most often mistaken: true, predicted, images, share of the true class."""
    matrix = confusion_matrix(labels, answers(labels, probabilities), len(classes))
    totals = matrix.sum(axis=1)
    np.fill_diagonal(matrix, 0)
    order = np.argsort(-matrix, axis=None, kind="stable")[:MOST_PAIRS]
    pairs = (divmod(int(cell), len(classes)) for cell in order)
    return [
        [classes[true], classes[said], int(matrix[true, said]), float(matrix[true, said] / totals[true])]
        for true, said in pairs
        if matrix[true, said]
    ]


def mistake_rows(mistakes: Sequence[Mistake], origins: Sequence[str] | None) -> list[list[Cell]]:
    """Returns rows of place in the split, origin, true class, predicted class and probability of the wrong answer."""
    return [
        [m.row, origins[m.row] if origins is not None else "", m.true, m.predicted, m.probability] for m in mistakes
    ]


def _written(cell: Cell) -> Cell:
    if isinstance(cell, float):
        return "" if math.isnan(cell) else f"{cell:.6g}"
    return cell
