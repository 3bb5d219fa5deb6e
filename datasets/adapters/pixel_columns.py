"""Images whose pixels are written in a table: a column per pixel, as Kaggle's MNIST has, or all in one cell."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import first_line
from ..arrays import in_bytes
from .pixel_levels import BYTE, darkness, square_shape, white_level
from .pixel_text import parse_rows

if TYPE_CHECKING:
    import pandas as pd

# `pixel0`, `pixel_17`, `px3`, `1x28` (row and column), `0`.
_PIXEL = re.compile(r"(pixel|px|p|)[ _]?(?:(\d+)|(\d+)x(\d+))")
# 8x8, as of the smallest digits.
_LEAST_PIXELS = 64


@dataclass(frozen=True, eq=False)
class TablePixels:
    """Images that a table holds."""

    pixels: NDArray[np.uint8]
    """uint8 (rows, side, side) or (rows, side, side, 3), with zeros in the rows that cannot be used."""
    reasons: dict[int, str] = field(default_factory=dict)
    """Rows that cannot be used, with the reasons."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""


def pixel_columns(columns: Iterable[object]) -> list[str]:
    """Returns the columns that hold a pixel each, by their names and in their order; empty where there are too few.

    Args:
        columns: The names of all columns.
    """
    by_prefix: dict[str, list[tuple[tuple[int, int], str]]] = {}
    for column in map(str, columns):
        if found := _PIXEL.fullmatch(column.strip().lower()):
            prefix, number, row, place = found.groups()
            order = (0, int(number)) if number is not None else (int(row), int(place))
            by_prefix.setdefault(prefix, []).append((order, column))
    most = max(by_prefix.values(), key=len, default=[])
    return [column for _, column in sorted(most)] if len(most) >= _LEAST_PIXELS else []


def pixel_text_columns(table: pd.DataFrame) -> list[str]:
    """Returns the column that holds all pixels of an image in a cell, as FER2013 has; empty without any.

    Args:
        table: The table.
    """
    named = [str(column) for column in table.columns if str(column).strip().lower() == "pixels"]
    return [column for column in named if len(table) and len(str(table[column].iloc[0]).split()) >= _LEAST_PIXELS]


def is_headless(cells: Sequence[str]) -> bool:
    """Returns whether the first line of a table is an image already, and no names of columns.

    Args:
        cells: The cells of its first line.
    """
    if len(cells) <= _LEAST_PIXELS or not all(cell.strip().isdigit() for cell in cells):
        return False
    numbers = [int(cell) for cell in cells]
    # Numbers that count the columns name them.
    return numbers != list(range(numbers[0], numbers[0] + len(numbers)))


def headless_names(table: pd.DataFrame) -> dict[Any, str]:
    """Returns names for the columns of a table without any: one is that of labels, the others of pixels.

    The corner of a drawing is empty in all images, so that the first or the last column, whichever holds several
    numbers, is that of labels.

    Args:
        table: The table, whose columns are numbered.

    Raises:
        DatasetError: It is not plain where the labels are.
    """
    first, last = table.columns[0], table.columns[-1]
    varied = [column for column in (first, last) if table[column].nunique() > 1]
    if len(varied) != 1:
        raise DatasetError(
            "table: the first line holds numbers, and it is not plain whether the first or the last column holds the "
            "labels; write a first line of names, such as label,pixel0,pixel1"
        )
    others = [column for column in table.columns if column != varied[0]]
    return {varied[0]: "label"} | {column: f"pixel{number}" for number, column in enumerate(others)}


def pixels_of_columns(table: pd.DataFrame, columns: Sequence[str], stated: float | None) -> TablePixels:
    """Returns the images of a table with a column per pixel.

    Args:
        table: The table.
        columns: The columns of pixels, line by line; of colours, red, green and blue of each pixel in turn.
        stated: The number that stands for white; None to take 1 where no pixel is above it, else 255.

    Raises:
        DatasetError: So many columns make no square image, or they hold something else than numbers.
    """
    shape = _shape(len(columns), f"its {len(columns):,} columns {columns[0]} to {columns[-1]}")
    try:
        levels = table[list(columns)].to_numpy(np.float32)
    except (TypeError, ValueError) as error:
        raise DatasetError(f"table: columns of pixels must hold numbers: {first_line(error)}") from error
    largest = float(np.nanmax(levels, initial=0.0))
    white = white_level(largest, stated)
    reasons: dict[int, str] = {}
    with np.errstate(invalid="ignore"):
        wrong = ~((levels >= 0) & (levels <= white))
    for row in np.flatnonzero(wrong.any(axis=1)):
        level = levels[row][wrong[row]][0]
        what = "one is missing" if math.isnan(level) else f"one is {level:g}"
        reasons[int(row)] = f"pixels must be from 0 to {white:g}, but {what}"
    usable = np.where(wrong, np.float32(0), levels)
    notes = (_size_note(shape), *darkness(largest, white, stated))
    return TablePixels(in_bytes(usable, (0.0, white)).reshape(-1, *shape), reasons, notes)


def pixels_of_texts(texts: Sequence[str]) -> TablePixels:
    """Returns the images of a column that holds all pixels of an image in a cell, separated by spaces.

    Args:
        texts: The cells.

    Raises:
        DatasetError: So many numbers make no square image.
    """
    # Lists are written with brackets and commas.
    plain = [re.sub(r"[\s,\[\]]+", " ", text).strip().encode() for text in texts]
    counts = [len(text.split()) for text in plain[:_LEAST_PIXELS]]
    width = max(set(counts), key=counts.count, default=0)
    shape = _shape(width, f"the {width:,} numbers in a cell of pixels")
    pixels, reasons = parse_rows(plain, width)
    notes = (_size_note(shape), *darkness(float(pixels.max(initial=0)), BYTE, None))
    return TablePixels(pixels.reshape(-1, *shape), reasons, notes)


def _shape(count: int, words: str) -> tuple[int, ...]:
    """Returns the shape of a square image of so many numbers, grey or in colour.

    Raises:
        DatasetError: There is none.
    """
    shape = square_shape(count)
    if shape is None:
        raise DatasetError(
            f"table: {words} make no square image, neither grey nor in red, green and blue; give other images as "
            "arrays, from Python (docs/data-in-python.md)"
        )
    return shape


def _size_note(shape: tuple[int, ...]) -> str:
    colours = " in grey" if len(shape) == 2 else ", red, green and blue of each pixel in turn"
    return f"images are the table's own pixels, {'x'.join(map(str, shape[:2]))}{colours}"
