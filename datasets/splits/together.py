"""Images that must lie on one side of every split and fold: near copies, and those of one group."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from ..arrays import EntryArrays
from ..base import Rows
from .duplicates import duplicates_of


def kept_together(arrays: EntryArrays, groups: Rows | None) -> Rows:
    """Numbers the images that stay together.

    Args:
        arrays: The arrays of a cache entry.
        groups: int64 (n,), the groups that the user names; None without any.

    Returns:
        int64 (n,): equal for near copies, for images of one group, and for those that a chain of these connects.
    """
    near = duplicates_of(arrays).near
    return near if groups is None else joined(near, groups)


def joined(one: Rows, other: Rows) -> Rows:
    """Numbers, int64 (n,), that are equal where either of two numberings is, directly or through other rows."""
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    rows = np.arange(len(one))
    places = np.concatenate([rows, rows]), np.concatenate([_firsts(one), _firsts(other)])
    links = coo_array((np.ones(2 * len(rows), np.int8), places), shape=(len(rows), len(rows)))
    found: NDArray[np.int32] = connected_components(links, directed=False)[1]
    return found.astype(np.int64)


def _firsts(numbers: Rows) -> Rows:
    """The first row of each row's number."""
    _, first, number = np.unique(numbers, return_index=True, return_inverse=True)
    rows: Rows = first[number]
    return rows
