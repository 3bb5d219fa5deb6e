"""Reads the file of a table: CSV with any of the usual separators, Parquet, JSON lines or a JSON document."""

from __future__ import annotations

import csv
import json
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...text import first_line
from ..files.text_lines import check_lines
from .pixel_columns import headless_names, is_headless, pixel_columns
from .table_columns import is_list

if TYPE_CHECKING:
    import pandas as pd

_COLUMN_SEPARATORS = (",", ";", "\t", "|")
_SPACES = r"\s+"
# Remarks before a table are no longer than this.
_LINES_BEFORE = 50
# In a document of labels by images, one of so many names is that of an image which is there.
_NAMES_TRIED = 20
_PAIR = 2


def read_table(path: Path, separator: str | None, names_picture: Callable[[str], bool]) -> tuple[pd.DataFrame, int]:
    """Reads a table of any of the formats.

    Args:
        path: The file.
        separator: The separator of its columns; None to find it.
        names_picture: Tells whether a cell names an image file; a first line with such a cell is a row already.

    Returns:
        The table, and the line of its first row as an editor counts: 2 where a line of names comes before it.

    Raises:
        DatasetError: The file is no table, or damaged.
    """
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix not in (".parquet", ".json"):
        check_lines("table", path)
    try:
        if suffix == ".json":
            return _read_document(path, names_picture), 1
        if suffix == ".parquet":
            return _with_class_names(path, pd.read_parquet(path)), 2
        if suffix == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False), 2
        return _read_text(path, separator, names_picture)
    except DatasetError:
        raise
    # pandas and pyarrow raise many kinds of errors on damaged tables.
    except Exception as error:
        raise DatasetError(f"table: {path.name} cannot be read: {first_line(error)}") from error


def _read_document(path: Path, names_picture: Callable[[str], bool]) -> pd.DataFrame:
    """Reads labels by images, a list of records, or StyleGAN's `{"labels": [["1.png", 0], ...]}`.

    Raises:
        DatasetError: It is another document.
    """
    import pandas as pd

    held = json.loads(path.read_text(encoding="utf-8-sig"))
    if isinstance(held, dict) and isinstance(held.get("labels"), list):
        held = held["labels"]
    if isinstance(held, dict) and any(names_picture(name) for name in islice(held, _NAMES_TRIED)):
        held = [{"path": name, "label": label} for name, label in held.items()]
    elif isinstance(held, list) and all(isinstance(row, list) and len(row) == _PAIR for row in held):
        held = [{"path": name, "label": label} for name, label in held]
    if not isinstance(held, list) or not held or not all(isinstance(row, dict) for row in held):
        raise DatasetError(
            f"table: {path.name} is a JSON document, but a table is CSV, TSV, Parquet or JSON lines, or a JSON "
            "document of labels by images; annotations of COCO are read by the data set coco"
        )
    table: pd.DataFrame = pd.DataFrame.from_records(held)
    return table


def _read_text(path: Path, separator: str | None, names_picture: Callable[[str], bool]) -> tuple[pd.DataFrame, int]:
    """Reads a text table; its cells are texts, but numbers in columns of pixels, of which there may be millions."""
    import pandas as pd

    skipped, first = _before_table(path)
    separator = _separator_of(first, separator)
    names = first.split() if separator == _SPACES else next(csv.reader([first], delimiter=separator), [])
    if is_headless(names):
        numbers = pd.read_csv(path, sep=separator, header=None, dtype="float32", skiprows=skipped)
        return numbers.rename(columns=headless_names(numbers)), skipped + 1
    if any(names_picture(name) for name in names):
        rows = pd.read_csv(path, sep=separator, header=None, dtype="str", keep_default_na=False, skiprows=skipped)
        return rows.set_axis(_given_names(names, names_picture), axis="columns"), skipped + 1
    pixels = pixel_columns(names)

    table = pd.read_csv(
        path,
        sep=separator,
        dtype=defaultdict(lambda: "str", dict.fromkeys(pixels, "float32")),
        keep_default_na=False,
        na_values={column: [""] for column in pixels},
        skiprows=skipped,
    )
    if len(table) and not isinstance(table.index, pd.RangeIndex):
        table = _with_row_names(table, names_picture)
    # Row numbers that pandas wrote have no name, nor has a mark of a remark before the names.
    table = table.rename(columns={name: str(name).lstrip("#").strip() for name in table.columns[:1]})
    return table.drop(columns=[name for name in table.columns if not name or name.startswith("Unnamed:")]), skipped + 2


