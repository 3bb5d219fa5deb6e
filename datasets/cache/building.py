"""Builds a cache entry from an adapter's index: decodes, resizes, checks, writes."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ..arrays import EntryArrays, row_blocks
from ..base import STATED, UNSTATED, Index, Labels, Progress
from ..grouping import first_rows
from .decoding import PixelFormat, resize_array
from .parallel_decoding import bad_items, decode_files


def build_entry(
    folder: Path, index: Index, root: Path, pixel_format: PixelFormat | None, progress: Progress
) -> dict[str, Any]:
    """Writes the arrays of a cache entry.

    Args:
        folder: The folder of the new entry.
        index: The images to decode, or their pixels.
        root: The folder that the keys of the index are relative to.
        pixel_format: The format that every image is brought to; None keeps that of the pixels that the index comes
            with, uint8 (n, height, width, channels).
        progress: Called with the stage "decoding", the images done so far and their total.

    Returns:
        The facts of the entry, ready for JSON.

    Raises:
        DatasetError: No image can be used.
    """
    arrays = EntryArrays(folder)
    keys = [str(key) for key in index.table["key"]]
    if not keys:
        raise DatasetError(f"{root} holds no image that can be used" + _first_reason(index.bad))
    if pixel_format is None:
        assert index.pixels is not None
        shape: tuple[int, ...] = (*index.pixels.shape[1:], 1)[:3]
    else:
        shape = pixel_format.shape
    images = arrays.new_images(len(keys), shape)
    sizes = np.zeros((len(keys), 2), np.int32)
    bad = index.bad
    if index.pixels is None:
        assert pixel_format is not None
        paths = [root / key for key in keys]
        reasons = decode_files(paths, pixel_format, images, sizes, lambda done: progress("decoding", done, len(paths)))
        bad = (*bad, *bad_items(reasons, keys))
        good = np.setdiff1d(np.arange(len(keys)), list(reasons))
    else:
        _take_pixels(index.pixels, pixel_format, images, progress)
        sizes[:] = index.pixels.shape[2], index.pixels.shape[1]
        good = np.arange(len(keys))
    if len(good) == 0:
        raise DatasetError(f"none of the {len(keys)} images of {root} can be used" + _first_reason(bad))
    if len(good) < len(keys):
        images = arrays.keep_images(images, good)
    images.flush()
    stated = np.array(
        [STATED[split] if isinstance(split, str) else UNSTATED for split in index.table["split"]], np.int8
    )
    arrays.save_rows(
        labels=_encode(index)[good], origins=np.array(keys)[good], stated=stated[good], original_sizes=sizes[good]
    )
    if "masked" in index.table:
        arrays.save_masked(_multi_hot(index.table["masked"].iloc[good], index.classes))
    if index.groups_from is not None:
        arrays.save_groups(first_rows(index.table["group"].iloc[good]))
    return {
        "task": index.task,
        "resize": pixel_format.resize if pixel_format is not None else None,
        "classes": index.classes,
        "bad": [{"where": item.where, "reason": item.reason} for item in bad],
        "notes": index.notes,
        "licence": index.licence,
        "pixels": pixel_digest(images),
        "groups_from": index.groups_from,
        "emptied": _emptied(index, good),
    }


def _emptied(index: Index, good: NDArray[np.int64]) -> list[str]:
    """Returns the classes of whose images none can be used."""
    labels = index.table["label"]
    if index.task == "multilabel":
        labels = labels.explode()
    return sorted(set(labels.dropna()) - set(labels.loc[labels.index.intersection(index.table.index[good])].dropna()))


def pixel_digest(images: NDArray[np.uint8]) -> str:
    """SHA-256 (hexadecimal) of the shape and the pixels."""
    digest = hashlib.sha256(str(images.shape).encode())
    for block in row_blocks(images):
        digest.update(np.ascontiguousarray(images[block]).data)
    return digest.hexdigest()


def _take_pixels(
    pixels: NDArray[np.uint8], pixel_format: PixelFormat | None, images: NDArray[np.uint8], progress: Progress
) -> None:
    """Copies pixels that came with the index, resizing them unless they have the format already."""
    ready = pixels.shape[1:] in (images.shape[1:], images.shape[1:3]) and images.shape[3] == (
        pixels.shape[3] if pixels.ndim == 4 else 1
    )
    for block in row_blocks(images):
        if pixel_format is None or ready:
            images[block] = pixels[block].reshape(-1, *images.shape[1:])
        else:
            for row in range(*block.indices(len(images))):
                images[row] = resize_array(pixels[row], pixel_format)
        progress("decoding", min(block.stop, len(images)), len(images))


def _encode(index: Index) -> Labels:
    """Class names as numbers: int32 (n,), or uint8 multi-hot (n, classes) for a multilabel task."""
    if index.task == "multilabel":
        return _multi_hot(index.table["label"], index.classes)
    number = {name: position for position, name in enumerate(index.classes)}
    return np.array([number[label] for label in index.table["label"]], np.int32)


def _multi_hot(names_of_rows: Iterable[Iterable[str]], classes: Sequence[str]) -> NDArray[np.uint8]:
    """Sets of class names as uint8 (n, classes), 1 where a set holds the class."""
    number = {name: position for position, name in enumerate(classes)}
    rows = list(names_of_rows)
    found = np.zeros((len(rows), len(number)), np.uint8)
    for row, names in enumerate(rows):
        found[row, [number[name] for name in names]] = 1
    return found


def _first_reason(bad: tuple[Any, ...]) -> str:
    return f"; {bad[0].where}: {bad[0].reason}" if bad else ""
