"""Reads a table of labels and image paths or pixels, for data sets that have no adapter of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import counted
from ..base import BadItem, Index, Progress
from ..files.sources import Source
from ..grouping import column_words
from .pixel_columns import (
    TablePixels,
    pixel_columns,
    pixel_text_columns,
    pixels_of_columns,
    pixels_of_texts,
)
from .pixel_levels import stated_white
from .repeated_rows import one_row_per_image
from .split_lists import find_listed_splits
from .table_columns import (
    GROUP_COLUMNS,
    cell_texts,
    existing,
    label_columns,
    path_column,
    split_column,
    stated_splits,
    usual_columns,
)
from .table_files import NamedImages, SourceFiles, TableFile, find_tables
from .table_labels import read_labels
from .table_reading import read_table

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

        parts, columns, left_out = _parts(source, options)
        table = pd.concat([part.table for part in parts], ignore_index=True)
        labelling = read_labels(table, columns.labels, options)
        grouped = options.get("group") in table.columns
        groups = cell_texts(table[options["group"]]) if grouped else [None] * len(table)
        images = _images(table, parts, columns, options, scratch)
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


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the tables that are read together."""

    file: TableFile
    table: pd.DataFrame
    images: NamedImages
    first_line: int
    """The line of its first row, as an editor counts: 2 where a line of names comes before it."""

    @property
    def headless(self) -> bool:
        """Tells that no line names its columns."""
        return self.first_line == 1 and not self.file.path.lower().endswith(".json")


@dataclass(frozen=True)
class _Columns:
    """The columns that are read."""

    path: str | None
    """The column of paths; None where the table holds the pixels."""
    pixels: list[str]
    """The columns of a pixel each, or the one that holds all pixels of an image in a cell."""
    labels: str | list[str]
    """One column of labels, or one of marks per label."""
    split: str | None


@dataclass(frozen=True, eq=False)
class _Images:
    """The images of all rows."""

    places: list[str]
    """The line of each row."""
    keys: list[str]
    """Paths, or lines where the table holds the pixels."""
    reasons: dict[int, str]
    """Rows whose image cannot be used, with the reasons."""
    pixels: NDArray[np.uint8] | None = None
    """uint8 (rows, height, width) or (rows, height, width, 3) where the table holds the pixels."""
    root: Path | None = None
    """The folder of the paths, where it is not the source's."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""

    @property
    def are_files(self) -> bool:
        """Tells that they are files among the source's."""
        return self.pixels is None and self.root is None


def _parts(source: Source, options: Mapping[str, str]) -> tuple[list[_Part], _Columns, list[str]]:
    """Returns the tables and their columns, and notes on tables that are left out for want of a column."""
    files = SourceFiles(source)
    found, others = find_tables(source, files, options)
    parts = [_part(source.root / file.path, file, files, options) for file in found]
    first = next((part for part in parts if part.file.split == "train"), parts[0])
    columns = _columns(first, options)
    labels = [columns.labels] if isinstance(columns.labels, str) else columns.labels
    needed = {*columns.pixels, *labels, *([columns.path] if columns.path is not None else [])}
    notes = [f"left out {path}, which is named like no split" for path in others]
    notes += [f"the first line of {part.file.path} is read as an image" for part in parts if part.headless]
    kept = []
    for part in parts:
        missing = sorted(needed - set(part.table.columns))
        if missing:
            notes.append(f"left out {part.file.path}, which lacks the column {missing[0]}")
        else:
            kept.append(part)
    if len(kept) == 1:
        # Splits are drawn from a table that stands alone, whatever it is called.
        kept = [replace(kept[0], file=TableFile(kept[0].file.path, None))]
    return kept, columns, notes


def _part(path: Path, file: TableFile, files: SourceFiles, options: Mapping[str, str]) -> _Part:
    images = NamedImages(files, file.path, options)
    table, first_line = read_table(path, options.get("separator"), images.names_picture)
    return _Part(file, table, images, first_line)


