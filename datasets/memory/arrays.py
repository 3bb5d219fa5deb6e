"""Data sets made of arrays in memory."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, SettingError
from ...text import counted
from ..adapters.label_values import LabelSettings, read_labels
from ..arrays import blocks
from ..base import ImageDataset, Index, Progress
from ..settings import DEFAULT_SETTINGS, LoadSettings
from .opening import check_settings, index_of, label_facts, open_index, silent
from .pixels import PixelFile, Range, check_range, image_arrays, is_ready, pixel_format, stated_range

_GROUPS = "groups="
# Images and their labels.
Pair = tuple[Any, Any]


def from_arrays(
    name: str,
    images: Any,
    labels: Any,
    classes: Sequence[str] | None = None,
    *,
    validation: Pair | None = None,
    test: Pair | None = None,
    task: str | None = None,
    label_separator: str | None = None,
    pixel_range: Range | None = None,
    groups: Sequence[Any] | None = None,
    split: tuple[float, float, float] | None = None,
    seed: int | None = None,
    settings: LoadSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> ImageDataset:
    """Puts arrays in memory into the cache as a data set.

    Labels may be whole numbers (n,) or (n, 1), which are positions in `classes`; names; one-hot or multi-hot rows
    (n, classes); or lists of names. Rows that all hold a single 1 are read as one class per image unless `task` is
    "multilabel".

    Args:
        name: The name that results are kept under: letters, digits, "_" and "-".
        images: uint8 (n, height, width, 1 or 3), grey (n, height, width), or a list of images. Alpha is laid on white.
            Other types need `pixel_range`.
        labels: One label per image, in one of the ways above; None or NaN is a missing one.
        classes: Class names in label order. Two make a binary task, in which the second is positive. None takes them
            from the labels, sorted.
        validation: Images and labels of the validation split; None to draw it from `images`.
        test: Images and labels of the test split; None to draw it, where neither is given from `images`, else from
            the validation split.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        label_separator: The mark between several labels in one text; empty to take every text for one label.
        pixel_range: The lowest and the highest value that a pixel may have, such as (0, 1), for other types than uint8.
        groups: One name or number per image of `images`; images of one group, such as those of a person or a video,
            stay in one split and fold. Images of other splits are groups of their own.
        split: Shares of train, validation and test, instead of those of `settings`.
        seed: Random seed for the splits, instead of that of `settings`.
        settings: Sizes, splits, and the handling of images that cannot be used. Images keep their size unless it
            states one.
        progress: Called with a stage ("decoding"), the work done so far and the total work.

    Raises:
        SettingError: The name, the range or the task is none, or a split is stated twice.
        DatasetError: Shapes, types, ranges or labels do not fit.
    """
    settings = _with_shares(settings, split, seed)
    check_settings("from_arrays", name, settings)
    pixel_range = check_range(pixel_range)
    if split is not None and validation is not None and test is not None:
        raise SettingError("from_arrays draws no split where validation and test are both given; leave split= out")
    pairs = {"train": (images, labels), "validation": _pair("validation", validation), "test": _pair("test", test)}
    parts = {part: pair for part, pair in pairs.items() if pair is not None}
    arrays = {part: image_arrays(name, pair[0]) for part, pair in parts.items()}
    counts = {part: sum(map(len, held)) for part, held in arrays.items()}
    _check_counts(name, parts, counts)
    labelling = read_labels(name, [pair[1] for pair in parts.values()], LabelSettings(classes, task, label_separator))
    every = [array for held in arrays.values() for array in held]
    together = [array for array in every if len(array)] or every[:1]
    chosen = pixel_format({array.shape[1:] for array in together if len(array)}, settings, name)
    stated = len(parts) > 1
    keys = [key for part, count in counts.items() for key in _keys(part, count)]
    named = _groups(name, groups, keys, counts["train"])
    splits = [part if stated else None for part, count in counts.items() for _ in range(count)]

    def listed(scratch: Path) -> tuple[Index, Path]:
        if is_ready(together, pixel_range):
            index = index_of(labelling, keys, splits, together[0], groups=named, groups_from=_GROUPS)
            return index, Path("arrays")
        file = PixelFile(scratch / "pixels", name, stated_range(name, together, pixel_range), chosen)
        try:
            for block in blocks(together):
                file.append(block)
            pixels = file.finish()
        finally:
            file.close()
        index = index_of(labelling, keys, splits, pixels, file.faults, named, _GROUPS)
        gone = {item.where for item in index.bad}
        np.save(scratch / "sizes.npy", np.array(file.sizes, np.int32)[[key not in gone for key in keys]])
        return index, Path("arrays")

    facts = (_digest(together), label_facts(labelling), counts if stated else (), pixel_range, named)
    return open_index(name, "arrays", facts, listed, chosen, settings, progress or silent)


def _with_shares(settings: LoadSettings, split: tuple[float, float, float] | None, seed: int | None) -> LoadSettings:
    if split is not None:
        settings = replace(settings, split=split)
    return settings if seed is None else replace(settings, seed=seed)


def _pair(part: str, given: Any) -> Pair | None:
    if given is not None and not (isinstance(given, tuple | list) and len(given) == 2):
        raise SettingError(f"{part} must be a pair of images and labels, such as {part}=(x, y), but got "
                           f"{type(given).__name__}")  # fmt: skip
    return None if given is None else (given[0], given[1])


def _check_counts(name: str, parts: dict[str, Pair], counts: dict[str, int]) -> None:
    for part, (_, labels) in parts.items():
        where = "" if part == "train" else f" for {part}"
        try:
            count = -1 if isinstance(labels, str | bytes) else len(labels)
        except TypeError:
            count = -1
        if count < 0:
            raise DatasetError(f"{name}: labels must be an array or a list, but got {type(labels).__name__}{where}")
        if count != counts[part]:
            raise DatasetError(
                f"{name}: give one label per image, but got {count} for {counted(counts[part], 'image')}{where}"
            )


def _groups(name: str, groups: Sequence[Any] | None, keys: Sequence[str], count: int) -> list[str] | None:
    """The name of each row's group: that given, and for rows of other splits one of their own.

    Raises:
        DatasetError: There is not one group per image.
    """
    if groups is None:
        return None
    if len(groups) != count:
        raise DatasetError(f"{name}: give one group per image, but got {len(groups)} for {counted(count, 'image')}")
    return [*map(str, groups), *keys[count:]]


def _keys(part: str, count: int) -> list[str]:
    before = "" if part == "train" else f"{part} "
    return [f"{before}image {row}" for row in range(count)]


def _digest(arrays: Sequence[NDArray[Any]]) -> str:
    digest = hashlib.sha256()
    for array in arrays:
        digest.update(f"{array.dtype}{array.shape}".encode())
        for block in blocks([array]):
            digest.update(np.ascontiguousarray(block).data)
    return digest.hexdigest()
