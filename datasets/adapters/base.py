"""The contract between an adapter, which knows one on-disk format, and the loader, which does all the rest."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from ..base import Index, Progress

if TYPE_CHECKING:
    from ..files.sources import Source


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
