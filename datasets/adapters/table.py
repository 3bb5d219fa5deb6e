"""Reads a table of labels and image paths or pixels, for data sets that have no adapter of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ...text import counted
from ..base import BadItem, Index, Progress
from ..files.sources import Source
from ..grouping import column_words
from .repeated_rows import one_row_per_image
from .split_lists import find_listed_splits
from .table_columns import GROUP_COLUMNS, cell_texts, stated_splits, usual_columns
from .table_images import find_images
from .table_labels import read_labels
from .table_parts import TablePart, read_parts

if TYPE_CHECKING:
    import pandas as pd


class TableAdapter:
    """Reads a table of labels, and of image paths or pixels."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the rows of the table, whose paths are relative to it.

        A label that holds several names, or a list of them, makes a multilabel task. Names in one text are separated by
        `;`, by `|`, a comma or a space where they also stand alone, or as the option says. The table is CSV with any of
        the usual separators or spaces, TSV, Parquet, JSON lines as in Hugging Face's `metadata.jsonl`, or Parquet that
        holds the image files themselves. A first line that names an image is a row. The table may also hold the
        pixels: a column for each, or one with all of an image. Tables that are named like splits, or lie in folders
        that are, are read together.

        Options:
            table: The path of the table in the folder, where it holds several.
            separator: The table's separator, such as `;` or tab; found in its first line unless given.
            label-separator: The separator of several labels in one cell, such as | or space; none for one label per
                cell.
            labels: repeated where an image has a row per label.
            root: Folder that paths are relative to, itself relative to the table.
            suffix: Suffix of the image files, for paths that lack it or end otherwise, such as `_aligned.jpg`.
            path-column, label-column, split-column: Names of columns that do not have one of the usual names.
            pixel-max: The number that stands for white where columns hold pixels; found where it is 1 or 255.
            label-columns: Columns of 0 or 1, one per label, separated by commas. Empty cells are unknown, and so is -1
                where there is also 0.
            positive: The positive class of a binary task.
            group: Column whose images of one value are one group; another value is a rule for paths.
        """
        import pandas as pd

        parts, columns, left_out = read_parts(source, options)
        table = pd.concat([part.table for part in parts], ignore_index=True)
        labelling = read_labels(table, columns.labels, options)
        grouped = options.get("group") in table.columns
        groups = cell_texts(table[options["group"]]) if grouped else [None] * len(table)
        images = find_images(table, parts, columns, options, scratch)
        kept, bad = [], []
        for row, (label, group) in enumerate(zip(labelling.labels, groups, strict=True)):
            reason = images.reasons.get(row)
            if reason is None:
                reason = "no label" if label is None else "no group" if group == "" else None
            if reason is None:
                kept.append(row)
            else:
                bad.append(BadItem(images.places[row], reason))
        splits = _splits(table, columns.split, parts)
        told: tuple[str, ...] = ()
        if images.are_files and kept and not any(splits):
            kept, splits, told = _listed_splits(source, kept, images.keys)
        once = one_row_per_image(kept, images.keys, splits, labelling, options)
        labelling, kept = once.labelling, once.rows
        bad += [BadItem(images.places[row], reason) for row, reason in once.reasons.items()]
        listed = {"key": images.keys, "label": labelling.labels, "split": splits, "group": groups}
        if any(labelling.masked):
            listed["masked"] = labelling.masked
        hints = () if grouped or "group" in options or "validation" in splits else _group_hint(table.iloc[kept])
        return Index(
            pd.DataFrame(
                {name: pd.Series([cells[row] for row in kept], dtype=object) for name, cells in listed.items()}
            ),
            labelling.classes,
            labelling.task,
            pixels=None if images.pixels is None else images.pixels[kept],
            bad=tuple(bad),
            root=images.root,
            groups_from=column_words(options["group"]) if grouped else None,
            notes=(*left_out, *images.notes, *labelling.notes, *told, *once.notes, *hints),
        )


def _listed_splits(
    source: Source, kept: list[int], keys: Sequence[str]
) -> tuple[list[int], list[str | None], tuple[str, ...]]:
    """Returns the rows that files beside the images put into a split, the splits of all rows, and notes."""
    splits: list[str | None] = [None] * len(keys)
    listed = find_listed_splits(source, [keys[row] for row in kept])
    if listed is None or not any(listed.splits):
        return kept, splits, listed.notes if listed is not None else ()
    for row, split in zip(kept, listed.splits, strict=True):
        splits[row] = split
    return [row for row in kept if splits[row] is not None], splits, listed.notes


def _group_hint(table: pd.DataFrame) -> tuple[str, ...]:
    """Returns a word on a column whose values are persons or the like, whose images may resemble each other."""
    for column in usual_columns(table, GROUP_COLUMNS):
        values = table[column].nunique()
        if 1 < values < len(table):
            return (
                f"column '{column}' has {values:,} values for {counted(len(table), 'image')}; --group '{column}' keeps "
                "the images of each in one split",
            )
    return ()


def _splits(table: pd.DataFrame, column: str | None, parts: Sequence[TablePart]) -> list[str | None]:
    """Returns the split of each row: that of its table where there are several, else as the column says."""
    if len(parts) > 1:
        return [part.file.split for part in parts for _ in range(len(part.table))]
    if column is None:
        return [None] * len(table)
    return stated_splits(table, column)
