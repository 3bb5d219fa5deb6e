"""Puts images and labels that were given in Python into the cache, with the checks that files get."""

from __future__ import annotations

import hashlib
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, SettingError
from ..adapters.label_values import Labelling
from ..arrays import EntryArrays
from ..base import BadItem, ImageDataset, Index, Progress
from ..cache import entries as cache
from ..cache.building import build_entry
from ..cache.decoding import PixelFormat
from ..loading import bad_message, entry_key, open_entry
from ..names import check_name
from ..settings import LoadSettings

# Fills a scratch folder with what the index needs; returns it with the folder that its keys are relative to.
Lister = Callable[[Path], tuple[Index, Path]]
NO_LABEL = "no label"
# Held in a scratch folder for as long as its process lives.
_LOCK = ".lock"


def check_settings(function: str, name: object, settings: LoadSettings) -> None:
    """Refuses a name that is none, and options, which belong to adapters.

    Raises:
        SettingError: Either is there.
    """
    check_name("name", name)
    if settings.options:
        option = next(iter(settings.options))
        raise SettingError(f"{function} has arguments and takes no options, but got the option '{option}'")


def open_index(
    name: str,
    origin: str,
    facts: Sequence[object],
    listed: Lister,
    pixel_format: PixelFormat | None,
    settings: LoadSettings,
    progress: Progress,
) -> ImageDataset:
    """Opens a data set from the cache, after putting it there the first time.

    Args:
        name: The name that results are kept under.
        origin: Words for the place where the images come from, such as "arrays".
        facts: Everything that images and labels depend on, apart from the format of the pixels.
        listed: Makes the index.
        pixel_format: The format to bring every image to; None where the index comes with pixels that are ready.
        settings: Splits, and the handling of images that cannot be used.
        progress: Called while images are decoded.

    Raises:
        DatasetError: Images cannot be used, and `settings.skip_bad` does not leave them out.
    """

    def build(folder: Path, scratch: Path) -> dict[str, Any]:
        index, root = listed(scratch)
        facts_of_entry = build_entry(folder, index, root, pixel_format, progress)
        sizes = scratch / "sizes.npy"
        if sizes.exists():
            np.save(EntryArrays(folder).path("original_sizes"), np.load(sizes))
        return facts_of_entry

    shape = (pixel_format.shape, pixel_format.resize) if pixel_format else ()
    folder, meta = cache.entry_or_build(entry_key(name, origin, repr(tuple(facts)), repr(shape)), build)
    bad = [BadItem(**item) for item in meta["bad"]]
    if bad and not settings.skip_bad:
        raise DatasetError(bad_message(name, bad, "settings=LoadSettings(skip_bad=True)"))
    return replace(open_entry(name, folder, meta, settings, origin), adapter="")


def index_of(
    labelling: Labelling,
    keys: Sequence[str],
    splits: Sequence[str | None],
    pixels: NDArray[np.uint8] | None = None,
    faults: dict[int, str] | None = None,
    groups: Sequence[str] | None = None,
    groups_from: str | None = None,
) -> Index:
    """Makes an index of the rows that can be used; the others become its bad items.

    Args:
        labelling: The labels.
        keys: The key of each row.
        splits: The split of each row.
        pixels: The pixels of each row, for an index that comes with them.
        faults: Rows that cannot be used, each with its reason.
        groups: The name of each row's group, for an index that comes with them.
        groups_from: The source of these names, in words.
    """
    import pandas as pd

    reasons = {row: NO_LABEL for row, label in enumerate(labelling.labels) if label is None} | (faults or {})
    kept = [row for row in range(len(keys)) if row not in reasons]
    table = pd.DataFrame(
        {
            "key": pd.Series([keys[row] for row in kept], dtype=object),
            "label": pd.Series([labelling.labels[row] for row in kept], dtype=object),
            "split": pd.Series([splits[row] for row in kept], dtype=object),
        }
    )
    if groups is not None:
        table["group"] = pd.Series([groups[row] for row in kept], dtype=object)
    return Index(
        table=table,
        classes=labelling.classes,
        task=labelling.task,
        pixels=pixels if pixels is None or not reasons else _rows(pixels, kept),
        bad=tuple(BadItem(keys[row], reason) for row, reason in sorted(reasons.items())),
        notes=labelling.notes,
        groups_from=groups_from if groups is not None else None,
    )


def _rows(pixels: NDArray[np.uint8], kept: Sequence[int]) -> NDArray[np.uint8]:
    """Keeps some rows, in order; those of a scratch file move to its front, so that none is held in memory."""
    if not isinstance(pixels, np.memmap) or pixels.filename is None:
        return pixels[kept]
    moved = np.memmap(pixels.filename, np.uint8, "r+", shape=pixels.shape)
    for place, row in enumerate(kept):
        moved[place] = moved[row]
    return moved[: len(kept)]


def label_facts(labelling: Labelling) -> str:
    """SHA-256 (hexadecimal) of labels, classes and task."""
    facts = repr((labelling.labels, labelling.classes, labelling.task))
    return hashlib.sha256(facts.encode(errors="replace")).hexdigest()


@contextmanager
def scratch_folder() -> Iterator[Path]:
    """Yields a new folder within the cache, removed at the end, for pixels that are known only once they are read.

    Folders that killed processes left are removed at the start.

    Raises:
        ApertuneError: The folder cannot be filled.
    """
    from filelock import FileLock, Timeout

    reading = cache.cache_folder() / "reading"
    with cache.lock("reading"):
        reading.mkdir(exist_ok=True)
        for left in reading.iterdir():
            try:
                with FileLock(left / _LOCK, timeout=0):
                    shutil.rmtree(left, ignore_errors=True)
            except Timeout:
                continue
        folder = Path(tempfile.mkdtemp(dir=reading))
        held = FileLock(folder / _LOCK)
        held.acquire()
    try:
        yield folder
    except OSError as error:
        raise cache.unfilled(reading, error) from error
    finally:
        held.release()
        shutil.rmtree(folder, ignore_errors=True)


def silent(stage: str, done: int, total: int) -> None:
    """Shows no progress."""
