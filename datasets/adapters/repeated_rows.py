"""Rows of a table that name an image again: the same once more, or another of its labels."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
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
    reasons: dict[int, str] = field(default_factory=dict)
    """Rows that cannot be used, since others contradict them, with the reasons."""
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
        DatasetError: Rows of most images contradict each other, or the option's value is unknown.
    """
    way = options.get("labels")
    if way not in (None, _REPEATED):
        raise DatasetError(f"table: --option labels must be {_REPEATED}, but got '{way}'")
    labels = labelling.labels
    if way is not None:
        labels = _together(rows, keys, labels)
        labelling = replace(labelling, labels=labels, task="multilabel")
    firsts, reasons = first_rows(rows, keys, labels, splits)
    if 2 * len(reasons) > len(firsts):
        row, reason = next(iter(reasons.items()))
        raise DatasetError(
            f"table: {counted(len(reasons), 'image')} of {len(firsts):,} have several rows that contradict each other, "
            f"such as {keys[row]} ({reason}); give --option labels={_REPEATED} if each row has one of its labels"
        )
    again = len(rows) - len(firsts)
    notes = (f"left out {counted(again, 'row')} that name an image again",) if again and way is None else ()
    return KeptRows([row for row in firsts if row not in reasons], labelling, reasons, notes)


def first_rows(
    rows: Iterable[int], keys: Sequence[str], labels: Sequence[Any], splits: Sequence[str | None]
) -> tuple[list[int], dict[int, str]]:
    """Returns the first row of each image, and those of them that other rows of the image contradict.

    Args:
        rows: The rows to choose from.
        keys: The image of each row of the table.
        labels: The label, or labels, of each row.
        splits: The split of each row.

    Returns:
        The rows, and the reasons against some.
    """
    kept, reasons = [], {}
    for found in _by_image(rows, keys).values():
        kept.append(found[0])
        if any(labels[row] != labels[found[0]] for row in found):
            reasons[found[0]] = f"in {len(found)} rows, with different labels"
        elif any(splits[row] != splits[found[0]] for row in found):
            reasons[found[0]] = f"in {len(found)} rows, in different splits"
    return kept, reasons


def _by_image(rows: Iterable[int], keys: Sequence[str]) -> dict[str, list[int]]:
    found: defaultdict[str, list[int]] = defaultdict(list)
    for row in rows:
        found[keys[row]].append(row)
    return found


def _together(rows: Iterable[int], keys: Sequence[str], labels: Sequence[Any]) -> list[Any]:
    """Returns labels of which each row of an image has those of all."""
    joined = list(labels)
    for found in _by_image(rows, keys).values():
        held = [labels[row] for row in found]
        names = {name for label in held for name in (label if isinstance(label, tuple) else (label,))}
        for row in found:
            joined[row] = tuple(sorted(names))
    return joined
