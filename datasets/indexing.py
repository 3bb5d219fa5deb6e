"""The contract between an adapter, which knows one on-disk format, and the loader, which does all the rest."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from .base import Task

if TYPE_CHECKING:
    import pandas as pd

    from .sources import Source

# Called with a stage ("reading"), the work done so far and all of it, both in one unit.
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True)
class BadItem:
    """A file or row that cannot be used. where: a path relative to the source, or "line 12"."""

    where: str
    reason: str


@dataclass(frozen=True, eq=False)
class Index:
    """Which images a source holds.

    table: one row an image, in the order the images will have, with the columns `key` (str: a path relative
    to `source.root`, or "line 12"), `label` (str, a class name; for a multilabel task a tuple of them) and
    `split` (str "train", "validation" or "test", or None for every row when the format states no split).
    classes: names in label order; for a binary task the second is the positive class.
    pixels: None when every key is an image file; else uint8 (n, height, width) or (n, height, width, 3), 0 to
    255, one image a table row, which may be a memory map in the scratch folder.
    bad: what had to be left out. notes: what the user should know of. licence: of the data, when known.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    task: Task
    pixels: NDArray[np.uint8] | None = None
    bad: tuple[BadItem, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str | None = None


class Adapter(Protocol):
    """Reads one on-disk format.

    Life of a call: `load` finds the adapter in the registry, checks the options against its entry, lists the
    source's files and looks for them in the cache. Only when they are not there (or have changed) it calls
    `index`, once, under a lock. It then decodes the image files in parallel, or takes over the pixels that the
    index came with, resizes, writes the cache entry and draws the splits that the format does not state.
    An adapter therefore never decodes, resizes, caches or splits, and keeps no state.
    """

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of `source`.

        options: the user's, by flag name; only names that the registry entry lists. scratch: an empty folder
        that lives until the pixels are in the cache. progress: to call now and then when this takes seconds.
        Raises DatasetError when the source is not in this format; single bad files or rows go to `Index.bad`.
        """
        ...
