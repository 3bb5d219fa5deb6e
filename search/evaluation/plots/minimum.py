"""Plots that help to choose a minimum probability: the gain and the price of accepting only sure answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from ....datasets.base import Labels
from ..acceptance import MINIMA, Certainty, acceptance_scores, accuracy_by_refusal, certainty
from ..decisions import Floats, Probabilities
from .canvas import RIGHT, TRAINING, VALIDATION, WRONG, Margins, legend, name_axes, panels, room_for, shown, unit_square

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

NAMED_CLASSES = 12
MOST_POINTS = 4000


def acceptance_figure(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws precision, recall and F1 over the minimum probability: overall, then each of the three class by class.

    Up to 12 classes are drawn as curves; more could not be told apart, so they are rows of a heat map.
    """
    overall, by_class = acceptance_scores(labels, probabilities)
    many = len(classes) > NAMED_CLASSES
    names = [shown(name) for name in classes]
    height, margins = (0.17 * len(classes), Margins(left=0.1 + room_for(names, 7))) if many else (2.8, None)
    figure, axes = panels(4, width=3.9, height=height, columns=2, margins=margins)
    for name, color in (("precision", VALIDATION), ("recall", RIGHT), ("f1", WRONG)):
        axes[0].plot(MINIMA, getattr(overall, name), color=color, label=_TITLES[name])
    best = int(np.argmax(overall.f1))
    axes[0].axvline(MINIMA[best], color="black", linewidth=0.8, linestyle=":")
    name_axes(axes[0], f"All classes; best F1 {overall.f1[best]:.3f} at {MINIMA[best]:.2f}", "minimum probability", "")
    legend(axes[0])
    unit_square(axes[0])
    for panel, name in zip(axes[1:], ("precision", "recall", "f1"), strict=True):
        (_rows if many else _curves)(panel, names, getattr(by_class, name))
        shades = ", 0 white to 1 blue" if many else ""
        name_axes(panel, f"{_TITLES[name]} of each class{shades}", "minimum probability", "")
    if many:
        for panel in axes[1:]:
            panel.tick_params(axis="y", labelsize=7, length=0)
    else:
        axes[1].legend(axes[1].lines, names, fontsize=7, frameon=False)
    return figure


_TITLES = {"precision": "Precision", "recall": "Recall", "f1": "F1"}


def _curves(axes: Axes, names: Sequence[str], scores: Floats) -> None:
    from matplotlib import colormaps

    colors = colormaps["tab10" if len(names) <= 10 else "tab20"]
    for number, curve in enumerate(scores):
        axes.plot(MINIMA, curve, color=colors(number), linewidth=1.1)
    unit_square(axes)


def _rows(axes: Axes, names: Sequence[str], scores: Floats) -> None:
    """Draws one row per class, its score by colour; grey where nothing is accepted."""
    from matplotlib import colormaps

    shades = colormaps["Blues"].with_extremes(bad="#d9d9d9")
    extent = (0.0, 1.0, len(names) - 0.5, -0.5)
    axes.imshow(scores, cmap=shades, vmin=0, vmax=1, aspect="auto", extent=extent, interpolation="nearest")
    axes.set_yticks(range(len(names)), names)


def certainty_figure(labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws the best probability against gap and spread, and the accuracy against the share refused.

    With two classes, gap and spread follow from the best probability; with several labels per image, more than one may
    be there, so that a small gap says nothing. The histogram of the best probability takes their place in both.
    """
    answers = certainty(labels, probabilities)
    plain = probabilities.shape[1] == 1 or labels.ndim == 2
    figure, axes = panels(2 if plain else 3)
    if plain:
        _histogram(axes[0], answers, 0.0 if labels.ndim == 2 else 0.5)
    else:
        _scatter(axes[0], answers, answers.gap, "gap", "gap between the two best")
        _scatter(axes[1], answers, answers.spread, "spread", "standard deviation of the probabilities")
    refused, accuracy = accuracy_by_refusal(answers)
    axes[-1].plot(refused, accuracy, color=VALIDATION)
    axes[-1].axhline(answers.right.mean(), color=TRAINING, linestyle="--", linewidth=0.8)
    axes[-1].set_xlim(0, 1)
    name_axes(axes[-1], "Accuracy when the least sure are refused", "share of images refused", "accuracy of the rest")
    return figure


def _histogram(axes: Axes, answers: Certainty, lowest: float) -> None:
    edges = np.linspace(lowest, 1, 26)
    for right, color, label in ((True, RIGHT, "right"), (False, WRONG, "wrong")):
        heights, _ = np.histogram(answers.best[answers.right == right], edges)
        axes.stairs(heights, edges, fill=True, alpha=0.55, color=color, label=label)
    name_axes(axes, "Best probability of right and wrong answers", "best probability", "images")
    legend(axes)


def _scatter(axes: Axes, answers: Certainty, across: Floats, short: str, name: str) -> None:
    rows = np.random.default_rng(0).permutation(len(answers.best))[:MOST_POINTS]
    # Right and wrong answers are drawn in one collection in random order: drawn in turn, the last would hide others.
    colors = np.where(answers.right[rows], RIGHT, WRONG)
    axes.scatter(across[rows], answers.best[rows], s=7, c=colors, alpha=0.5, linewidths=0)
    for color, label in ((RIGHT, "right"), (WRONG, "wrong")):
        axes.scatter([], [], s=20, color=color, label=label)
    name_axes(axes, f"Best probability by {short}", name, "best probability")
    legend(axes)
