"""Where to set the minimum probability: what accepting only sure answers gains and costs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ....datasets.base import Labels
from ..acceptance import MINIMA, AcceptanceScores, Certainty, acceptance_scores, accuracy_by_refusal, certainty
from ..decisions import Floats, Probabilities
from .canvas import RIGHT, TRAINING, VALIDATION, WRONG, legend, name_axes, panels, shown, unit_square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_CLASSES = 12
MOST_POINTS = 4000


def acceptance_figure(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Precision, recall and F1 over the minimum probability: overall, then each of the three class by class."""
    overall, by_class = acceptance_scores(labels, probabilities)
    figure, axes = panels(4, width=3.9, height=2.8, columns=2)
    for name, color in (("precision", VALIDATION), ("recall", RIGHT), ("f1", WRONG)):
        axes[0].plot(MINIMA, getattr(overall, name), color=color, label=_TITLES[name])
    best = int(np.argmax(overall.f1))
    axes[0].axvline(MINIMA[best], color="black", linewidth=0.8, linestyle=":")
    name_axes(axes[0], f"All classes; best F1 {overall.f1[best]:.3f} at {MINIMA[best]:.2f}", "minimum probability", "")
    legend(axes[0])
    for panel, name in zip(axes[1:], ("precision", "recall", "f1"), strict=True):
        _each_class(panel, name, by_class, overall)
        name_axes(panel, f"{_TITLES[name]} of each class", "minimum probability", "")
    for panel in axes:
        unit_square(panel)
    if len(classes) <= NAMED_CLASSES:
        names = [shown(name) for name in classes]
        axes[1].legend(axes[1].lines, names, fontsize=7, frameon=False)
    return figure


_TITLES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def _palette(classes: int) -> str:
    if classes > NAMED_CLASSES:
        return "viridis"
    return "tab10" if classes <= 10 else "tab20"


def _each_class(axes: Axes, name: str, by_class: AcceptanceScores, overall: AcceptanceScores) -> None:
    from matplotlib import colormaps

    curves = getattr(by_class, name)
    many = len(curves) > NAMED_CLASSES
    colors = colormaps[_palette(len(curves))](np.linspace(0, 1, len(curves)) if many else range(len(curves)))
    for curve, color in zip(curves, colors, strict=True):
        axes.plot(MINIMA, curve, color=color, linewidth=0.8 if many else 1.1, alpha=0.7 if many else 1.0)
    if many:
        axes.plot(MINIMA, getattr(overall, name), color="black", linewidth=1.6, label="all classes")
        legend(axes)


def certainty_figure(labels: Labels, probabilities: Probabilities) -> Figure:
    """Best probability against the gap to the second and against the spread; accuracy against the share refused.

    With two classes gap and spread follow from the best probability, so its histogram stands in their place.
    """
    answers = certainty(labels, probabilities)
    binary = probabilities.shape[1] == 1
    figure, axes = panels(2 if binary else 3)
    if binary:
        _histogram(axes[0], answers)
    else:
        _scatter(axes[0], answers, answers.gap, "gap", "gap between the two best")
        _scatter(axes[1], answers, answers.spread, "spread", "standard deviation of the probabilities")
    refused, accuracy = accuracy_by_refusal(answers)
    axes[-1].plot(refused, accuracy, color=VALIDATION)
    axes[-1].axhline(answers.right.mean(), color=TRAINING, linestyle="--", linewidth=0.8)
    axes[-1].set_xlim(0, 1)
    name_axes(axes[-1], "Accuracy when the least sure are refused", "share of images refused", "accuracy of the rest")
    return figure


def _histogram(axes: Axes, answers: Certainty) -> None:
    edges = np.linspace(0.5, 1, 26)
    for right, color, label in ((True, RIGHT, "right"), (False, WRONG, "wrong")):
        heights, _ = np.histogram(answers.best[answers.right == right], edges)
        axes.stairs(heights, edges, fill=True, alpha=0.55, color=color, label=label)
    name_axes(axes, "Best probability of right and wrong answers", "best probability", "images")
    legend(axes)


def _scatter(axes: Axes, answers: Certainty, across: Floats, short: str, name: str) -> None:
    rows = np.random.default_rng(0).permutation(len(answers.best))[:MOST_POINTS]
    # Both answers in one collection, in random order: drawn one over the other, the last would hide the first.
    colors = np.where(answers.right[rows], RIGHT, WRONG)
    axes.scatter(across[rows], answers.best[rows], s=7, c=colors, alpha=0.5, linewidths=0)
    for color, label in ((RIGHT, "right"), (WRONG, "wrong")):
        axes.scatter([], [], s=20, color=color, label=label)
    name_axes(axes, f"Best probability by {short}", name, "best probability")
    legend(axes)
