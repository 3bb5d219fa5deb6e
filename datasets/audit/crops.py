"""Finds copies of pictures that were cropped by up to an eighth per side."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
from numpy.typing import NDArray

from ..base import Images, Rows
from ..splits.alike_hashes import band_edges
from ..splits.duplicates import HASH_SIDE, hash_bits

Hashes = NDArray[np.uint64]
# Windows of a picture, as its left, right, top and bottom edge in shares of its width or height, float64 (n, 4).
Windows = NDArray[np.float64]

# Each window cuts one of these shares off some of the sides.
_SHARES = (0.02, 0.04, 0.06, 0.08, 0.1, 0.125)
# Hashes of whole pictures and of windows are compared where they agree in two of six bands of bits.
_BANDS = 6
_MOST_BITS = 10
_MOST_PER_KEY = 32
_WINDOWS_AT_ONCE = 1 << 18
_HASHED_AT_ONCE = 256
# Windows are fitted on pictures reduced to the first side, and compared at the second.
_REDUCED = 64
_COMPARED = 24
_FITTED_AT_ONCE = 512
# The steps by which edges are moved, and the agreement with which it is worth trying each.
_STEPS = (0.02, 0.01, 0.005, 0.0025)
_LEAST_AT_STEP = (0.85, 0.93, 0.96, 0.975)
_ROUNDS_PER_STEP = 2
# Correlation at the fitted window from which a picture counts as a crop of another.
_LEAST_CORRELATION = 0.985


def cropped_pairs(images: Images, rows: Rows) -> tuple[Rows, Rows]:
    """Finds pictures that are windows of other pictures.

    Args:
        images: uint8 (n, height, width, channels).
        rows: The rows to compare, int64 (m,), sorted; no two of them are alike as they are.

    Returns:
        The rows of the crops, and the rows that they were cut from.
    """
    candidates: list[NDArray[np.int64]] = [np.empty((0, 3), np.int64)]
    tables = _Tables(_window_hashes(images, rows, [(0, 0)])[:, 0])
    windows = _windows()
    for part in _parts(rows):
        hashes = _window_hashes(images, rows[part], windows)
        picture, window = np.divmod(np.arange(hashes.size), len(windows))
        for query, match in tables.matches(hashes.ravel()):
            origin = part.start + picture[query]
            apart = origin != match
            candidates.append(np.stack([match, origin, window[query]], axis=1)[apart])
    crops, origins, starts = _best_of_each_pair(np.concatenate(candidates))
    keep = _fits(images, rows[crops], rows[origins], _edges()[starts])
    return rows[crops[keep]], rows[origins[keep]]


class _Tables:
    """Whole pictures by pairs of bands of their hashes."""

    def __init__(self, hashes: Hashes) -> None:
        self._hashes = hashes
        self._masks = [
            np.uint64(sum(((1 << (high - low)) - 1) << low for low, high in bands))
            for bands in combinations(band_edges(_BANDS), 2)
        ]
        self._orders = [np.argsort(hashes & mask, kind="stable") for mask in self._masks]

    def matches(self, queries: Hashes) -> Iterator[tuple[Rows, Rows]]:
        """Yields positions of queries, and of whole pictures whose hashes differ from theirs in few bits."""
        for mask, order in zip(self._masks, self._orders, strict=True):
            keys, wanted = (self._hashes & mask)[order], queries & mask
            first = np.searchsorted(keys, wanted)
            # Most queries match nothing, which one comparison tells.
            some = np.flatnonzero(keys[np.minimum(first, len(keys) - 1)] == wanted)
            count = np.searchsorted(keys, wanted[some], side="right") - first[some]
            count = np.clip(count, 0, _MOST_PER_KEY)
            query = np.repeat(some, count)
            step = np.arange(len(query)) - np.repeat(np.cumsum(count) - count, count)
            match = order[first[query] + step]
            near = np.bitwise_count(queries[query] ^ self._hashes[match]) <= _MOST_BITS
            yield query[near], match[near]


def _parts(rows: Rows) -> Iterator[slice]:
    """Cuts the rows into pieces whose windows are few enough for memory."""
    step = _WINDOWS_AT_ONCE // len(_windows())
    for start in range(0, len(rows), step):
        yield slice(start, min(start + step, len(rows)))


def _ranges() -> list[tuple[float, float]]:
    """The ranges of a side that windows have: all of it first, then without a share at the start, the end or both."""
    cuts = [(share * first, 1 - share * last) for share in _SHARES for first, last in ((1, 0), (0, 1), (1, 1))]
    return [(0.0, 1.0), *cuts]


def _windows() -> list[tuple[int, int]]:
    """The windows, as positions of their horizontal and their vertical range in `_ranges`."""
    each = [(0, *range(1 + 3 * number, 4 + 3 * number)) for number in range(len(_SHARES))]
    return [(across, down) for ranges in each for across, down in product(ranges, ranges) if across or down]


def _edges() -> Windows:
    """The edges of the windows, float64 (windows, 4)."""
    ranges = _ranges()
    return np.array([(*ranges[across], *ranges[down]) for across, down in _windows()])


def _window_hashes(images: Images, rows: Rows, windows: list[tuple[int, int]]) -> Hashes:
    """Hashes of windows of each picture, uint64 (rows, windows)."""
    height, width = images.shape[1:3]
    ranges = _ranges()
    down_waves, across_waves = (np.concatenate([_waves(side, *each) for each in ranges]) for side in (height, width))
    hashes = np.empty((len(rows), len(windows)), np.uint64)
    for start in range(0, len(rows), _HASHED_AT_ONCE):
        planes = images[rows[start : start + _HASHED_AT_ONCE]].astype(np.float32).mean(axis=3)
        # Two products of large matrices take a fraction of the time of one small product per picture.
        frequencies = np.tensordot(np.tensordot(down_waves, planes, (1, 1)), across_waves, (2, 1))
        each = frequencies.reshape(len(ranges), HASH_SIDE, len(planes), len(ranges), HASH_SIDE)
        for number, (across, down) in enumerate(windows):
            chosen = np.ascontiguousarray(each[down, :, :, across].transpose(1, 0, 2))
            hashes[start : start + _HASHED_AT_ONCE, number] = hash_bits(chosen)
    return hashes


def _waves(side: int, start: float, end: float) -> NDArray[np.float32]:
    """The matrix that takes a line of pixels to the lowest cosine frequencies of a range of it, (8, side).

    A pixel on the border counts by the share of it that lies inside.
    """
    edges = np.arange(side + 1) / side
    inside = np.clip(np.minimum(edges[1:], end) - np.maximum(edges[:-1], start), 0, None)
    place = ((edges[:-1] + edges[1:]) / 2 - start) / (end - start)
    waves: NDArray[np.float32] = (np.cos(np.pi * np.arange(HASH_SIDE)[:, None] * place) * inside).astype(np.float32)
    return waves


def _best_of_each_pair(candidates: NDArray[np.int64]) -> tuple[Rows, Rows, Rows]:
    """Keeps one window for each pair of pictures, the one that most tables found."""
    if len(candidates) == 0:
        return candidates[:, 0], candidates[:, 1], candidates[:, 2]
    unique, times = np.unique(candidates, axis=0, return_counts=True)
    order = np.lexsort((-times, unique[:, 1], unique[:, 0]))
    unique = unique[order]
    first = np.ones(len(unique), bool)
    first[1:] = np.any(np.diff(unique[:, :2], axis=0) != 0, axis=1)
    return unique[first, 0], unique[first, 1], unique[first, 2]


def _fits(images: Images, crops: Rows, origins: Rows, windows: Windows) -> NDArray[np.bool_]:
    """Fits each window to its crop, and tells where the two pictures then agree, bool (n,)."""
    found = np.zeros(len(crops), bool)
    for start in range(0, len(crops), _FITTED_AT_ONCE):
        piece = slice(start, start + _FITTED_AT_ONCE)
        wanted = _reduced(images, crops[piece], _COMPARED)
        sources = _reduced(images, origins[piece], _REDUCED)
        found[piece] = _fit(sources, wanted, windows[piece].copy()) >= _LEAST_CORRELATION
    return found


def _fit(sources: NDArray[np.float32], wanted: NDArray[np.float32], edges: Windows) -> NDArray[np.float64]:
    """Moves one edge at a time by ever smaller steps, and returns the agreement reached, float64 (n,).

    Pictures that agree already, or hardly at all, are left as they are.
    """
    best = _agreement(sources, wanted, edges)
    for step, least in zip(_STEPS, _LEAST_AT_STEP, strict=True):
        for edge, direction in [*product(range(4), (-1, 1))] * _ROUNDS_PER_STEP:
            rows = np.flatnonzero((best >= least) & (best < _LEAST_CORRELATION))
            if len(rows) == 0:
                break
            moved = edges[rows]
            moved[:, edge] = np.clip(moved[:, edge] + direction * step, 0, 1)
            agreed = _agreement(sources[rows], wanted[rows], moved)
            better = agreed > best[rows]
            edges[rows[better]], best[rows[better]] = moved[better], agreed[better]
    return best


def _agreement(sources: NDArray[np.float32], wanted: NDArray[np.float32], edges: Windows) -> NDArray[np.float64]:
    """Correlations of windows of pictures with other pictures, float64 (n,)."""
    across, down = (_range_means(sources.shape[2], edges[:, first : first + 2]) for first in (0, 2))
    cut = np.einsum("nij,ncjk,nlk->ncil", down, sources, across, optimize=True).reshape(len(sources), -1)
    return _correlation(cut, wanted.reshape(len(wanted), -1))


def _correlation(one: NDArray[np.float32], other: NDArray[np.float32]) -> NDArray[np.float64]:
    one, other = (each - each.mean(axis=1, keepdims=True) for each in (one, other))
    size = np.linalg.norm(one, axis=1) * np.linalg.norm(other, axis=1)
    agreed: NDArray[np.float64] = np.einsum("ij,ij->i", one, other).astype(float) / np.maximum(size, 1e-6)
    return agreed


def _range_means(side: int, ranges: NDArray[np.float64]) -> NDArray[np.float32]:
    """Matrices that take a line of pixels to the means of equal parts of a range of it, (n, parts, side)."""
    parts = np.linspace(0, 1, _COMPARED + 1)
    borders = (ranges[:, :1] + (ranges[:, 1:] - ranges[:, :1]) * parts) * side
    pixels = np.arange(side)
    overlap = np.minimum(borders[:, 1:, None], pixels + 1) - np.maximum(borders[:, :-1, None], pixels)
    inside = np.maximum(overlap, 0)
    means: NDArray[np.float32] = (inside / np.maximum(inside.sum(axis=2, keepdims=True), 1e-9)).astype(np.float32)
    return means


def _reduced(images: Images, rows: Rows, side: int) -> NDArray[np.float32]:
    """Smaller pictures, float32 (rows, channels, side, side)."""
    from ..splits.duplicates import area_means

    planes = np.moveaxis(images[rows].astype(np.float32), 3, 1)
    reduced: NDArray[np.float32] = area_means(planes.shape[2], side) @ planes @ area_means(planes.shape[3], side).T
    return reduced
