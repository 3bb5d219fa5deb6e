"""Finds the images of a data set that are the same, or nearly so."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import EntryArrays, row_blocks
from ..base import Rows
from .alike_hashes import alike_components

# Smaller pictures, such as 8x8 digits, all look alike to a perceptual hash.
SMALLEST_SIDE = 16
# Grey levels of spread below which a picture counts as flat: it has no low frequencies to hash.
_FLAT = 2.0
HASH_SIDE = 8
# Grey levels within which a frequency is its picture's median: enlarged or symmetric pictures have many that are zero
# but for rounding, which depends on the processor.
_ROUNDING = 1e-3
THUMBNAIL = 16
# Correlation of thumbnails above which two pictures with near hashes count as one. Measured (benchmarks/findings.py):
# recompressed, resized, brighter and higher-contrast copies are found; mirrored ones and crops of 3 % per side are
# not (the audit finds those). All thirty pairs of cartoons and faces that were checked by eye were one picture.
LEAST_CORRELATION = 0.985
# Thumbnails of more bytes than this lie in a file.
_THUMBNAIL_BYTES_IN_MEMORY = 64 << 20
# Thumbnails are compared in pieces of this many bytes.
_COMPARED_BYTES = 16 << 20


@dataclass(frozen=True, eq=False)
class Duplicates:
    """The groups of images that are one picture: rows of a group share a number, which is the group's first row."""

    exact: Rows
    """int64 (n,): groups of the same pixels."""
    near: Rows
    """int64 (n,): groups of the same or nearly the same picture (recompressed, resized, brightened)."""


def duplicates_of(arrays: EntryArrays) -> Duplicates:
    """The duplicates in a cache entry, found the first time and read from then on."""
    known = arrays.computed("duplicates", ("exact", "near"))
    if known is not None:
        return Duplicates(*known)
    found = find_duplicates(arrays.images(), arrays.folder)
    arrays.save_computed("duplicates", exact=found.exact, near=found.near)
    return found


def find_duplicates(images: NDArray[np.uint8], scratch: Path | None = None) -> Duplicates:
    """Finds the duplicates among images.

    Time grows as the number of images does, also where thousands are alike, such as the frames of a still scene;
    memory takes some hundred bytes per image.

    Args:
        images: uint8 (n, height, width, channels).
        scratch: The folder for a temporary file of thumbnails; the system's own when None.
    """
    exact = exact_groups(images)
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        return Duplicates(exact, exact)
    return Duplicates(exact, _near_groups(images, exact, scratch))


def exact_groups(images: NDArray[np.uint8]) -> Rows:
    """Groups images of the same pixels: int64 (n,), the first row of each one's group."""
    first: dict[bytes, int] = {}
    groups = np.empty(len(images), np.int64)
    for block in row_blocks(images):
        pixels = np.ascontiguousarray(images[block])
        for row, picture in enumerate(pixels, block.start):
            digest = hashlib.blake2b(picture.data, digest_size=16).digest()
            groups[row] = first.setdefault(digest, row)
    return groups


@dataclass(frozen=True, eq=False)
class Summaries:
    """Short summaries of pictures, by which near duplicates are found."""

    hashes: NDArray[np.uint64]
    """uint64 (n,): one bit for each of the lowest 8x8 cosine frequencies, set where it exceeds their median."""
    thumbnails: NDArray[np.float32]
    """float32 (n, features): small pictures of mean 0 and spread 1, or all zeros for a flat picture."""
    flat: NDArray[np.bool_]
    """bool (n,): the pictures of hardly any contrast."""

    def correlations(self, one: Rows, other: Rows) -> NDArray[np.float32]:
        """Correlations of the thumbnails of two rows each, float32 (pairs,)."""
        step = max(1, _COMPARED_BYTES // (4 * self.thumbnails.shape[1]))
        found = np.empty(len(one), np.float32)
        for start in range(0, len(one), step):
            piece = slice(start, start + step)
            found[piece] = np.einsum("ij,ij->i", self.thumbnails[one[piece]], self.thumbnails[other[piece]])
        found /= self.thumbnails.shape[1]
        return found


def summarise(images: NDArray[np.uint8], folder: Path) -> Summaries:
    """Summarises each picture.

    The hash follows C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010).

    Args:
        images: uint8 (n, height, width, channels).
        folder: The folder for a file of thumbnails, where they are too many for memory.
    """
    height, width, channels = images.shape[1:]
    low_rows, low_columns = low_frequencies(height), low_frequencies(width)
    small_rows, small_columns = area_means(height, THUMBNAIL), area_means(width, THUMBNAIL)
    hashes, flat = np.empty(len(images), np.uint64), np.empty(len(images), bool)
    shape = (len(images), THUMBNAIL * THUMBNAIL * channels)
    thumbnails: NDArray[np.float32]
    if 4 * shape[0] * shape[1] > _THUMBNAIL_BYTES_IN_MEMORY:
        thumbnails = np.lib.format.open_memmap(folder / "thumbnails.npy", "w+", np.dtype(np.float32), shape)
    else:
        thumbnails = np.empty(shape, np.float32)
    for block in row_blocks(images, spread=4):
        planes = np.moveaxis(images[block].astype(np.float32), 3, 1)
        frequencies = low_rows @ planes.mean(axis=1) @ low_columns.T
        hashes[block] = hash_bits(frequencies)
        small = (small_rows @ planes @ small_columns.T).reshape(len(planes), -1)
        small -= small.mean(axis=1, keepdims=True)
        spread = small.std(axis=1, keepdims=True)
        flat[block] = spread[:, 0] < _FLAT
        thumbnails[block] = np.where(spread < _FLAT, 0, small / np.maximum(spread, _FLAT))
    return Summaries(hashes, thumbnails, flat)


def hash_bits(frequencies: NDArray[np.float32]) -> NDArray[np.uint64]:
    """The hash of cosine frequencies, (n, 8, 8): uint64 (n,)."""
    flat = frequencies.reshape(-1, HASH_SIDE * HASH_SIDE)
    bits = flat > np.median(flat, axis=1, keepdims=True) + _ROUNDING
    packed: NDArray[np.uint64] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
    return packed


def _near_groups(images: NDArray[np.uint8], exact: Rows, scratch: Path | None) -> Rows:
    firsts = np.unique(exact)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".near-") as folder:
        summaries = summarise(images, Path(folder))
        usable = firsts[~summaries.flat[firsts]]
        component = alike_components(
            summaries.hashes[usable],
            lambda one, other: summaries.correlations(usable[one], usable[other]) >= LEAST_CORRELATION,
        )
    numbers = np.arange(len(images))
    numbers[usable] = usable[component]
    return numbers[exact]


def low_frequencies(length: int) -> NDArray[np.float32]:
    """The matrix that takes a line of pixels to its lowest cosine frequencies, (8, length)."""
    place = (np.arange(length) + 0.5) / length
    waves = np.cos(np.pi * np.arange(HASH_SIDE)[:, None] * place)
    return (waves / length).astype(np.float32)


def area_means(length: int, parts: int) -> NDArray[np.float32]:
    """The matrix that takes a line of pixels to the means of equal parts of it, (parts, length).

    A pixel on the border of two parts counts in each by the share that lies inside.
    """
    edges = np.linspace(0, length, parts + 1)
    pixels = np.arange(length)
    overlap = np.minimum(edges[1:, None], pixels + 1) - np.maximum(edges[:-1, None], pixels)
    means: NDArray[np.float32] = (np.maximum(overlap, 0) * (parts / length)).astype(np.float32)
    return means
