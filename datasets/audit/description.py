"""Describes a data set in numbers, and in one self-contained HTML page with plots."""

from __future__ import annotations

import base64
import io
import math
import warnings
from dataclasses import asdict
from typing import TYPE_CHECKING, Any, get_args

import numpy as np
from numpy.typing import NDArray

from ...page_style import ACCENT, INK, LINE, SERIES, STYLE
from ...text import visible
from ..arrays import EntryArrays
from ..base import ImageDataset, Split
from ..preview import image_strip

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_SPLITS: tuple[Split, ...] = get_args(Split)
_EXAMPLES = 8
_CLASSES_SHOWN = 20
# Longer lists are folded away or drawn.
_CLASSES_LISTED = 30
_SIZES_LISTED = 8
# A matrix of more classes has no room for its numbers.
_COUNTS_WRITTEN = 25
_MOST_POINTS = 5000


def describe(dataset: ImageDataset) -> dict[str, Any]:
    """Counts the images of a data set.

    Returns:
        The facts, ready for JSON. Those whose names do not say it all:

        - `imbalance`: training images of the largest class, divided by those of the smallest; infinite where a
          class has none, None without any training image.
        - `untrained_classes`: the classes that have no training image.
        - `majority_accuracy`: accuracy per split of always answering the largest class in training; for multilabel
          data the mean over labels of always giving the commoner answer.
        - `cooccurrence`: for multilabel data, the number of images that carry both the row's and the column's class.
        - `files`: the files found, read as images and left out by reason; None where images are no files of their own.
        - `groups`: the rule for groups that stay in one split, and their number; None without groups.
        - `sizes`: widths and heights before resizing, in pixels.
    """
    counts = {split: class_counts(dataset, split) for split in _SPLITS}
    untrained = [name for name, count in zip(dataset.classes, counts["train"], strict=True) if not count]
    return {
        "name": dataset.name,
        "task": dataset.task,
        "source": dataset.source,
        "files": None if dataset.files is None else asdict(dataset.files),
        "licence": dataset.licence,
        "fingerprint": dataset.fingerprint,
        "image_shape": list(dataset.image_shape),
        "images": {split: len(dataset.rows(split)) for split in _SPLITS},
        "classes": {
            name: {split: counts[split][number] for split in _SPLITS} for number, name in enumerate(dataset.classes)
        },
        "imbalance": _imbalance(counts["train"]),
        "untrained_classes": untrained,
        "majority_accuracy": {split: _majority_accuracy(dataset, split) for split in _SPLITS},
        "cooccurrence": cooccurrence(dataset).tolist() if dataset.task == "multilabel" else None,
        "sizes": _size_summary(dataset),
        "groups": _group_summary(dataset),
        "notes": list(dataset.notes),
    }


def _imbalance(counts: list[int]) -> float | None:
    largest, smallest = max(counts), min(counts)
    if smallest:
        return largest / smallest
    return math.inf if largest else None


def class_counts(dataset: ImageDataset, split: Split) -> list[int]:
    """The number of images of a split that carry each class."""
    labels = dataset.labels[dataset.rows(split)]
    if dataset.task == "multilabel":
        return [int(count) for count in labels.sum(axis=0, dtype=np.int64)]
    return [int(count) for count in np.bincount(labels, minlength=len(dataset.classes))]


def cooccurrence(dataset: ImageDataset) -> NDArray[np.int64]:
    """The number of images that carry both of two classes, int64 (classes, classes)."""
    labels = dataset.labels.astype(np.int64)
    together: NDArray[np.int64] = labels.T @ labels
    return together


def page(dataset: ImageDataset, facts: dict[str, Any]) -> str:
    """Draws the HTML page, which needs no other file.

    Args:
        dataset: The data set.
        facts: Its facts, from `describe`.
    """
    from jinja2 import Environment

    from .description_page import TEMPLATE

    classes = list(facts["classes"].items())
    sizes = _distinct_sizes(dataset)
    words = "accuracy on validation of always answering the largest class"
    if dataset.task == "multilabel":
        words = "accuracy on validation of giving each label's commoner answer"
    return (
        Environment(autoescape=True)
        .from_string(TEMPLATE)
        .render(
            style=STYLE,
            colors=SERIES,
            facts=facts,
            splits=_SPLITS,
            total=sum(facts["images"].values()),
            majority=facts["majority_accuracy"]["validation"],
            majority_words=words,
            first=classes[:_CLASSES_LISTED],
            others=classes[_CLASSES_LISTED:],
            most=max(1, *(sum(counts.values()) for _, counts in classes)),
            examples=_examples(dataset),
            sizes=sizes,
            size_plot="" if len(sizes) <= _SIZES_LISTED else _embedded(_plot_sizes(dataset)),
            together_plot=_embedded(_plot_cooccurrence(dataset)) if dataset.task == "multilabel" else "",
        )
    )


