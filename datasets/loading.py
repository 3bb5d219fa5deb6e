"""Opens a data set: from the cache in milliseconds, or by decoding it once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError, SettingError
from ..text import counted
from .adapters.registry import AdapterEntry, find_adapter
from .arrays import EntryArrays
from .base import STATED, BadItem, ImageDataset, Labels, Progress, Rows
from .cache import entries as cache
from .cache.building import build_entry, write_arrays
from .cache.decoding import PixelFormat
from .files.sources import Source, open_source
from .grouping import Grouping, check_groups, find_grouping
from .settings import DEFAULT_SETTINGS, LoadSettings
from .splits.split_cache import SplitSettings, crossing, splits_of
from .splits.splitting import Splits

_BAD_SHOWN = 3


def load(
    name: str,
    data: str | Path | None = None,
    settings: LoadSettings = DEFAULT_SETTINGS,
    *,
    progress: Progress | None = None,
) -> ImageDataset:
    """Opens a data set.

    Args:
        name: The adapter that reads it.
        data: A folder, a file or an archive; None for an adapter that brings its own images.
        settings: Sizes, splits and the adapter's options.
        progress: Called with a stage ("reading", "decoding"), the work done so far and the total work.

    Raises:
        UnknownNameError: No adapter has this name.
        SettingError: An option is not one of the adapter's, or `data` is given to an adapter that takes none.
        DatasetError: The data cannot be used as they are.
    """
    entry = find_adapter(name)
    _check_options(name, entry, settings.options)
    report = progress or _silent
    source = _source(name, entry, data, report)
    pixel_format = PixelFormat(
        settings.image_size or entry.image_size, settings.channels or entry.channels, settings.resize
    )
    options = _absolute(name, entry, settings.options)
    if "group" in entry.options and settings.group is not None:
        options["group"] = str(settings.group)

    def build(folder: Path, scratch: Path) -> dict[str, Any]:
        index = entry.create().index(source, options, scratch, report)
        return build_entry(folder, index, source.root, pixel_format, report)

    identity = source.identity() if entry.needs_data else name
    folder, meta = cache.entry_or_build(_key(name, identity, pixel_format, options, entry.revision), build)
    bad = [BadItem(**item) for item in meta["bad"]]
    if bad and not settings.skip_bad:
        raise DatasetError(bad_message(name, bad))
    return _open(name, folder, meta, settings, str(data) if data is not None else "scikit-learn")


def from_arrays(
    name: str,
    images: NDArray[np.uint8],
    labels: Labels,
    classes: Sequence[str],
    *,
    split: tuple[float, float, float] = (0.7, 0.15, 0.15),
    seed: int = 0,
) -> ImageDataset:
    """Puts arrays in memory into the cache as a data set.

    Args:
        name: The name that results are kept under.
        images: uint8 (n, height, width, 1 or 3).
        labels: int (n,), positions in `classes`, or multi-hot (n, classes).
        classes: Class names in label order. Two make a binary task, in which the second is positive.
        split: Shares of train, validation and test.
        seed: Random seed for the splits.

    Raises:
        DatasetError: Shapes, types or label numbers do not fit.
    """
    labels = _checked_labels(name, np.asarray(images), np.asarray(labels), tuple(classes))
    settings = LoadSettings(split=split, seed=seed)
    digest = hashlib.sha256(np.ascontiguousarray(images).data)
    digest.update(np.ascontiguousarray(labels).data)
    identity = f"{images.shape}{labels.dtype}{digest.hexdigest()}{tuple(classes)}"

    def build(folder: Path, scratch: Path) -> dict[str, Any]:
        return write_arrays(folder, images, labels, tuple(classes))

    folder, meta = cache.entry_or_build(_digest(name, "arrays", identity), build)
    return replace(_open(name, folder, meta, settings, "arrays"), adapter="")


def bad_message(name: str, bad: Sequence[BadItem]) -> str:
    """One line that counts the images that cannot be used and names the first of them."""
    shown = "; ".join(f"{item.where}: {item.reason}" for item in bad[:_BAD_SHOWN])
    more = f"; and {len(bad) - _BAD_SHOWN} more" if len(bad) > _BAD_SHOWN else ""
    return f"{name}: {counted(len(bad), 'image')} cannot be used ({shown}{more}); leave out such images with --skip-bad"


def _open(name: str, folder: Path, meta: Mapping[str, Any], settings: LoadSettings, source: str) -> ImageDataset:
    arrays = EntryArrays(folder)
    labels = arrays.labels()
    drawn = SplitSettings(settings.split, settings.seed, settings.limit, settings.drop_leaks)
    grouping = find_grouping(_group(settings), meta.get("groups_from"))
    groups = grouping.rows(name, arrays) if grouping else None
    splits, fingerprint, notes = splits_of(arrays, meta, labels, drawn, groups)
    if grouping is not None and groups is not None:
        _check_groups(name, grouping, groups, labels, splits, arrays, settings)
        notes = (f"{counted(len(np.unique(groups)), 'group')} by {grouping.words}, each in one split and fold", *notes)
    skipped = (f"left out {counted(len(meta['bad']), 'image')} that cannot be used",) if meta["bad"] else ()
    return ImageDataset(
        name=name,
        task=meta["task"],
        classes=tuple(meta["classes"]),
        images=arrays.images(),
        labels=labels,
        train=splits.train,
        validation=splits.validation,
        test=splits.test,
        origins=arrays.origins(),
        fingerprint=fingerprint,
        folder=folder,
        source=source,
        notes=(*meta["notes"], *skipped, *notes),
        licence=meta["licence"],
        resize=settings.resize,
        adapter=name,
        grouping=grouping,
    )


def _group(settings: LoadSettings) -> str | int | None:
    """The rule for groups, given by the flag or as an option of the adapter."""
    option = settings.options.get("group")
    if settings.group is not None and option not in (None, str(settings.group)):
        raise SettingError(
            f"--group and --option group must be the same, but got {settings.group} and {option}; give one of them"
        )
    return settings.group if settings.group is not None else option


def _check_groups(
    name: str,
    grouping: Grouping,
    groups: Rows,
    labels: Labels,
    splits: Splits,
    arrays: EntryArrays,
    settings: LoadSettings,
) -> None:
    """Refuses groups that the user asked for where splits cannot keep them together."""
    if _group(settings) is None:
        return
    stated = {code for code in STATED.values() if np.any(arrays.stated() == code)}
    if stated <= {STATED["train"]}:
        parts = sum(share > 0 for share in settings.split)
        classes = labels if labels.ndim == 1 else np.unique(labels, axis=0, return_inverse=True)[1]
        check_groups(name, grouping.words, groups, classes, parts)
    parts_of = [rows for rows in (splits.train, splits.validation, splits.test) if len(rows)]
    one_each = len(parts_of) > 1 and all(len(np.unique(groups[rows])) == 1 for rows in parts_of)
    if grouping.by == "level" and one_each:
        raise DatasetError(
            f"{name}: --group must name a level below the folders of the splits, but by {grouping.words} each split is "
            "one group; give a deeper level or a pattern"
        )
    several = crossing(splits, groups)
    if len(several):
        inside = [rows[groups[rows] == several[0]] for rows in parts_of]
        members = [str(arrays.origins()[rows[0]]) for rows in inside if len(rows)]
        raise DatasetError(
            f"{name}: --group must leave each group in one split, but by {grouping.words} "
            f"{counted(len(several), 'group lies', 'groups lie')} in several splits that the data state, such as that "
            f"of {' and '.join(members[:2])}; leave out training images of such groups with --drop-leaks"
        )


def _check_options(name: str, entry: AdapterEntry, options: Mapping[str, str]) -> None:
    for option in options:
        if option not in entry.options:
            known = ", ".join(f"--{known}" for known in entry.options) or "none"
            raise SettingError(f"{name} has no option --{option}; its own options: {known}")


def _absolute(name: str, entry: AdapterEntry, options: Mapping[str, str]) -> dict[str, str]:
    """The options with their file names made absolute.

    Raises:
        DatasetError: Such a file is missing.
    """
    resolved = dict(options)
    for option in entry.file_options:
        if option in resolved:
            path = Path(resolved[option]).expanduser().resolve()
            if not path.is_file():
                raise DatasetError(f"{name}: --{option}: no such file: {path}")
            resolved[option] = str(path)
    return resolved


def _key(name: str, identity: str, pixel_format: PixelFormat, options: Mapping[str, str], revision: str) -> str:
    """The name of the cache entry, which changes with the source's files and with every setting of pixels or labels."""
    status = [Path(value).stat() for value in options.values() if Path(value).is_absolute() and Path(value).is_file()]
    times = [(each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in status]
    facts = json.dumps([pixel_format.shape, pixel_format.resize, sorted(options.items()), times])
    return _digest(name, identity, facts, *([revision] if revision else []))


def _digest(name: str, *facts: str) -> str:
    return f"{name}-{hashlib.sha256(chr(0).join(facts).encode()).hexdigest()[:20]}"


def _source(name: str, entry: AdapterEntry, data: str | Path | None, progress: Progress) -> Source:
    """The files to read; an empty source for an adapter that brings its own images."""
    if entry.needs_data and data is not None:
        return open_source(name, data, beside=entry.files_beside, progress=progress)
    if entry.needs_data:
        from .adapters.fetching import ORIGINS

        fetched = f"; 'apertune datasets fetch {name}' gets them" if name in ORIGINS else ""
        raise DatasetError(f"{name} needs files; give them with --data PATH{fetched}")
    if data is not None:
        raise SettingError(f"{name} brings its own images and takes no --data, but got {data}")
    return Source(Path())


def _checked_labels(name: str, images: NDArray[Any], labels: NDArray[Any], classes: tuple[str, ...]) -> Labels:
    if images.dtype != np.uint8 or images.ndim != 4 or images.shape[3] not in (1, 3):
        raise DatasetError(f"{name}: images must be uint8 (n, height, width, 1 or 3), but got {_shown(images)}")
    if len(labels) != len(images):
        raise DatasetError(
            f"{name}: give one label per image, but got {len(labels)} for {counted(len(images), 'image')}"
        )
    if len(classes) < 2:
        raise DatasetError(f"{name}: give at least 2 classes, but got {len(classes)}")
    if labels.ndim == 2:
        if labels.shape[1] != len(classes) or not np.isin(labels, (0, 1)).all():
            raise DatasetError(
                f"{name}: multi-hot labels must be 0 or 1, shaped (n, {len(classes)}), but got {_shown(labels)}"
            )
        return labels.astype(np.uint8)
    if labels.ndim != 1 or not np.issubdtype(labels.dtype, np.integer):
        raise DatasetError(
            f"{name}: labels must be whole numbers (n,) or multi-hot (n, classes), but got {_shown(labels)}"
        )
    if len(labels) and not (labels.min() >= 0 and labels.max() < len(classes)):
        raise DatasetError(
            f"{name}: labels must be from 0 to {len(classes) - 1}, but got {labels.min()} to {labels.max()}"
        )
    return labels.astype(np.int32)


def _shown(array: NDArray[Any]) -> str:
    return f"{array.dtype} {array.shape}"


def _silent(stage: str, done: int, total: int) -> None:
    return
