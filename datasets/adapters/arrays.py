"""Reads images and labels from files of arrays, such as MedMNIST's `pathmnist.npz`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import some_of
from ..arrays import blocks, in_bytes
from ..base import BadItem, Index, Progress
from ..files.sources import Source
from .folders import with_positive
from .label_values import LabelSettings, read_labels
from .pixel_levels import darkness, square_shape, stated_white, white_level
from .stored_arrays import Kind, StoredArray, stored_arrays

_CHANNELS = (1, 3)
_BATCHED = 4


class ArraysAdapter:
    """Reads arrays of images and labels, for all splits together or for each."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of all splits.

        Arrays are told by their names: `x_train` and `y_train`, `train_images` and `train_labels`, `X` and `y`; a pair
        without such names by its shapes. Images are grey or in red, green and blue, with channels last, first, or flat.

        Options:
            images, labels: The word in the names of the arrays, where it is another than the usual ones.
            pixel-max: The number that stands for white; found where it is 1 or 255.
            task: multilabel where labels of one 1 per row are no classes.
            positive: The positive class of a binary task.
        """
        import pandas as pd

        with stored_arrays(source, scratch, progress) as arrays:
            parts, notes = _parts(arrays, options)
            settings = LabelSettings(
                _class_names(arrays, parts), options.get("task"), remedy="give --option task=multilabel"
            )
            labelling = read_labels("arrays", [_label_rows(part) for part in parts], settings)
            classes = labelling.classes
            if labelling.task == "binary":
                classes = with_positive("arrays", classes, options.get("positive"))
            pixels, unusable, told = _pixels(parts, options, scratch / "pixels.raw", progress)
        places = [f"{part.split or 'row'} {row}" for part in parts for row in range(part.count)]
        bad = [BadItem(places[row], "pixels that are no numbers") for row in unusable]
        bad += [BadItem(places[row], "no label") for row, label in enumerate(labelling.labels) if label is None]
        refused = {item.where for item in bad}
        kept = [row for row, place in enumerate(places) if place not in refused]
        splits = [part.split for part in parts for _ in range(part.count)]
        table = pd.DataFrame(
            {
                "key": [places[row] for row in kept],
                "label": pd.Series([labelling.labels[row] for row in kept], dtype=object),
                "split": pd.Series([splits[row] for row in kept], dtype=object),
            }
        )
        return Index(
            table,
            classes,
            labelling.task,
            pixels=pixels if len(kept) == len(places) else pixels[kept],
            bad=tuple(bad),
            notes=(*notes, *told, *labelling.notes),
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """The images and labels of a split, or all of them."""

    split: str | None
    """The split; None where there is but one."""
    images: StoredArray
    labels: StoredArray

    @property
    def count(self) -> int:
        """Number of images."""
        return int(self.images.values.shape[0])


def _parts(arrays: Sequence[StoredArray], options: Mapping[str, str]) -> tuple[list[_Part], list[str]]:
    """Pairs images and labels, and tells what is left out.

    Raises:
        DatasetError: It is not plain which arrays belong together.
    """
    parts, notes = [], []
    found: dict[str | None, list[StoredArray]] = {}
    for array in arrays:
        found.setdefault(array.split, []).append(array)
    if set(found) > {None} and "train" in found:
        # Arrays that name no split, such as names of classes, are no images.
        unnamed = [array.name for array in found.pop(None) if _dimensions(array) > 2]
        if unnamed:
            notes.append(f"left out {some_of(unnamed)}, which {'names' if len(unnamed) == 1 else 'name'} no split")
    for split, members in found.items():
        images, labels = _one(members, "images", options), _one(members, "labels", options)
        if images is None or labels is None:
            what = "images" if images is None else "labels"
            if split in (None, "train") or "train" not in found:
                raise _unknown(members, what)
            notes.append(f"left out {some_of([array.name for array in members])}, which have no {what}")
            continue
        if images.values.shape[0] != labels.values.shape[0]:
            raise DatasetError(
                f"arrays: {images.name} holds {images.values.shape[0]:,} images, but {labels.name} "
                f"{labels.values.shape[0]:,} labels"
            )
        parts.append(_Part(split, images, labels))
    return parts, notes


def _one(members: Sequence[StoredArray], kind: Kind, options: Mapping[str, str]) -> StoredArray | None:
    """Returns the only array that may hold images, or labels, by its name and its shape; None without any.

    Raises:
        DatasetError: There are several.
    """
    least = 2 if kind == "images" else 1
    fitting = [array for array in members if _dimensions(array) >= least]
    if kind in options:
        named = [array for array in fitting if options[kind].lower() in array.name.lower()]
    else:
        named = [array for array in fitting if array.may_be(kind)]
    if kind == "labels" and len(named) > 1:
        # Names of classes lie beside labels, as `list_classes` does.
        named = [array for array in named if not _holds_texts(array)] or named
    if not named and kind not in options:
        images = [array for array in members if _dimensions(array) > 2]
        named = images if kind == "images" else [array for array in fitting if array not in images]
    if len(named) > 1:
        raise DatasetError(
            f"arrays: several arrays may hold the {kind}: {some_of([array.name for array in named])}; choose by "
            f"--option {kind}=PART-OF-ITS-NAME"
        )
    return named[0] if named else None


def _dimensions(array: StoredArray) -> int:
    return len(array.values.shape)


def _holds_texts(array: StoredArray) -> bool:
    return array.values.dtype.kind in "SUO"


def _unknown(members: Sequence[StoredArray], what: str) -> DatasetError:
    held = some_of([f"{array.name} {tuple(array.values.shape)}" for array in members])
    return DatasetError(
        f"arrays: no array is known to hold the {what}; name it with --option {what}=PART-OF-ITS-NAME; there are {held}"
    )


def _class_names(arrays: Sequence[StoredArray], parts: Sequence[_Part]) -> list[str] | None:
    """Returns the names of the classes where an array holds them."""
    taken = {id(array) for part in parts for array in (part.images, part.labels)}
    for array in arrays:
        if id(array) not in taken and array.may_be("classes") and _holds_texts(array) and _dimensions(array) == 1:
            return [name.decode(errors="replace") if isinstance(name, bytes) else str(name) for name in array.values[:]]
    return None


def _label_rows(part: _Part) -> NDArray[Any]:
    """Returns labels (n,) or (n, classes); PatchCamelyon's have more axes of a single number."""
    values: NDArray[Any] = np.asarray(part.labels.values[:])
    return values.reshape(len(values), -1) if values.ndim > 2 else values


