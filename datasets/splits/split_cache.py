"""A cache entry's splits: drawn once for each combination of settings, then read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...text import counted
from ..arrays import EntryArrays
from ..base import STATED, Labels, Rows
from .duplicates import duplicates_of
from .splitting import Splits, limit_rows, make_splits
from .together import kept_together

# Raise it whenever the same settings come to draw other splits: those of the version before are then drawn anew.
_VERSION = 3


@dataclass(frozen=True)
class SplitSettings:
    """The fields of `LoadSettings` that the splits depend on."""

    split: tuple[float, float, float]
    seed: int
    limit: int | None
    drop_leaks: bool


def splits_of(
    arrays: EntryArrays, meta: Mapping[str, Any], labels: Labels, settings: SplitSettings, groups: Rows | None = None
) -> tuple[Splits, str, tuple[str, ...]]:
    """The splits of a cache entry, drawn the first time and read from then on.

    Args:
        arrays: The arrays of the entry.
        meta: Its facts.
        labels: Its labels.
        settings: The settings to draw by.
        groups: int64 (n,), the groups of images that stay in one split; None without any.

    Returns:
        The splits, the fingerprint that the data set has with them, and notes on them for the user.
    """
    facts = [_VERSION, *astuple(settings), *([] if groups is None else [hashlib.sha256(groups.tobytes()).hexdigest()])]
    name = f"splits-{hashlib.sha256(json.dumps(facts).encode()).hexdigest()[:16]}"
    known = _read(arrays, name)
    if known is not None:
        return known
    splits, notes = _draw(arrays, labels, settings, groups)
    masked = arrays.mapped("masked") if "masked" in arrays.present() else None
    fingerprint = _fingerprint(meta, labels, splits, groups, masked)
    encoded = json.dumps({"fingerprint": fingerprint, "notes": notes})
    arrays.save_computed(
        name, train=splits.train, validation=splits.validation, test=splits.test, facts=np.array(encoded)
    )
    return splits, fingerprint, notes


def crossing(splits: Splits, groups: Rows) -> Rows:
    """The groups, by their numbers, that have images in more than one split."""
    parts = [np.unique(groups[rows]) for rows in (splits.train, splits.validation, splits.test)]
    found, times = np.unique(np.concatenate(parts), return_counts=True)
    several: Rows = found[times > 1]
    return several


def _draw(
    arrays: EntryArrays, labels: Labels, settings: SplitSettings, groups: Rows | None
) -> tuple[Splits, tuple[str, ...]]:
    """Makes splits with duplicates and groups on one side, reports or drops leaks, and limits training rows."""
    together = kept_together(arrays, groups)
    splits = make_splits(labels, arrays.stated(), together, settings.split, settings.seed)
    near = duplicates_of(arrays).near
    splits, notes = _handle_leaks(splits, near, settings.drop_leaks, "a copy or near copy")
    notes = (*_inner_split_notes(arrays.stated(), splits), *notes)
    if groups is not None:
        splits, more = _handle_leaks(splits, groups, settings.drop_leaks, "images of their group")
        notes += more
    if settings.limit is not None and settings.limit < len(splits.train):
        notes = (*notes, f"--limit kept {settings.limit} of {counted(len(splits.train), 'training image')}")
        train = limit_rows(labels, splits.train, settings.limit, settings.seed)
        splits = Splits(train, splits.validation, splits.test)
    return splits, notes


def _inner_split_notes(stated: NDArray[np.int8], splits: Splits) -> tuple[str, ...]:
    """Returns a line where a split that the data state was divided to make one that they do not state."""
    sizes = {name: int(np.count_nonzero(stated == code)) for name, code in STATED.items()}
    if not sizes["validation"] and not sizes["test"]:
        return ()
    if not sizes["validation"] and sizes["train"]:
        drawn = len(splits.validation), "validation", counted(sizes["train"], "training image")
    elif not sizes["test"] and sizes["validation"]:
        drawn = len(splits.test), "test", counted(sizes["validation"], "validation image")
    else:
        return ()
    number, name, source = drawn
    return (f"no {name} split is stated, so {number:,} of the {source} are it; --split sets the shares",)


def _handle_leaks(splits: Splits, groups: Rows, drop: bool, what: str) -> tuple[Splits, tuple[str, ...]]:
    """Leaves out, or counts in a note, the images whose copies or group lie in a later split, too.

    Args:
        splits: The splits.
        groups: int64 (n,); images of one number belong in one split.
        drop: Leave such images out.
        what: The others in the later split, in words.
    """
    held_out = groups[np.concatenate([splits.validation, splits.test])]
    leaking = np.isin(groups[splits.train], held_out)
    leaking_validation = np.isin(groups[splits.validation], groups[splits.test])
    train, validation = int(leaking.sum()), int(leaking_validation.sum())
    if not train and not validation:
        return splits, ()
    if not drop:
        found = " and ".join(
            f"{counted(count, f'{split} image')} with {what} in {other}"
            for count, split, other in (
                (train, "training", "validation or test"),
                (validation, "validation", "test"),
            )
            if count
        )
        return splits, (f"{found}; leave out such images with --drop-leaks",)
    kept = Splits(splits.train[~leaking], splits.validation[~leaking_validation], splits.test)
    return kept, (
        f"--drop-leaks left out {counted(train, 'training image')} and {counted(validation, 'validation image')} "
        f"with {what} in a later split",
    )


def _fingerprint(
    meta: Mapping[str, Any], labels: Labels, splits: Splits, groups: Rows | None, masked: NDArray[np.uint8] | None
) -> str:
    digest = hashlib.sha256(json.dumps([meta["pixels"], meta["classes"], meta["task"]]).encode())
    # Folds depend on groups, though the splits may be the same without them.
    further = [array for array in (groups, masked) if array is not None]
    for array in (labels, splits.train, splits.validation, splits.test, *further):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(arrays: EntryArrays, name: str) -> tuple[Splits, str, tuple[str, ...]] | None:
    known = arrays.computed(name, ("train", "validation", "test", "facts"))
    if known is None:
        return None
    *splits, encoded = known
    for rows in splits:
        rows.setflags(write=False)
    facts = json.loads(str(encoded))
    return Splits(*splits), facts["fingerprint"], tuple(facts["notes"])
