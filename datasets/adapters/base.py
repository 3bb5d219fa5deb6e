"""The contract between an adapter, which knows one on-disk format, and the loader, which does everything else."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..base import Index, Progress

if TYPE_CHECKING:
    from ..files.sources import Source


class Adapter(Protocol):
    """Reads one on-disk format.

    Life of a call: `load` finds the adapter in the registry, checks the options against its entry, lists the files of
    the source and looks for them in the cache. It calls `index` only when they are not there or have changed, once
    and under a lock. It then decodes the image files in parallel, or takes the pixels that the index came with,
    resizes them, writes the cache entry and draws the splits that the format does not state. So an adapter never
    decodes, resizes, caches or splits, and keeps no state.
    """

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of a source.

        Args:
            source: The files to read.
            options: The user's options, by flag name; only names that the registry entry lists.
            scratch: An empty folder, which is kept until the pixels are in the cache.
            progress: Call it now and then when the work takes seconds.

        Returns:
            The images, with the files and rows that cannot be used in `Index.bad`.

        Raises:
            DatasetError: The source is not in this format.
        """
        ...