def _columns(part: _Part, options: Mapping[str, str]) -> _Columns:
    table = part.table
    split = split_column(table, options.get("split-column"))
    pixels = pixel_columns(table.columns) or pixel_text_columns(table)
    path = path_column(table.drop(columns=pixels), options.get("path-column"), part.images.names_one, needed=not pixels)
    if path is not None:
        pixels = []
    labels: str | list[str]
    if "label-columns" in options:
        labels = [existing(table, name.strip()) for name in options["label-columns"].split(",")]
    else:
        taken = [column for column in (path, split, options.get("group"), *pixels) if column is not None]
        labels = label_columns(table, options.get("label-column"), taken)
    return _Columns(path, pixels, labels, split)


def _images(
    table: pd.DataFrame, parts: Sequence[_Part], columns: _Columns, options: Mapping[str, str], scratch: Path
) -> _Images:
    """Finds the images of all rows: files beside the tables, files in a column, or pixels."""
    lines = [(part, line) for part in parts for line in range(part.first_line, part.first_line + len(part.table))]
    places = [f"line {line}" if len(parts) == 1 else f"{part.file.path} line {line}" for part, line in lines]
    if columns.path is None:
        held = _pixels(table, columns.pixels, options)
        return _Images(places, places, held.reasons, held.pixels, notes=held.notes)
    if "pixel-max" in options:
        raise DatasetError("table: --option pixel-max is for pixels in the table, but this one names image files")
    if (embedded := _embedded_images(table[columns.path], scratch)) is not None:
        return _Images(places, embedded, {}, root=scratch)
    names = table[columns.path].map(str).str.strip().tolist()
    notes = _without_folders(parts, columns.path)
    found = [part.images.find(name) for (part, _), name in zip(lines, names, strict=True)]
    reasons = {row: reason for row, (_, reason) in enumerate(found) if reason is not None}
    if len(reasons) == len(found) > 0 and not parts[0].images.are_any:
        raise DatasetError(
            f"table: no images lie with {parts[0].file.path}; give the folder that holds both with --data and the "
            "table's path in it with --option table=PATH"
        )
    return _Images(places, [key for key, _ in found], reasons, notes=notes)


def _without_folders(parts: Sequence[_Part], column: str) -> tuple[str, ...]:
    """Has paths read without folders that are not here, and returns a word on each."""
    forgotten = [part.images.forget_folders(part.table[column].map(str).str.strip()) for part in parts]
    return tuple(
        f"paths in column '{column}' begin with {folders}, which is not here; they are read without it"
        for folders in dict.fromkeys(forgotten)
        if folders is not None
    )


def _pixels(table: pd.DataFrame, columns: Sequence[str], options: Mapping[str, str]) -> TablePixels:
    if len(columns) == 1:
        return pixels_of_texts(table[columns[0]].map(str).tolist())
    return pixels_of_columns(table, columns, stated_white("table", options))


def _embedded_images(column: pd.Series[Any], scratch: Path) -> list[str] | None:
    """Writes the image files that a column holds, as Hugging Face saves them; returns their names, None without any."""
    held = [isinstance(value, dict) and isinstance(value.get("bytes"), bytes) for value in column]
    if not held or not all(held):
        return None
    names = []
    for row, value in enumerate(column):
        suffix = PurePosixPath(str(value.get("path") or "")).suffix
        names.append(f"{row:07d}{suffix}")
        (scratch / names[-1]).write_bytes(value["bytes"])
    return names


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


def _splits(table: pd.DataFrame, column: str | None, parts: Sequence[_Part]) -> list[str | None]:
    """Returns the split of each row: that of its table where there are several, else as the column says."""
    if len(parts) > 1:
        return [part.file.split for part in parts for _ in range(len(part.table))]
    if column is None:
        return [None] * len(table)
    return stated_splits(table, column)
