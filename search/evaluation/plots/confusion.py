"""Confusion matrices: pictures of the classes that are taken for one another."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ....datasets.base import Labels, Task
from ..decisions import Probabilities, answers, confusion_matrix, count
from .canvas import Margins, new_figure, room_for, set_title, shown

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

ALL_CELLS_WRITTEN = 12
LEAST_SHARE_WRITTEN = 0.05
BLOCKS_ACROSS = 5


def confusion_figure(
    task: Task,
    classes: Sequence[str],
    labels: Labels,
    probabilities: Probabilities,
    thresholds: Sequence[float] = (),
) -> Figure:
    """Draws a confusion matrix: named rates (binary), a heat map (multiclass), one matrix per class (multilabel).

    Args:
        task: The data set's task.
        classes: Names of the classes.
        labels: Labels of the rows.
        probabilities: Probabilities of the same rows.
        thresholds: The threshold of a binary model; empty for 0.5.
    """
    if task == "multilabel":
        return _matrix_per_class(classes, labels, probabilities)
    threshold = thresholds[0] if task == "binary" and thresholds else 0.5
    matrix = confusion_matrix(labels, answers(labels, probabilities, threshold), len(classes))
    return _binary(classes, matrix, threshold) if task == "binary" else _heat_map(classes, matrix)


def _row_shares(matrix: NDArray[np.int64]) -> NDArray[np.float64]:
    shares: NDArray[np.float64] = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    return shares


def _binary(classes: Sequence[str], matrix: NDArray[np.int64], threshold: float) -> Figure:
    names = (("true negative", "false positive"), ("false negative", "true positive"))
    shares = _row_shares(matrix)
    figure, axes = new_figure(4.0, 4.0, _margins(classes))
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    for row in range(2):
        for column in range(2):
            text = f"{names[row][column]}\n{matrix[row, column]:,}\nrate {shares[row, column]:.1%}"
            axes.text(column, row, text, ha="center", va="center", color=_ink(shares[row, column]), fontsize=10)
    _name_classes(axes, classes)
    set_title(axes, f"Confusion matrix; positive is '{shown(classes[1])}', at {threshold:.3g}")
    return figure


def _heat_map(classes: Sequence[str], matrix: NDArray[np.int64]) -> Figure:
    size = max(4.0, 0.27 * len(classes)) if len(classes) > ALL_CELLS_WRITTEN else max(2.5, 0.58 * len(classes))
    figure, axes = new_figure(size, size, _margins(classes))
    shares = _row_shares(matrix)
    picture = axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    write_all = len(classes) <= ALL_CELLS_WRITTEN
    for row, column in zip(*np.nonzero(matrix), strict=True):
        share = shares[row, column]
        if write_all or row == column or share >= LEAST_SHARE_WRITTEN:
            text = f"{matrix[row, column]:,}\n{share:.0%}" if write_all else f"{100 * share:.0f}"
            axes.text(column, row, text, ha="center", va="center", color=_ink(share), fontsize=8 if write_all else 6)
    _name_classes(axes, classes)
    written = "images and share of the true class" if write_all else "% of the true class, 5 % and more"
    set_title(axes, f"Confusion matrix: {written}")
    box = axes.get_position()
    scale = figure.add_axes((box.x1 + 0.15 / figure.get_figwidth(), box.y0, 0.15 / figure.get_figwidth(), box.height))
    figure.colorbar(picture, cax=scale).ax.tick_params(labelsize=8)
    return figure


def _upright(classes: Sequence[str]) -> bool:
    """Returns whether the names below the columns must stand upright to fit."""
    return len(classes) > 2 and (len(classes) > ALL_CELLS_WRITTEN or max(map(len, classes)) > 8)


def _margins(classes: Sequence[str]) -> Margins:
    names = room_for([shown(name) for name in classes])
    return Margins(left=0.4 + names, bottom=0.4 + names if _upright(classes) else 0.5, right=0.8)


def _name_classes(axes: Axes, classes: Sequence[str]) -> None:
    names = [shown(name) for name in classes]
    axes.set_xticks(range(len(classes)), names, rotation=90 if _upright(classes) else 0, fontsize=8)
    axes.set_yticks(range(len(classes)), names, fontsize=8)
    axes.set_xlabel("predicted", fontsize=9)
    axes.set_ylabel("true", fontsize=9)


def _matrix_per_class(classes: Sequence[str], labels: Labels, probabilities: Probabilities) -> Figure:
    """Draws all matrices in one picture, since one set of axes per class would take seconds to draw."""
    counts = count(labels, probabilities)
    across = min(BLOCKS_ACROSS, len(classes))
    down = -(-len(classes) // across)
    figure, axes = new_figure(max(5.5, 2.2 * across), 1.5 * down, Margins(left=0.1, right=0.1, bottom=0.1))
    board = np.full((3 * down + 1, 3 * across), np.nan)
    for place, name in enumerate(classes):
        row, column = 3 * (place // across) + 1, 3 * (place % across) + 1
        hits, said, actual = (int(part[place]) for part in (counts.hits, counts.predicted, counts.actual))
        matrix = np.array([[len(labels) - said - actual + hits, said - hits], [actual - hits, hits]])
        board[row : row + 2, column : column + 2] = shares = _row_shares(matrix)
        axes.text(column + 0.5, row - 0.65, shown(name, 20), ha="center", va="bottom", fontsize=9, weight="bold")
        for y, x, letters in ((0, 0, "TN"), (0, 1, "FP"), (1, 0, "FN"), (1, 1, "TP")):
            text = f"{letters} {matrix[y, x]:,}\n{shares[y, x]:.1%}"
            axes.text(column + x, row + y, text, ha="center", va="center", fontsize=7, color=_ink(shares[y, x]))
        for place_on_axis, answer in enumerate(("no", "yes")):
            axes.text(column + place_on_axis, row + 1.53, f"predicted {answer}", fontsize=6, va="top", ha="center")
            beside = column - 0.53, row + place_on_axis
            axes.text(*beside, f"true {answer}", fontsize=6, va="center", ha="right", rotation=90)
    axes.imshow(board, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    axes.set_axis_off()
    set_title(axes, "One confusion matrix per class, at 0.5: images, share of the row")
    return figure


def _ink(share: float) -> str:
    """Returns white for dark cells, black for light ones."""
    return "white" if share > 0.55 else "black"
