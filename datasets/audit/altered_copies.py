"""Finds copies of pictures that were mirrored, turned or cropped, which splits do not keep together."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import EntryArrays
from ..base import Images, Rows
from ..grouping import first_rows
from ..splits.duplicates import SMALLEST_SIDE, Duplicates, duplicates_of, summarise
from ..splits.together import connected
from .crops import cropped_pairs
from .orientations import oriented_components, relation


@dataclass(frozen=True, eq=False)
class AlteredCopies:
    """The pictures that are mirrored, turned or cropped copies of another."""

    groups: Rows
    """int64 (n,): equal for copies of one picture, altered or not."""
    copies: Rows
    """int64 (m,): the altered copies, one row for each set of near duplicates."""
    changes: NDArray[np.str_]
    """The change of each, such as "mirrored", of another picture of its group; str (m,)."""


def altered_copies_of(arrays: EntryArrays) -> AlteredCopies:
    """The altered copies in a cache entry, found the first time and read from then on."""
    known = arrays.computed("altered", ("groups", "copies", "changes"))
    if known is not None:
        return AlteredCopies(*known)
    found = find_altered_copies(arrays.images(), duplicates_of(arrays), arrays.folder)
    arrays.save_computed("altered", groups=found.groups, copies=found.copies, changes=found.changes)
    return found


def find_altered_copies(images: Images, duplicates: Duplicates, scratch: Path | None = None) -> AlteredCopies:
    """Finds the altered copies among images.

    Args:
        images: uint8 (n, height, width, channels).
        duplicates: Those of the images; one picture of each set is compared with the others.
        scratch: The folder for a temporary file of thumbnails; the system's own when None.
    """
    near = duplicates.near
    none = AlteredCopies(near, np.empty(0, np.int64), np.empty(0, np.str_))
    if min(images.shape[1:3]) < SMALLEST_SIDE:
        return none
    firsts = np.unique(near)
    with tempfile.TemporaryDirectory(dir=scratch, prefix=".altered-") as folder:
        summaries = summarise(images, Path(folder))
        rows = firsts[~summaries.flat[firsts]]
        if len(rows) < 2:
            return none
        upright = rows[first_rows(oriented_components(images, rows, summaries).tolist())]
        turned = upright != rows
        changes = [relation(summaries, *pair) for pair in zip(rows[turned], upright[turned], strict=True)]
    crops, origins = cropped_pairs(images, rows[~turned])
    cropped = np.unique(crops)
    one = np.concatenate([np.arange(len(images)), rows, crops])
    other = np.concatenate([near, upright, origins])
    return AlteredCopies(
        connected(len(images), one, other),
        np.concatenate([rows[turned], cropped]),
        np.array([*changes, *["cropped"] * len(cropped)], np.str_),
    )
