"""Rows of a table that name an image again: the same once more, or another of its labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ...errors import DatasetError
from ...text import counted
from .table_labels import TableLabels

_REPEATED = "repeated"


@dataclass(frozen=True)
class KeptRows:
    """One row per image."""

    rows: list[int]
    """The rows that stand for their images."""
    labelling: TableLabels
    """The labels of all rows; those of a row that is kept are all labels of its image."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""


def one_row_per_image(
    rows: Sequence[int],
    keys: Sequence[str],
    splits: Sequence[str | None],
    labelling: TableLabels,
    options: Mapping[str, str],
) -> KeptRows:
    """Keeps the first row of each image.

    Args:
        rows: The rows to choose from.
        keys: The image of each row of the table.
        splits: The split of each row.
        labelling: The labels of each row.
        options: The options; `labels` is "repeated" where each row of an image has one of its labels.

    Raises:
        DatasetError: Rows of an image contradict each other, or the option's value is unknown.
    """
    way = options.get("labels")
    if way not in (None, _REPEATED):
        raise DatasetError(f"table: --option labels must be {_REPEATED}, but got '{way}'")
    by_image: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        by_image[keys[row]].append(row)
    several = {key: found for key, found in by_image.items() if len(found) > 1}
    for key, found in several.items():
        if len({splits[row] for row in found}) > 1:
            raise DatasetError(f"table: rows put {key} into several splits; let each image have one row")
    firsts = [found[0] for found in by_image.values()]
    if way is not None:
        return KeptRows(firsts, _together(by_image, labelling))
    differing = {key: names for key, found in several.items() if len(names := _distinct(found, labelling.labels)) > 1}
    if differing:
        key, names = next(iter(differing.items()))
        shown = " and ".join(f"'{name}'" for name in names[:2])
        raise DatasetError(
            f"table: {counted(len(differing), 'image')} stand in several rows with different labels, such as {key} "
            f"({shown}); give --option labels={_REPEATED} if each row has one of its labels, or let each have one row"
        )
    again = len(rows) - len(firsts)
    notes = (f"left out {counted(again, 'row')} that name an image again, with the same label",) if again else ()
    return KeptRows(firsts, labelling, notes)


def _distinct(rows: Sequence[int], labels: Sequence[Any]) -> list[str]:
    """Returns the different labels of some rows as texts."""
    held = dict.fromkeys(labels[row] for row in rows)
    return [", ".join(label) if isinstance(label, tuple) else str(label) for label in held]


def _together(by_image: Mapping[str, Sequence[int]], labelling: TableLabels) -> TableLabels:
    """Returns labels of which the first row of each image has those of all its rows."""
    labels = list(labelling.labels)
    for found in by_image.values():
        held = [labelling.labels[row] for row in found]
        names = {name for label in held for name in (label if isinstance(label, tuple) else (label,))}
        labels[found[0]] = tuple(sorted(names))
    return replace(labelling, labels=labels, task="multilabel")
