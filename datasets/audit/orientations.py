"""Finds copies of pictures that were mirrored, or turned by a quarter or a half."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import row_blocks
from ..base import Images, Rows
from ..splits.alike_hashes import alike_components
from ..splits.duplicates import LEAST_CORRELATION, THUMBNAIL, Summaries, hash_bits, low_frequencies
from ..splits.together import connected

# The eight ways to lay a square picture, as bits: 1 mirrors left and right, 2 mirrors top and bottom, 4 then swaps
# rows and columns. Each is named as a change of the picture.
WAYS = (
    "slightly changed",
    "mirrored",
    "mirrored upside down",
    "turned by half",
    "mirrored and turned",
    "turned by a quarter",
    "turned by a quarter",
    "mirrored and turned",
)
# A picture is laid so that three numbers are positive. Where one is smaller than this share of the picture's
# frequencies, a recompressed copy may have it negative, and the picture is laid both ways.
_DOUBTFUL = 0.15


def oriented_components(images: Images, rows: Rows, summaries: Summaries) -> Rows:
    """Groups pictures that are one picture in some orientation.

    Args:
        images: uint8 (n, height, width, channels).
        rows: The rows to compare, int64 (m,).
        summaries: Those of all images.

    Returns:
        int64 (m,): equal numbers for pictures of one group.
    """
    picture, way, hashes = _laid(images, rows)
    orders = np.stack([_order(each, summaries.thumbnails.shape[1]) for each in range(len(WAYS))])

    def alike(one: Rows, other: Rows) -> NDArray[np.bool_]:
        left, right = (
            np.take_along_axis(summaries.thumbnails[rows[picture[each]]], orders[way[each]], axis=1)
            for each in (one, other)
        )
        same: NDArray[np.bool_] = np.einsum("ij,ij->i", left, right) >= LEAST_CORRELATION * left.shape[1]
        return same

    component = alike_components(hashes, alike)
    return _tied(picture, component, len(rows))


def relation(summaries: Summaries, one: int, other: int) -> str:
    """The change that makes one picture most like another, by name."""
    picture, wanted = summaries.thumbnails[one], summaries.thumbnails[other]
    fits = [float(picture[_order(way, len(picture))] @ wanted) for way in range(len(WAYS))]
    return WAYS[int(np.argmax(fits))]


def _laid(images: Images, rows: Rows) -> tuple[Rows, Rows, NDArray[np.uint64]]:
    """Lays each picture so that pictures that differ in orientation alone come out the same.

    Returns:
        Positions in `rows`, ways and hashes, one of each per picture laid; doubtful pictures are laid several ways.
    """
    height, width = images.shape[1:3]
    low_rows, low_columns = low_frequencies(height), low_frequencies(width)
    signs = np.where(np.arange(8) % 2, -1.0, 1.0).astype(np.float32)
    found: list[tuple[Rows, Rows, NDArray[np.uint64]]] = []
    for block in row_blocks(images, spread=4):
        inside = np.arange(*np.searchsorted(rows, (block.start, block.stop)))
        planes = images[rows[inside]].astype(np.float32).mean(axis=3)
        frequencies = low_rows @ planes @ low_columns.T
        for way in range(len(WAYS)):
            laid = frequencies * signs if way & 1 else frequencies
            laid = laid * signs[:, None] if way & 2 else laid
            laid = laid.transpose(0, 2, 1) if way & 4 else laid
            fit = _is_upright(laid)
            found.append((inside[fit], np.full(int(fit.sum()), way), hash_bits(laid[fit])))
    picture, way_of, hashes = (np.concatenate(parts) for parts in zip(*found, strict=True))
    return picture, way_of, hashes


def _is_upright(frequencies: NDArray[np.float32]) -> NDArray[np.bool_]:
    """Tells of cosine frequencies (n, 8, 8) if the picture slopes right and down, and more right than down."""
    across, down = frequencies[:, 0, 1], frequencies[:, 1, 0]
    doubt = _DOUBTFUL * np.sqrt((frequencies**2).sum(axis=(1, 2)) - frequencies[:, 0, 0] ** 2)
    upright: NDArray[np.bool_] = (across > -doubt) & (down > -doubt) & (np.abs(across) > np.abs(down) - doubt)
    return upright


def _order(way: int, features: int) -> Rows:
    """The order of a thumbnail's features after a change of orientation, int64 (features,)."""
    places = np.arange(features).reshape(-1, THUMBNAIL, THUMBNAIL)
    places = places[:, :, ::-1] if way & 1 else places
    places = places[:, ::-1] if way & 2 else places
    places = places.transpose(0, 2, 1) if way & 4 else places
    return places.ravel()


def _tied(picture: Rows, component: Rows, count: int) -> Rows:
    """Groups of pictures, int64 (count,), from groups of pictures laid in some way."""
    # Groups are numbered after the pictures, and each picture laid ties one to the other.
    return connected(count + len(component), picture, count + component)[:count]
