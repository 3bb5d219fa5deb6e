"""A cache entry's splits: drawn once for each combination of settings, then read."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ..base import Labels
from ..cache import entries as cache
from .duplicates import duplicates_of
from .splitting import Splits, limit_rows, make_splits


@dataclass(frozen=True)
class SplitSettings:
    """What decides on the splits; the fields of LoadSettings by the same names."""

    split: tuple[float, float, float]
    seed: int
    limit: int | None
    drop_leaks: bool


def splits_of(
    folder: Path, meta: Mapping[str, Any], labels: Labels, settings: SplitSettings
) -> tuple[Splits, str, tuple[str, ...]]:
    """The splits of an entry, the data set's fingerprint under them, and what the user should know of them."""
    name = hashlib.sha256(json.dumps(astuple(settings)).encode()).hexdigest()[:16]
    path = folder / f"splits-{name}.npz"
    known = _read(path)
    if known is not None:
        return known
    stated = np.load(folder / "stated.npy")
    splits, notes = _draw(folder, labels, stated, settings)
    fingerprint = _fingerprint(meta, labels, splits)
    facts = json.dumps({"fingerprint": fingerprint, "notes": notes})
    cache.save_arrays(path, train=splits.train, validation=splits.validation, test=splits.test, facts=np.array(facts))
    return splits, fingerprint, notes


def _draw(
    folder: Path, labels: Labels, stated: NDArray[np.int8], settings: SplitSettings
) -> tuple[Splits, tuple[str, ...]]:
    """Makes the splits with duplicates on one side, reports or drops leaks of stated ones, limits the training rows."""
    groups = duplicates_of(folder).near
    splits = make_splits(labels, stated, groups, settings.split, settings.seed)
    splits, notes = _handle_leaks(splits, groups, settings.drop_leaks)
    if settings.limit is not None and settings.limit < len(splits.train):
        notes = (*notes, f"--limit kept {settings.limit} of {len(splits.train)} training images")
        train = limit_rows(labels, splits.train, settings.limit, settings.seed)
        splits = Splits(train, splits.validation, splits.test)
    return splits, notes


def _handle_leaks(splits: Splits, groups: NDArray[np.int64], drop: bool) -> tuple[Splits, tuple[str, ...]]:
    held_out = groups[np.concatenate([splits.validation, splits.test])]
    leaking = np.isin(groups[splits.train], held_out)
    leaking_validation = np.isin(groups[splits.validation], groups[splits.test])
    train, validation = int(leaking.sum()), int(leaking_validation.sum())
    if not train and not validation:
        return splits, ()
    if not drop:
        note = f"{train} training images also occur, or nearly, in validation or test, {validation} validation in test"
        return splits, (f"{note}; --drop-leaks takes them out",)
    kept = Splits(splits.train[~leaking], splits.validation[~leaking_validation], splits.test)
    return kept, (f"--drop-leaks took out {train} training and {validation} validation images",)


def _fingerprint(meta: Mapping[str, Any], labels: Labels, splits: Splits) -> str:
    digest = hashlib.sha256(json.dumps([meta["pixels"], meta["classes"], meta["task"]]).encode())
    for array in (labels, splits.train, splits.validation, splits.test):
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()


def _read(path: Path) -> tuple[Splits, str, tuple[str, ...]] | None:
    try:
        with path.open("rb") as file, np.load(file) as arrays:
            facts = json.loads(str(arrays["facts"]))
            splits = Splits(arrays["train"], arrays["validation"], arrays["test"])
    except (OSError, ValueError, KeyError, EOFError, BadZipFile):
        return None
    for rows in (splits.train, splits.validation, splits.test):
        rows.setflags(write=False)
    return splits, facts["fingerprint"], tuple(facts["notes"])
