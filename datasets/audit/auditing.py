"""Finds what is wrong with a data set before a GPU is spent on it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Literal, get_args

import numpy as np

from ...text import counted
from ..adapters.registry import all_adapters
from ..arrays import EntryArrays, row_blocks
from ..base import ImageDataset, Rows, Split
from ..cache.entries import bad_items
from ..splits.duplicates import duplicates_of
from .altered_copies import altered_copies_of

Kind = Literal[
    "unreadable",
    "constant",
    "duplicate",
    "near_duplicate",
    "altered_copy",
    "leak",
    "conflict",
    "mislabelled",
    "small_class",
]
KINDS: tuple[Kind, ...] = get_args(Kind)
_KEEP = "keep one of them"
_DECIDE = "correct the labels or remove the images"


@dataclass(frozen=True)
class Finding:
    """One fault of a data set."""

    kind: Kind
    files: tuple[str, ...]
    """Origins of the rows with the fault."""
    splits: tuple[str | None, ...]
    """Splits of the same rows, None for a row in no split."""
    labels: tuple[str, ...]
    """Labels of the same rows; for `mislabelled` the given and the likelier one, for `small_class` the class."""
    suggestion: str
    """The reason where there is one, and what to do."""
    missing_from: tuple[str, ...] = ()
    """For `small_class`, the splits that hold no image of the class."""


def audit(dataset: ImageDataset, *, labels: bool = False, seed: int = 0) -> list[Finding]:
    """Finds the faults of a data set.

    Args:
        dataset: The data set; loaded with `skip_bad` if it has files that cannot be used.
        labels: Also look for wrong labels, which trains a quick model.
        seed: Random seed for that model's folds.

    Returns:
        The findings, kind by kind.
    """
    rows = _Rows(dataset)
    findings = [*_unreadable(dataset), *_constant(rows), *_repeated(rows), *_altered(rows), *_small_classes(rows)]
    if labels:
        findings += _mislabelled(rows, seed)
    return sorted(findings, key=lambda finding: KINDS.index(finding.kind))


class _Rows:
    """The rows of a data set, with the names that findings give them."""

    def __init__(self, dataset: ImageDataset) -> None:
        self.dataset = dataset
        self.splits: list[str | None] = [None] * len(dataset.images)
        for split in get_args(Split):
            for row in dataset.rows(split):
                self.splits[row] = split

    def label(self, row: int) -> str:
        label = self.dataset.labels[row]
        if self.dataset.task != "multilabel":
            return self.dataset.classes[int(label)]
        return ";".join(self.dataset.classes[position] for position in np.flatnonzero(label))

    def finding(self, kind: Kind, rows: Sequence[int] | Rows, suggestion: str) -> Finding:
        return Finding(
            kind,
            tuple(str(self.dataset.origins[row]) for row in rows),
            tuple(self.splits[row] for row in rows),
            tuple(self.label(row) for row in rows),
            suggestion,
        )


def _unreadable(dataset: ImageDataset) -> Iterator[Finding]:
    for item in bad_items(dataset.folder):
        yield Finding("unreadable", (item.where,), (), (), f"{item.reason}; leave out such files with --skip-bad")


def _constant(rows: _Rows) -> Iterator[Finding]:
    images = rows.dataset.images
    for block in row_blocks(images):
        pixels = images[block].reshape(block.stop - block.start, -1, images.shape[3])
        flat = (pixels == pixels[:, :1]).all(axis=(1, 2))
        for row in block.start + np.flatnonzero(flat):
            yield rows.finding("constant", [row], "every pixel is the same; remove the image")


def _repeated(rows: _Rows) -> Iterator[Finding]:
    found = duplicates_of(EntryArrays(rows.dataset.folder))
    for group in _groups(found.near):
        firsts = np.unique(found.exact[group])
        conflicting = len({rows.label(row) for row in group}) > 1
        if conflicting:
            alike = "the same pixels" if len(firsts) == 1 else "nearly the same picture"
            yield rows.finding("conflict", group, f"label conflict: {alike} under different labels; {_DECIDE}")
        if len({rows.splits[row] for row in group} - {None}) > 1:
            yield rows.finding("leak", group, "one picture in several splits; leave out such images with --drop-leaks")
            continue
        for subgroup in _groups(found.exact[group], group):
            contradicting = len({rows.label(row) for row in subgroup}) > 1
            yield rows.finding("duplicate", subgroup, f"the same pixels; {_DECIDE if contradicting else _KEEP}")
        if len(firsts) > 1 and not conflicting:
            yield rows.finding("near_duplicate", firsts, f"nearly the same picture; {_KEEP}")


def _altered(rows: _Rows) -> Iterator[Finding]:
    """Mirrored, turned and cropped copies, with the splits and labels that they lie in."""
    found = altered_copies_of(EntryArrays(rows.dataset.folder))
    changes: dict[int, set[str]] = {}
    for row, change in zip(found.copies.tolist(), found.changes.tolist(), strict=True):
        changes.setdefault(int(found.groups[row]), set()).add(change)
    for group in _groups(found.groups):
        number = int(found.groups[group[0]])
        if number not in changes:
            continue
        told = [f"copies of one picture ({', '.join(sorted(changes[number]))})"]
        advice = "keep one of them"
        if len({rows.label(row) for row in group}) > 1:
            told, advice = [*told, "under different labels"], _DECIDE
        if len({rows.splits[row] for row in group} - {None}) > 1:
            told, advice = [*told, "in several splits"], "remove all but those of one split"
        yield rows.finding("altered_copy", group, f"{' '.join(told)}; {advice}")


def _groups(numbers: Rows, rows: Rows | None = None) -> list[Rows]:
    """Collects the positions of equal numbers, where there is more than one.

    Args:
        numbers: int64 (n,).
        rows: The row that each position stands for; the positions themselves when None.
    """
    order = np.argsort(numbers, kind="stable")
    _, starts, counts = np.unique(numbers[order], return_index=True, return_counts=True)
    named = order if rows is None else rows[order]
    return [named[start : start + count] for start, count in zip(starts, counts, strict=True) if count > 1]


def _small_classes(rows: _Rows) -> Iterator[Finding]:
    dataset = rows.dataset
    splits: tuple[Split, ...] = get_args(Split)
    drawn = [split for split in splits if len(dataset.rows(split))]
    for number, name in enumerate(dataset.classes):
        members = np.flatnonzero(
            dataset.labels[:, number] if dataset.task == "multilabel" else dataset.labels == number
        )
        lacking = [split for split in drawn if not np.isin(members, dataset.rows(split)).any()]
        if lacking:
            text = (
                f"{counted(len(members), 'image')} in all, none in {' and '.join(lacking)}; "
                f"add some, or leave out the class{_by_flags(dataset)}"
            )
            found = rows.finding("small_class", members, text)
            yield replace(found, labels=(name,), missing_from=tuple(lacking))


def _by_flags(dataset: ImageDataset) -> str:
    """Words that name the adapter's own flags for leaving out classes; empty when it has none."""
    entry = all_adapters().get(dataset.adapter)
    flags = [f"--{name}" for name in ("classes", "min-images") if entry is not None and name in entry.options]
    return f" with {' or '.join(flags)}" if flags else ""


def _mislabelled(rows: _Rows, seed: int) -> Iterator[Finding]:
    from .label_errors import suspicious_labels

    dataset = rows.dataset
    for row, likelier in suspicious_labels(dataset.images, dataset.labels, seed):
        names = ";".join(dataset.classes[position] for position in likelier)
        yield Finding(
            "mislabelled",
            (str(dataset.origins[row]),),
            (rows.splits[row],),
            (rows.label(row), names),
            f"looks like '{names}'; check it by eye",
        )


def counts(findings: Sequence[Finding]) -> dict[str, int]:
    """The number of findings of each kind, zeros included."""
    return {kind: sum(finding.kind == kind for finding in findings) for kind in KINDS}
