"""Finds the images of a data set that are the same, or nearly so."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from ..arrays import EntryArrays, row_blocks
from ..base import Rows

# Smaller pictures, such as 8x8 digits, all look alike to a perceptual hash.
SMALLEST_SIDE = 16
# Grey levels of spread below which a picture counts as flat: it has no low frequencies to hash.
_FLAT = 2.0
_HASH_SIDE = 8
_THUMBNAIL = 16
# Candidate pairs are hashes that agree in a whole band of bits. Hashes that differ in at most _BANDS - 1 bits always
# do, and so do most that differ in a few more.
_BANDS = 6
_MOST_BITS = 10
# Correlation of thumbnails above which two pictures with near hashes count as one. Measured (benchmarks/findings.py):
# recompressed, resized, brighter and higher-contrast copies are found; mirrored ones and crops of 3 % per side are
# not. All thirty pairs of cartoons and faces that were checked by eye were one picture.
_LEAST_CORRELATION = 0.985
_PAIRS_AT_ONCE = 1 << 20


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
    found = find_duplicates(arrays.images())
    arrays.save_computed("duplicates", exact=found.exact, near=found.near)
    return found


def find_duplicates(images: NDArray[np.uint8]) -> Duplicates:
    """Finds the duplicates among images, uint8 (n, height, width, channels)."""
    exact = exact_groups(images)
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        return Duplicates(exact, exact)
    return Duplicates(exact, _near_groups(images, exact))


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


def perceptual_hashes(images: NDArray[np.uint8]) -> tuple[NDArray[np.uint64], NDArray[np.float32]]:
    """Summarises each picture for the search for near duplicates.

    The hash follows C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash Functions" (2010): one bit
    for each of the lowest 8x8 cosine frequencies, set where it exceeds their median.

    Args:
        images: uint8 (n, height, width, channels).

    Returns:
        64-bit hashes, uint64 (n,), and standardised thumbnails, float32 (n, features); those of flat pictures are
        all zeros.
    """
    height, width, channels = images.shape[1:]
    low_rows, low_columns = _low_frequencies(height), _low_frequencies(width)
    small_rows, small_columns = area_means(height, _THUMBNAIL), area_means(width, _THUMBNAIL)
    hashes = np.empty(len(images), np.uint64)
    thumbnails = np.empty((len(images), _THUMBNAIL * _THUMBNAIL * channels), np.float32)
    for block in row_blocks(images):
        planes = np.moveaxis(images[block].astype(np.float32), 3, 1)
        frequencies = low_rows @ planes.mean(axis=1) @ low_columns.T
        frequencies = frequencies.reshape(len(planes), -1)
        bits = frequencies > np.median(frequencies, axis=1, keepdims=True)
        hashes[block] = np.packbits(bits, axis=1).view(np.uint64)[:, 0]
        small = (small_rows @ planes @ small_columns.T).reshape(len(planes), -1)
        small -= small.mean(axis=1, keepdims=True)
        spread = small.std(axis=1, keepdims=True)
        thumbnails[block] = np.where(spread < _FLAT, 0, small / np.maximum(spread, _FLAT))
    return hashes, thumbnails


def _near_groups(images: NDArray[np.uint8], exact: Rows) -> Rows:
    from scipy.sparse import coo_matrix
    from scipy.sparse.csgraph import connected_components

    firsts = np.unique(exact)
    hashes, thumbnails = perceptual_hashes(images)
    usable = firsts[np.any(thumbnails[firsts] != 0, axis=1)]
    left, right = [firsts], [firsts]
    for one, other in _candidate_pairs(hashes[usable]):
        one, other = usable[one], usable[other]
        correlation = np.einsum("ij,ij->i", thumbnails[one], thumbnails[other]) / thumbnails.shape[1]
        alike = correlation >= _LEAST_CORRELATION
        left.append(one[alike])
        right.append(other[alike])
    rows, columns = np.concatenate(left), np.concatenate(right)
    links = coo_matrix((np.ones(len(rows), np.int8), (rows, columns)), shape=(len(images), len(images)))
    _, component = connected_components(links, directed=False)
    component = component[exact]
    _, first, group = np.unique(component, return_index=True, return_inverse=True)
    near: Rows = first[group].astype(np.int64)
    return near


def _candidate_pairs(hashes: NDArray[np.uint64]) -> Iterator[tuple[Rows, Rows]]:
    """Yields pairs of rows whose hashes differ in few bits, found by sorting on each band of bits in turn."""
    edges = np.linspace(0, 64, _BANDS + 1).astype(int)
    for low, high in pairwise(edges):
        mask = np.uint64((1 << int(high - low)) - 1)
        keys = (hashes >> np.uint64(low)) & mask
        order = np.argsort(keys, kind="stable")
        _, starts, counts = np.unique(keys[order], return_index=True, return_counts=True)
        ends = np.repeat(starts + counts, counts)
        # Each row is paired with the rows after it in its bucket.
        partners = ends - np.arange(len(order)) - 1
        for begin, end in _pieces(partners):
            reach = partners[begin:end]
            one = np.repeat(np.arange(begin, end), reach)
            step = np.arange(len(one)) - np.repeat(np.cumsum(reach) - reach, reach)
            pair = order[one], order[one + step + 1]
            near = np.bitwise_count(hashes[pair[0]] ^ hashes[pair[1]]) <= _MOST_BITS
            yield pair[0][near], pair[1][near]


def _pieces(partners: Rows) -> Iterator[tuple[int, int]]:
    """Cuts the rows into ranges that hold about _PAIRS_AT_ONCE pairs each."""
    total = np.cumsum(partners)
    begin = 0
    while begin < len(partners):
        done = total[begin - 1] if begin else 0
        end = max(begin + 1, int(np.searchsorted(total, done + _PAIRS_AT_ONCE)))
        yield begin, end
        begin = end


def _low_frequencies(length: int) -> NDArray[np.float32]:
    """The matrix that takes a line of pixels to its lowest cosine frequencies, (8, length)."""
    place = (np.arange(length) + 0.5) / length
    waves = np.cos(np.pi * np.arange(_HASH_SIDE)[:, None] * place)
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
