"""Builds a cache entry from an adapter's index: decodes, resizes, checks, writes."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ..base import STATED, UNSTATED, Index, Labels, Progress
from .decoding import PixelFormat, resize_array
from .parallel_decoding import bad_items, decode_files
from .row_blocks import row_blocks


def build_entry(
    folder: Path, index: Index, root: Path, pixel_format: PixelFormat, progress: Progress
) -> dict[str, Any]:
    """Writes images.npy, labels.npy, origins.npy, stated.npy and original_sizes.npy; returns the entry's facts.

    Raises DatasetError when no image can be used.
    """
    keys = [str(key) for key in index.table["key"]]
    if not keys:
        raise DatasetError(f"no images are left of {root}" + _first_reason(index.bad))
    images = _new_images(folder, len(keys), pixel_format.shape)
    sizes = np.zeros((len(keys), 2), np.int32)
    bad = index.bad
    if index.pixels is None:
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
        images = _keep(folder, images, good)
    images.flush()
    stated = np.array(
        [STATED[split] if isinstance(split, str) else UNSTATED for split in index.table["split"]], np.int8
    )
    np.save(folder / "labels.npy", _encode(index)[good])
    np.save(folder / "origins.npy", np.array(keys)[good])
    np.save(folder / "stated.npy", stated[good])
    np.save(folder / "original_sizes.npy", sizes[good])
    return {
        "task": index.task,
        "resize": pixel_format.resize,
        "classes": index.classes,
        "bad": [{"where": item.where, "reason": item.reason} for item in bad],
        "notes": index.notes,
        "licence": index.licence,
        "pixels": pixel_digest(images),
    }


def write_arrays(folder: Path, images: NDArray[np.uint8], labels: Labels, classes: tuple[str, ...]) -> dict[str, Any]:
    """Writes the entry of a data set that was given as arrays."""
    np.save(folder / "images.npy", images)
    np.save(folder / "labels.npy", labels)
    np.save(folder / "origins.npy", np.array([f"image {row}" for row in range(len(images))]))
    np.save(folder / "stated.npy", np.full(len(images), UNSTATED, np.int8))
    np.save(folder / "original_sizes.npy", np.full((len(images), 2), images.shape[2:0:-1], np.int32))
    task = "multilabel" if labels.ndim == 2 else "binary" if len(classes) == 2 else "multiclass"
    return {
        "task": task,
        "classes": classes,
        "bad": [],
        "notes": [],
        "licence": None,
        "pixels": pixel_digest(images),
    }


def pixel_digest(images: NDArray[np.uint8]) -> str:
    """SHA-256 (hexadecimal) over shape and pixels."""
    digest = hashlib.sha256(str(images.shape).encode())
    for block in row_blocks(images):
        digest.update(np.ascontiguousarray(images[block]).data)
    return digest.hexdigest()


def _new_images(folder: Path, count: int, shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """A new images.npy, writable. Raises OSError when the disk has no room for it."""
    path = folder / "images.npy"
    images = np.lib.format.open_memmap(path, "w+", np.uint8, (count, *shape))
    if hasattr(os, "posix_fallocate"):
        # Without room reserved, writing to the map on a full disk would kill the process (SIGBUS).
        with path.open("r+b") as file:
            os.posix_fallocate(file.fileno(), 0, path.stat().st_size)
    return images


def _take_pixels(
    pixels: NDArray[np.uint8], pixel_format: PixelFormat, images: NDArray[np.uint8], progress: Progress
) -> None:
    """Copies pixels that came with the index, resizing them when they are not yet as wanted."""
    ready = pixels.shape[1:] in (pixel_format.shape, pixel_format.shape[:2]) and images.shape[3] == (
        pixels.shape[3] if pixels.ndim == 4 else 1
    )
    for block in row_blocks(images):
        if ready:
            images[block] = pixels[block].reshape(-1, *images.shape[1:])
        else:
            for row in range(*block.indices(len(images))):
                images[row] = resize_array(pixels[row], pixel_format)
        progress("decoding", min(block.stop, len(images)), len(images))


def _keep(folder: Path, images: NDArray[np.uint8], good: NDArray[np.int64]) -> np.memmap[Any, np.dtype[np.uint8]]:
    """Moves the rows that were decoded together into a shorter file."""
    whole = folder / "all.npy"
    (folder / "images.npy").replace(whole)
    kept = _new_images(folder, len(good), images.shape[1:])
    for block in row_blocks(kept):
        kept[block] = images[good[block]]
    whole.unlink()
    return kept


def _encode(index: Index) -> Labels:
    """Class names as numbers: int32 (n,), or uint8 multi-hot (n, classes) for a multilabel task."""
    number = {name: position for position, name in enumerate(index.classes)}
    if index.task != "multilabel":
        return np.array([number[label] for label in index.table["label"]], np.int32)
    labels = np.zeros((len(index.table), len(number)), np.uint8)
    for row, names in enumerate(index.table["label"]):
        labels[row, [number[name] for name in names]] = 1
    return labels


def _first_reason(bad: tuple[Any, ...]) -> str:
    return f"; {bad[0].where}: {bad[0].reason}" if bad else ""
