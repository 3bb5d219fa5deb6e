"""The way of a training view to another machine: its training and validation rows alone, once per machine.

The images lie in the other machine's cache as an entry of their own, found by what they are, so that no node
takes the same rows out of Ray's object store twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ....datasets.arrays import EntryArrays
from ....datasets.base import Rows, TrainingView
from ....datasets.cache.entries import entry_or_build

ARRAYS = ("images", "labels", "origins", "masked")
PART_BYTES = 32 * 2**20


@dataclass(frozen=True, eq=False)
class Part:
    """Some rows of one array."""

    array: str
    start: int
    """The first of the rows."""

    values: NDArray[Any]


@dataclass(frozen=True)
class Shipment:
    """The description of data for a machine, which fetches nothing if it has the data already."""

    key: str
    """Key of the cache entry."""

    shapes: dict[str, tuple[int, ...]]
    """Shape of each array."""

    dtypes: dict[str, str]
    parts: Sequence[Any] = field(default=(), repr=False)
    """Tickets for the `Part`s, opaque here."""


def rows_of(views: Iterable[TrainingView]) -> Rows:
    """Returns the rows that any of the views trains or validates on, sorted; none of them is a test row."""
    return np.unique(np.concatenate([rows for view in views for rows in (view.train, view.validation)]))


def pack(view: TrainingView, rows: Rows) -> tuple[Shipment, Iterator[Part]]:
    """Returns the description of these rows, and the rows themselves in parts, which are read as they are asked for."""
    stored = EntryArrays(view.folder)
    arrays = {name: stored.mapped(name) for name in stored.present() if name in ARRAYS}
    key = hashlib.sha256(view.fingerprint.encode() + rows.tobytes()).hexdigest()[:24]
    shapes = {name: (len(rows), *array.shape[1:]) for name, array in arrays.items()}
    dtypes = {name: array.dtype.str for name, array in arrays.items()}
    return Shipment(f"shipped-{key}", shapes, dtypes), _parts(arrays, rows)


def land(shipment: Shipment, fetch: Callable[[Any], Part]) -> Path:
    """Returns the cache entry of the shipment, written by the first process of this machine that asks for it."""

    def build(folder: Path, scratch: Path) -> dict[str, Any]:
        landed = {
            name: EntryArrays(folder).create(name, np.dtype(shipment.dtypes[name]), shape)
            for name, shape in shipment.shapes.items()
        }
        for ticket in shipment.parts:
            part = fetch(ticket)
            landed[part.array][part.start : part.start + len(part.values)] = part.values
        for array in landed.values():
            array.flush()
        return {"bad": []}

    return entry_or_build(shipment.key, build)[0]


def moved(view: TrainingView, folder: Path, rows: Rows) -> TrainingView:
    """Returns the view on a shipment in `folder` that holds `rows`."""
    return replace(
        view,
        folder=folder,
        train=np.searchsorted(rows, view.train),
        validation=np.searchsorted(rows, view.validation),
    )


def moved_back(view: TrainingView, folder: Path, rows: Rows) -> TrainingView:
    """Returns the inverse of `moved`, on the data set's own arrays in `folder`."""
    return replace(view, folder=folder, train=rows[view.train], validation=rows[view.validation])


def _parts(arrays: dict[str, NDArray[Any]], rows: Rows) -> Iterator[Part]:
    for name, array in arrays.items():
        step = max(1, PART_BYTES // max(1, array[:1].nbytes))
        for start in range(0, len(rows), step):
            yield Part(name, start, np.ascontiguousarray(array[rows[start : start + step]]))