def _distinct_sizes(dataset: ImageDataset) -> list[tuple[int, int, int]]:
    """Returns widths, heights and numbers of images of each size before resizing, the commonest first."""
    sizes, counts = np.unique(EntryArrays(dataset.folder).original_sizes(), axis=0, return_counts=True)
    order = np.argsort(-counts, kind="stable")
    return [(int(sizes[place][0]), int(sizes[place][1]), int(counts[place])) for place in order]


def _examples(dataset: ImageDataset) -> list[tuple[str, str]]:
    """Returns the names of classes, each with the first training images that carry it, as an `img` element."""
    labels = dataset.labels[dataset.train]
    shown = []
    for number, name in enumerate(dataset.classes[:_CLASSES_SHOWN]):
        carries = labels[:, number] == 1 if dataset.task == "multilabel" else labels == number
        shown.append((name, image_strip(dataset, dataset.train[carries][:_EXAMPLES], name)))
    return shown


def _majority_accuracy(dataset: ImageDataset, split: Split) -> float | None:
    rows = dataset.rows(split)
    train = np.array(class_counts(dataset, "train"))
    if len(rows) == 0 or len(dataset.train) == 0:
        return None
    labels = dataset.labels[rows]
    if dataset.task == "multilabel":
        return float((labels == (train * 2 > len(dataset.train))).mean())
    return float((labels == train.argmax()).mean())


def _size_summary(dataset: ImageDataset) -> dict[str, list[int]]:
    sizes = EntryArrays(dataset.folder).original_sizes()
    return {
        "smallest": sizes.min(axis=0).tolist(),
        "median": np.median(sizes, axis=0).astype(int).tolist(),
        "largest": sizes.max(axis=0).tolist(),
    }


def _group_summary(dataset: ImageDataset) -> dict[str, Any] | None:
    if dataset.grouping is None:
        return None
    groups = dataset.grouping.rows(dataset.name, EntryArrays(dataset.folder))
    return {"by": dataset.grouping.words, "count": len(np.unique(groups))}


def _plot_sizes(dataset: ImageDataset) -> Figure:
    from matplotlib.figure import Figure

    sizes = EntryArrays(dataset.folder).original_sizes()
    step = max(1, len(sizes) // _MOST_POINTS)
    figure = Figure(figsize=(6, 4), layout="constrained")
    axes = figure.subplots()
    axes.scatter(sizes[::step, 0], sizes[::step, 1], s=16, alpha=0.35, color=ACCENT, linewidths=0)
    axes.grid(color=LINE, linewidth=0.6)
    axes.set_axisbelow(True)
    axes.set_xlabel("width, pixels")
    axes.set_ylabel("height, pixels")
    return figure


def _plot_cooccurrence(dataset: ImageDataset) -> Figure:
    from matplotlib.colors import LogNorm
    from matplotlib.figure import Figure

    counts = cooccurrence(dataset)
    side = 2.6 + 0.38 * len(dataset.classes)
    figure = Figure(figsize=(side + 0.8, side), layout="constrained")
    axes = figure.subplots()
    # On a log scale, since the diagonal would leave all else white; a pair that never occurs stays white.
    shades = axes.imshow(
        np.ma.masked_equal(counts, 0), cmap="Blues", norm=LogNorm(vmin=0.5, vmax=max(1, int(counts.max())))
    )
    figure.colorbar(shades, ax=axes, label="images, log scale", shrink=0.6)
    if len(dataset.classes) <= _COUNTS_WRITTEN:
        for row, column in np.argwhere(counts > 0).tolist():
            dark = counts[row, column] > counts.max() ** 0.7
            axes.text(
                column, row, str(counts[row, column]), ha="center", va="center", fontsize=7,
                color="white" if dark else INK,
            )  # fmt: skip
    places = range(len(dataset.classes))
    axes.set_xticks(places, _plain(dataset.classes), rotation=90)
    axes.set_yticks(places, _plain(dataset.classes))
    return figure


def _plain(names: tuple[str, ...]) -> list[str]:
    """Names in which matplotlib sees no formulas, and no characters that fonts lack on purpose."""
    return [visible(name).replace("$", r"\$") for name in names]


def _embedded(figure: Figure) -> str:
    picture = io.BytesIO()
    with warnings.catch_warnings():
        # A class name in a script that the plotting font lacks is drawn as boxes, and named in the table.
        warnings.filterwarnings("ignore", message=r"Glyph \d+ .* missing from font")
        figure.savefig(picture, format="png", dpi=90)
    return "data:image/png;base64," + base64.b64encode(picture.getvalue()).decode()