def _pixels(
    parts: Sequence[_Part], options: Mapping[str, str], path: Path, progress: Progress
) -> tuple[NDArray[np.uint8], list[int], tuple[str, ...]]:
    """Writes all images as bytes to a file, in blocks, and maps it.

    Returns:
        The images, uint8 (n, height, width) or (n, height, width, 3); the rows whose pixels are no numbers; and notes.

    Raises:
        DatasetError: The arrays are no images, differ in size, or have pixels below 0 or above white.
    """
    shapes = {_shape(part.images) for part in parts}
    if len(shapes) > 1:
        raise DatasetError(f"arrays: all images must have one size, but they have {some_of(sorted(map(str, shapes)))}")
    shape = shapes.pop()
    total = sum(part.count for part in parts)
    stated = stated_white("arrays", options)
    largest = _largest(parts, stated)
    white = white_level(largest, stated)
    written = np.memmap(path, np.uint8, "w+", shape=(total, *shape))
    row, unusable = 0, []
    for block in blocks(part.images.values for part in parts):
        levels = _channels_last(block, shape)
        if levels.dtype.kind == "f":
            broken = ~np.isfinite(levels.reshape(len(levels), -1)).all(axis=1)
            unusable += (row + np.flatnonzero(broken)).tolist()
            levels = np.where(np.isfinite(levels), levels, 0)
        whole = levels.dtype == np.uint8 and white == np.iinfo(np.uint8).max
        written[row : row + len(levels)] = levels if whole else in_bytes(levels, (0.0, white))
        row += len(levels)
        progress("reading", row, total)
    written.flush()
    return written, unusable, darkness(largest, white, stated)


def _largest(parts: Sequence[_Part], stated: float | None) -> float:
    """Returns the largest pixel of all images.

    Raises:
        DatasetError: Some are below 0 or above white.
    """
    low, high = 0.0, 0.0
    for block in blocks(part.images.values for part in parts):
        finite = block[np.isfinite(block)] if block.dtype.kind == "f" else block
        low, high = min(low, float(finite.min(initial=0))), max(high, float(finite.max(initial=0)))
    white = white_level(high, stated)
    found = f"arrays: pixels must be from 0 to {white:g}, but lie from {low:g} to {high:g}"
    if low < 0:
        raise DatasetError(f"{found}; give such images from Python, with their pixel_range (docs/data-in-python.md)")
    if high > white:
        raise DatasetError(f"{found}; state white with --option pixel-max=NUMBER")
    return high


def _shape(images: StoredArray) -> tuple[int, ...]:
    """Returns the shape of an image of an array: (height, width), or (height, width, 3) in colour.

    Raises:
        DatasetError: They are no images.
    """
    each = tuple(map(int, images.values.shape[1:]))
    if images.values.dtype.kind in "biuf":
        if len(each) == 1 and (flat := square_shape(each[0])) is not None:
            return flat
        if len(each) == 2 and 0 not in each:
            return each
        if len(each) == _BATCHED - 1 and 0 not in each:
            last = each[2] in _CHANNELS
            if last or each[0] in _CHANNELS:
                channels, sides = (each[2], each[:2]) if last else (each[0], each[1:])
                return (*sides, channels) if channels > 1 else sides
    raise DatasetError(
        f"arrays: {images.name} must hold images (n, height, width), (n, height, width, 1 or 3), (n, 1 or 3, height, "
        f"width), or flat squares, but is {images.values.dtype} {tuple(images.values.shape)}"
    )


def _channels_last(values: NDArray[Any], shape: tuple[int, ...]) -> NDArray[Any]:
    """Returns images in a shape that `_shape` has told."""
    if values.ndim == _BATCHED and values.shape[3] not in _CHANNELS:
        values = np.moveaxis(values, 1, -1)
    return values.reshape(-1, *shape)
