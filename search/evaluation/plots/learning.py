"""Learning curves: every recorded number over the epochs, training and validation in one panel."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

import numpy as np

from ..metrics import METRICS
from .canvas import RIGHT, TRAINING, VALIDATION, WRONG, legend, name_axes, panels, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PREFIX = "val_"
MOST_PANELS = 9


def learning_curves(
    history: Sequence[Mapping[str, float]],
    objective: str | None = None,
    baseline: Mapping[str, float] | None = None,
    reference: Mapping[str, float] | None = None,
) -> Figure:
    """Draws one panel for each quantity that has a validation line, the loss first, then the objective.

    The learning rate, which has none by nature, is drawn, too.

    Args:
        history: Metrics per epoch; `val_x` is `x` on validation.
        objective: The metric whose best epoch is marked.
        baseline: Scores of answering with class frequencies alone, by metric, drawn as level lines.
        reference: Published scores by metric, drawn as level lines.
    """
    names = _quantities(history, objective)
    figure, axes = panels(len(names))
    best = _best_epoch(history, objective)
    for panel, name in zip(axes, names, strict=True):
        _draw(panel, history, name)
        _level(panel, baseline, name, "class frequencies", WRONG)
        _level(panel, reference, name, "published", RIGHT)
        if best is not None:
            panel.axvline(best, color="black", linewidth=0.8, linestyle=":")
        if len(panel.get_legend_handles_labels()[0]) > 1:
            legend(panel)
    if best is not None:
        set_title(axes[0], f"{axes[0].get_title()} (dotted: best epoch, {best})")
    return figure


def _quantities(history: Sequence[Mapping[str, float]], objective: str | None) -> list[str]:
    validated = {name.removeprefix(PREFIX) for epoch in history for name in epoch if name.startswith(PREFIX)}
    named = dict.fromkeys(name.removeprefix(PREFIX) for epoch in history for name in epoch)
    found = [name for name in named if name in validated or name == "learning_rate"]
    first = [name for name in ("loss", objective, "accuracy") if name in found]
    return list(dict.fromkeys([*first, *found]))[:MOST_PANELS] or ["loss"]


def _series(history: Sequence[Mapping[str, float]], name: str) -> list[float]:
    return [epoch.get(name, np.nan) for epoch in history]


def _draw(axes: Axes, history: Sequence[Mapping[str, float]], name: str) -> None:
    epochs = np.arange(1, len(history) + 1)
    # A line alone would not show a single epoch.
    marker = "o" if len(history) < 15 else None
    for key, label, color in ((name, "training", TRAINING), (PREFIX + name, "validation", VALIDATION)):
        if any(key in epoch for epoch in history):
            axes.plot(epochs, _series(history, key), label=label, color=color, marker=marker, markersize=3)
    name_axes(axes, name.replace("_", " "), "epoch", "")
    axes.locator_params(axis="x", integer=True)
    if name == "learning_rate" and min(_series(history, name)) > 0:
        axes.set_yscale("log")


def _level(axes: Axes, scores: Mapping[str, float] | None, name: str, label: str, color: str) -> None:
    # The loss panel takes the level of the log loss.
    value = (scores or {}).get("log_loss" if name == "loss" else name, np.nan)
    if np.isfinite(value):
        axes.axhline(value, label=label, color=color, linewidth=0.9, linestyle="--")


def _best_epoch(history: Sequence[Mapping[str, float]], objective: str | None) -> int | None:
    values = np.array(_series(history, f"{PREFIX}{objective}"), dtype=np.float64)
    if objective not in METRICS or not np.isfinite(values).any():
        return None
    return int(np.nanargmin([METRICS[objective].direction.loss(value) for value in values])) + 1
