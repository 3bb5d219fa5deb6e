"""Curves of probabilities against truth: ROC, precision-recall, histogram, reliability, scores of each class."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Labels
from ..decisions import Probabilities, count
from ..probabilities import label_reliability, reliability
from ..ranking import area_under_precision_recall, area_under_roc, ranked_steps
from ..thresholds import threshold_curve
from .canvas import (
    RIGHT,
    TRAINING,
    VALIDATION,
    WRONG,
    Margins,
    legend,
    name_axes,
    new_figure,
    panels,
    room_for,
    shown,
    unit_square,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

HISTOGRAM_BINS = 40
MOST_LABELS = 20


def roc_and_precision_recall(labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws both curves of a binary task, with a point at the threshold of 0.5 and dashes for guessing."""
    scores = probabilities[:, 0]
    hits, taken = ranked_steps(labels, scores)
    carrying = int(np.count_nonzero(labels))
    positives, negatives = max(1, carrying), max(1, len(labels) - carrying)
    at_half = int(np.count_nonzero(scores >= 0.5))
    hits_at_half = int(labels[scores >= 0.5].sum())
    figure, (left, right) = panels(2, width=3.6, height=3.6)

    left.plot(np.append(0, (taken - hits) / negatives), np.append(0, hits / positives), color=VALIDATION)
    left.plot([0, 1], [0, 1], color=TRAINING, linestyle="--", linewidth=0.8)
    left.plot((at_half - hits_at_half) / negatives, hits_at_half / positives, "o", color="black", markersize=5)
    name_axes(left, f"ROC, area {area_under_roc(labels, scores):.3f}", "false positive rate", "true positive rate")

    area = area_under_precision_recall(labels, scores)
    right.step(np.append(0, hits / positives), np.append(1, hits / taken), color=VALIDATION, where="post")
    right.axhline(positives / len(labels), color=TRAINING, linestyle="--", linewidth=0.8)
    right.plot(hits_at_half / positives, hits_at_half / max(1, at_half), "o", color="black", markersize=5)
    name_axes(right, f"Precision and recall, average precision {area:.3f}", "recall", "precision")
    for axes in (left, right):
        unit_square(axes)
    return figure


def scores_by_threshold(
    classes: Sequence[str], labels: Labels, probabilities: Probabilities, thresholds: Sequence[float] = ()
) -> Figure:
    """Draws precision, recall and F1 of a binary task against the threshold, with the one in use and the best for F1.

    Args:
        classes: Names of the classes.
        labels: Labels of the rows.
        probabilities: Probabilities of the same rows.
        thresholds: The threshold in use; empty for 0.5.
    """
    curve = threshold_curve(labels, probabilities[:, 0])
    used = thresholds[0] if thresholds else 0.5
    figure, axes = new_figure(5.2, 3.4)
    for values, color, label in (
        (curve.precision, VALIDATION, "precision"),
        (curve.recall, RIGHT, "recall"),
        (curve.f1, WRONG, "F1"),
    ):
        axes.step(curve.thresholds, values, color=color, where="pre", label=label)
    best = int(np.argmax(curve.f1))
    axes.axvline(used, color="black", linewidth=0.8, linestyle=":", label=f"in use, {used:.3g}")
    axes.axvline(
        curve.thresholds[best],
        color=WRONG,
        linewidth=0.8,
        linestyle="--",
        label=f"best F1, {curve.thresholds[best]:.3g}",
    )
    name_axes(axes, f"Answers '{shown(classes[1])}' by threshold, best F1 {curve.f1[best]:.3f}", "threshold", "")
    unit_square(axes)
    legend(axes)
    return figure


