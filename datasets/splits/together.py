"""Images that must lie on one side of every split and fold: near copies, and those of one group."""

from __future__ import annotations

import numpy as np

from ..arrays import EntryArrays
from ..base import Rows
from .duplicates import duplicates_of


def kept_together(arrays: EntryArrays, groups: Rows | None) -> Rows:
    """Numbers the images that stay together.

    Args:
        arrays: The arrays of a cache entry.
        groups: int64 (n,), the first row of each one's group, as the user names them; None without any.

    Returns:
        int64 (n,): equal for near copies, for images of one group, and for those that a chain of these connects.
    """
    near = duplicates_of(arrays).near
    if groups is None:
        return near
    rows = np.arange(len(near))
    return connected(len(near), np.concatenate([rows, rows]), np.concatenate([near, groups]))


def connected(count: int, one: Rows, other: Rows) -> Rows:
    """Groups rows that a chain of pairs connects.

    Args:
        count: Number of rows.
        one: The first row of each pair, int64 (pairs,).
        other: The second.

    Returns:
        int64 (count,): the number of each row's group.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    links = coo_array((np.ones(len(one), np.int8), (one, other)), shape=(count, count))
    groups: Rows = connected_components(links, directed=False)[1].astype(np.int64)
    return groups