def _before_table(path: Path) -> tuple[int, str]:
    """Returns the number of lines before the table, and its first line.

    Remarks begin with `#`, unless they have as many words as the line after them: then they name the columns. CelebA's
    lists begin with the number of their rows.
    """
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        lines = [line.rstrip("\n") for line in islice(file, _LINES_BEFORE)]
    remarks = next((number for number, line in enumerate(lines) if not line.startswith("#")), 0)
    if remarks == 1 and _words(lines[0].lstrip("#")) in (_words(lines[1]), _words(lines[1]) - 1):
        remarks = 0
    left = lines[remarks:] or [""]
    counted = len(left) > 1 and left[0].strip().isdecimal() and _words(left[1]) > 1
    return remarks + counted, left[int(counted)]


def _words(line: str) -> int:
    return len(re.split(r"[,;|\s]+", line.strip()))


def _with_row_names(table: pd.DataFrame, names_picture: Callable[[str], bool]) -> pd.DataFrame:
    """Returns a table whose rows have a cell more than its line of names, which pandas takes for the name of a row.

    It is the image, as in CelebA's lists, or another name, which is left out; or the rows end with a separator.
    """
    rows: pd.DataFrame = table.reset_index()
    if (table.iloc[:, -1] == "").all():
        rows = rows.iloc[:, :-1]
        rows.columns = table.columns
        return rows
    names = [str(name) for name in table.index]
    rows = rows.iloc[:, -len(table.columns) :]
    if names_picture(names[0]) and "path" not in rows.columns:
        rows.insert(0, "path", names)
    return rows


def _with_class_names(path: Path, table: pd.DataFrame) -> pd.DataFrame:
    """Puts names for the numbers of Hugging Face's ClassLabel columns, which the file's own metadata tell."""
    import pandas as pd
    from pyarrow import parquet

    told = (parquet.read_schema(path).metadata or {}).get(b"huggingface")
    features = json.loads(told).get("info", {}).get("features", {}) if told else {}
    for column, feature in features.items():
        inner = feature.get("feature", feature) if isinstance(feature, dict) else None
        if column not in table or not isinstance(inner, dict) or inner.get("_type") != "ClassLabel":
            continue
        if names := inner.get("names"):
            table[column] = pd.Series([_named(value, names) for value in table[column]], table.index, dtype=object)
    return table


def _named(value: Any, names: Sequence[str]) -> Any:
    """Returns the name of a number, or of each in a list; None for a missing number or one without a name."""
    if is_list(value):
        return [_named(number, names) for number in value]
    known = value is not None and value == value and 0 <= value < len(names)
    return names[int(value)] if known else None


def _given_names(row: Sequence[str], names_picture: Callable[[str], bool]) -> list[str]:
    """Returns names for the columns of a table without any: `path`, `label` where only one is left, else numbers."""
    path = next(number for number, cell in enumerate(row) if names_picture(cell))
    others = [f"column {number + 1}" if len(row) > 2 else "label" for number in range(len(row))]
    return [*others[:path], "path", *others[path + 1 :]]


def _separator_of(header: str, given: str | None) -> str:
    """Returns the separator of the columns: the given one, or the commonest of the usual ones in the first line.

    Lists of paths and labels, as of ImageNet, have nothing but spaces.
    """
    if given is not None:
        return "\t" if given.lower() in ("tab", "\\t") else given
    found = max(_COLUMN_SEPARATORS, key=header.count)
    return found if found in header or len(header.split()) < 2 else _SPACES