def probability_histogram(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws the spread of the positive class's probability over the images of either class (binary)."""
    figure, axes = new_figure(5.2, 3.2)
    edges = np.linspace(0, 1, HISTOGRAM_BINS + 1)
    for number, color in ((0, TRAINING), (1, VALIDATION)):
        heights, _ = np.histogram(probabilities[labels == number, 0], edges)
        axes.stairs(heights, edges, fill=True, alpha=0.55, color=color, label=shown(classes[number]))
    axes.axvline(0.5, color="black", linewidth=0.8, linestyle=":")
    name_axes(axes, "Predicted probabilities by true class", f"probability of '{shown(classes[1])}'", "images")
    legend(axes)
    return figure


def reliability_diagram(labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws the stated probability against the share that came true, above the number of rows in each bin."""
    bins = reliability(labels, probabilities)
    figure, (upper, lower) = panels(2, columns=1, width=4.2, height=2.6)
    edges = np.linspace(0, 1, len(bins.rows) + 1)
    centres, width = (edges[:-1] + edges[1:]) / 2, edges[1]
    upper.bar(centres, bins.frequency, width, color=VALIDATION, alpha=0.75, edgecolor="white", label="came true")
    upper.plot(bins.confidence, bins.frequency, "o", color="black", markersize=3, label="mean probability")
    upper.plot([0, 1], [0, 1], color=TRAINING, linestyle="--", linewidth=0.8, label="perfect")
    name_axes(upper, f"Reliability, expected calibration error {bins.expected_error:.3f}", "", "share that came true")
    legend(upper, loc="upper left")
    lower.bar(centres, bins.rows, width, color=TRAINING, edgecolor="white")
    name_axes(lower, "", "probability", "answers")
    for axes in (upper, lower):
        axes.set_xlim(0, 1)
    upper.set_ylim(0, 1.02)
    return figure


def reliability_of_labels(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws the reliability of each label in a panel of its own (multilabel), the most frequent labels first."""
    order = np.argsort(-labels.sum(axis=0, dtype=np.int64), kind="stable")[:MOST_LABELS]
    every = label_reliability(labels, probabilities)
    figure, axes = panels(len(order), width=1.7, height=1.5, columns=5)
    for panel, place in zip(axes, order, strict=True):
        bins = every[place]
        panel.plot([0, 1], [0, 1], color=TRAINING, linestyle="--", linewidth=0.8)
        panel.plot(bins.confidence, bins.frequency, "o-", color=VALIDATION, markersize=3, linewidth=0.9)
        name_axes(panel, f"{shown(classes[place], 14)}, error {bins.expected_error:.3f}", "probability", "came true")
        unit_square(panel)
    return figure


def class_scores(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws each class as a bar of average precision (multilabel) or F1, the best on top, with precision and recall."""
    counts = count(labels, probabilities)
    if labels.ndim == 2:
        columns = zip(labels.T, probabilities.T, strict=True)
        values, title = np.array([area_under_precision_recall(*column) for column in columns]), "Average precision"
    else:
        values, title = counts.f1, "F1"
    order = np.argsort(np.nan_to_num(values, nan=-1.0), kind="stable")
    names = [f"{shown(classes[place])} ({counts.actual[place]:,})" for place in order]
    height = 0.24 * max(3, len(classes))
    figure, axes = new_figure(4.5, height, Margins(left=0.1 + room_for(names), bottom=0.55))
    axes.barh(range(len(classes)), values[order], color=VALIDATION, alpha=0.7)
    _dots(axes, counts.precision[order], "precision", "black", "|")
    _dots(axes, counts.recall[order], "recall", WRONG, "x")
    axes.set_yticks(range(len(classes)), names)
    axes.set_xlim(0, 1.02)
    axes.set_ylim(-0.7, len(classes) - 0.3)
    name_axes(axes, f"{title} of each class (images)", "", "")
    legend(axes, ncols=2, loc="upper center", bbox_to_anchor=(0.5, -0.2 / height))
    return figure


def _dots(axes: Axes, values: NDArray[np.float64], label: str, color: str, marker: str) -> None:
    axes.plot(values, range(len(values)), marker, color=color, label=label, markersize=5)
