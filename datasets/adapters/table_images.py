"""The images of a table's rows: files beside it, files that a column holds, or pixels in columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from .pixel_columns import TablePixels, pixels_of_columns, pixels_of_texts
from .pixel_levels import stated_white
from .table_parts import TableColumns, TablePart

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class TableImages:
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


def find_images(
    table: pd.DataFrame, parts: Sequence[TablePart], columns: TableColumns, options: Mapping[str, str], scratch: Path
) -> TableImages:
    """Finds the images of all rows: files beside the tables, files in a column, or pixels.

    Args:
        table: The rows of all tables.
        parts: The tables.
        columns: Their columns.
        options: The options of the data set.
        scratch: A folder for files that a column holds.

    Raises:
        DatasetError: Pixels are none, an option does not fit, or no images lie with the table.
    """
    lines = [(part, line) for part in parts for line in range(part.first_line, part.first_line + len(part.table))]
    places = [f"line {line}" if len(parts) == 1 else f"{part.file.path} line {line}" for part, line in lines]
    if columns.path is None:
        held = _pixels(table, columns.pixels, options)
        return TableImages(places, places, held.reasons, held.pixels, notes=held.notes)
    if "pixel-max" in options:
        raise DatasetError("table: --option pixel-max is for pixels in the table, but this one names image files")
    if (embedded := _embedded_images(table[columns.path], scratch)) is not None:
        return TableImages(places, embedded, {}, root=scratch)
    names = table[columns.path].map(str).str.strip().tolist()
    notes = _without_folders(parts, columns.path)
    found = [part.images.find(name) for (part, _), name in zip(lines, names, strict=True)]
    reasons = {row: reason for row, (_, reason) in enumerate(found) if reason is not None}
    if len(reasons) == len(found) > 0 and not parts[0].images.are_any:
        raise DatasetError(
            f"table: no images lie with {parts[0].file.path}; give the folder that holds both with --data and the "
            "table's path in it with --option table=PATH"
        )
    return TableImages(places, [key for key, _ in found], reasons, notes=notes)


def _without_folders(parts: Sequence[TablePart], column: str) -> tuple[str, ...]:
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
