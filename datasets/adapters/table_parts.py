"""The tables that are read together, and which of their columns hold what."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..files.sources import Source
from .pixel_columns import pixel_columns, pixel_text_columns
from .table_columns import existing, label_columns, path_column, split_column
from .table_files import NamedImages, SourceFiles, TableFile, find_tables
from .table_reading import read_table

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TablePart:
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
class TableColumns:
    """The columns that are read."""

    path: str | None
    """The column of paths; None where the table holds the pixels."""
    pixels: list[str]
    """The columns of a pixel each, or the one that holds all pixels of an image in a cell."""
    labels: str | list[str]
    """One column of labels, or one of marks per label."""
    split: str | None


def read_parts(source: Source, options: Mapping[str, str]) -> tuple[list[TablePart], TableColumns, list[str]]:
    """Returns the tables and their columns, and notes on tables that are left out for want of a column.

    Args:
        source: The files.
        options: The options of the data set.

    Raises:
        DatasetError: There is no table, it is damaged, or it is not plain which columns are meant.
    """
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


def _part(path: Path, file: TableFile, files: SourceFiles, options: Mapping[str, str]) -> TablePart:
    images = NamedImages(files, file.path, options)
    table, first_line = read_table(path, options.get("separator"), images.names_picture)
    return TablePart(file, table, images, first_line)


def _columns(part: TablePart, options: Mapping[str, str]) -> TableColumns:
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
    return TableColumns(path, pixels, labels, split)
