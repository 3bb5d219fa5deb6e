"""Opens a data set: from the cache in milliseconds, or by decoding it once."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ..errors import DatasetError, SettingError
from ..text import counted
from .adapters.registry import AdapterEntry, find_adapter
from .arrays import EntryArrays
from .base import STATED, BadItem, FileCounts, ImageDataset, Index, Labels, Progress, Rows
from .cache import entries as cache
from .cache.building import build_entry
from .cache.decoding import PixelFormat
from .files.counting import count_files
from .files.remote import is_address, local_copy, shown_address
from .files.sources import Source, open_source
from .grouping import Grouping, check_groups, find_grouping
from .settings import DEFAULT_SETTINGS, LoadSettings
from .splits.split_cache import SplitSettings, crossing, splits_of
from .splits.splitting import Splits

_BAD_SHOWN = 3
# The axes of an array of grey images.
_GREY = 3
_TEXTS = tuple(f"({suffix})" for suffix in (".csv", ".json", ".jsonl", ".md", ".tsv", ".txt", ".xml", ".yaml", ".yml"))


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
        data: A folder, a file or an archive, or the address of one, such as "s3://bucket/folder"; None for an adapter
            that brings its own images.
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
    source, notes = _source(name, entry, data, report)
    options = _absolute(name, entry, settings.options)
    if "group" in entry.options and settings.group is not None:
        options["group"] = str(settings.group)

    def build(folder: Path, scratch: Path) -> dict[str, Any]:
        index = entry.create().index(source, options, scratch, report)
        facts = build_entry(folder, index, index.root or source.root, _format(entry, index, settings), report)
        return {**facts, "files": count_files(source, index, facts["bad"])}

    identity = source.identity() if entry.needs_data or entry.finder else name
    folder, meta = cache.entry_or_build(_key(name, identity, entry, settings, options), build)
    bad = [BadItem(**item) for item in meta["bad"]]
    if bad and not settings.skip_bad:
        raise DatasetError(bad_message(name, bad))
    if emptied := meta.get("emptied"):
        why = f"{bad[0].where}: {bad[0].reason}" if bad else "all were left out"
        remedy = "leave it out with --classes" if "classes" in entry.options else "leave it out"
        raise DatasetError(
            f"{name}: no image of the class '{emptied[0]}' can be used ({why}); mend the class, or {remedy}"
        )
    return open_entry(name, folder, {**meta, "notes": [*meta["notes"], *notes]}, settings, _shown(entry, data, source))


def _file_notes(meta: Mapping[str, Any]) -> tuple[str, ...]:
    """A line on the files that were left out, unless all of them are texts, such as lists and annotations."""
    counts = meta.get("files")
    if counts is None or not [reason for reason in counts["left_out"] if not reason.endswith(_TEXTS)]:
        return ()
    return (FileCounts(**counts).words,)


def _shown(entry: AdapterEntry, data: str | Path | None, source: Source) -> str:
    """The place that the images come from, as it may be recorded."""
    if data is None:
        return str(source.root / (source.named or "")) if entry.finder else "scikit-learn"
    return shown_address(data) if isinstance(data, str) and is_address(data) else str(data)


def bad_message(name: str, bad: Sequence[BadItem], remedy: str = "--skip-bad") -> str:
    """One line that counts the images that cannot be used and names the first of them.

    Args:
        name: The data set.
        bad: The images.
        remedy: The setting that leaves them out.
    """
    shown = "; ".join(f"{item.where}: {item.reason}" for item in bad[:_BAD_SHOWN])
    more = f"; and {len(bad) - _BAD_SHOWN} more" if len(bad) > _BAD_SHOWN else ""
    return f"{name}: {counted(len(bad), 'image')} cannot be used ({shown}{more}); leave out such images with {remedy}"


def open_entry(name: str, folder: Path, meta: Mapping[str, Any], settings: LoadSettings, source: str) -> ImageDataset:
    """Makes a data set of a cache entry, with the splits that the settings ask for.

    Args:
        name: The name that results are kept under, also taken as that of the adapter.
        folder: The cache entry.
        meta: The facts of the entry.
        settings: The user's words about splits.
        source: The place where the images come from.
    """
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
        notes=(*_file_notes(meta), *meta["notes"], *skipped, *notes),
        licence=meta["licence"],
        resize=settings.resize,
        adapter=name,
        grouping=grouping,
        files=None if meta.get("files") is None else FileCounts(**meta["files"]),
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
    if stated - {STATED["train"]} and grouping.by == "level" and one_each:
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


def _format(entry: AdapterEntry, index: Index, settings: LoadSettings) -> PixelFormat:
    """Returns the format of the images: as the user states, else the adapter's default, or that of its own pixels."""
    size, channels = entry.image_size, entry.channels
    if entry.own_size and index.pixels is not None:
        size, channels = max(index.pixels.shape[1:3]), 1 if index.pixels.ndim == _GREY else 3
    # An adapter without a default brings pixels.
    assert size is not None
    assert channels is not None
    return PixelFormat(settings.image_size or size, settings.channels or channels, settings.resize)


def _key(name: str, identity: str, entry: AdapterEntry, settings: LoadSettings, options: Mapping[str, str]) -> str:
    """The name of the cache entry, which changes with the source's files and with every setting of pixels or labels."""
    status = [Path(value).stat() for value in options.values() if Path(value).is_absolute() and Path(value).is_file()]
    times = [(each.st_size, each.st_mtime_ns, each.st_ctime_ns) for each in status]
    size, channels = settings.image_size, settings.channels
    if not entry.own_size:
        size, channels = size or entry.image_size, channels or entry.channels
    facts = json.dumps([[size, size, channels], settings.resize, sorted(options.items()), times])
    return entry_key(name, identity, facts, *([entry.revision] if entry.revision else []))


def entry_key(name: str, *facts: str) -> str:
    """The name of the cache entry that belongs to some facts."""
    return f"{name}-{hashlib.sha256(chr(0).join(facts).encode()).hexdigest()[:20]}"


def _source(
    name: str, entry: AdapterEntry, data: str | Path | None, progress: Progress
) -> tuple[Source, tuple[str, ...]]:
    """The files to read, and notes on them; an empty source for an adapter that brings its own images."""
    notes: tuple[str, ...] = ()
    takes_data = entry.needs_data or entry.finder is not None
    if data is None:
        data = entry.find(name, progress)
    elif takes_data and isinstance(data, str) and is_address(data):
        copied = local_copy(name, data, progress)
        data, notes = copied.path, copied.notes
    if takes_data and data is not None:
        return open_source(name, data, beside=entry.files_beside, progress=progress), notes
    if entry.needs_data:
        from .adapters.fetching import ORIGINS

        fetched = f"; 'apertune datasets fetch {name}' gets them" if name in ORIGINS else ""
        raise DatasetError(f"{name} needs files; give them with --data PATH{fetched}")
    if data is not None:
        raise SettingError(f"{name} brings its own images and takes no --data, but got {data}")
    return Source(Path()), notes


def _silent(stage: str, done: int, total: int) -> None:
    return
