"""Reads a table of image paths and labels, CSV or Parquet, for data sets that have no adapter of their own."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...text import first_line
from ..base import BadItem, Index, Progress, Task
from ..files.sources import Source
from ..files.text_lines import check_lines
from ..grouping import column_words
from .folders import sort_classes, with_positive
from .label_names import clean_name, refuse_twins

if TYPE_CHECKING:
    import pandas as pd

_PATH_COLUMNS = ("path", "file", "filename", "file_name", "filepath", "image", "image_path")
_LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "tags")
_SPLIT_COLUMNS = ("split", "subset", "set", "usage")
_SPLITS = {
    "train": "train", "training": "train",
    "val": "validation", "valid": "validation", "validation": "validation", "dev": "validation",
    "test": "test", "testing": "test",
}  # fmt: skip
_SEPARATOR = ";"


class TableAdapter:
    """Reads a table of image paths and labels."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the rows of the table, whose paths are relative to it.

        A label that holds several names, separated by `;`, makes a multilabel task.

        Options:
            path-column, label-column, split-column: Names of columns that do not have one of the usual names.
            label-columns: Columns of 0 or 1, one per label, separated by commas.
            positive: The positive class of a binary task.
            group: Column whose images of one value are one group; another value is a rule for paths.
        """
        import pandas as pd

        path = _find_table(source)
        table = _read(source.root / path)
        paths = table[_column(table, options.get("path-column"), _PATH_COLUMNS, "paths", "--option path-column=NAME")]
        labels, classes, task = _labels(table, options)
        splits = _splits(table, options.get("split-column"))
        grouped = options.get("group") in table.columns
        groups = _texts(table[options["group"]]) if grouped else [None] * len(table)
        folder = PurePosixPath(path).parent
        known = {file.path for file in source.files}
        rows, bad = [], []
        for number, (name, label, split, group) in enumerate(zip(paths, labels, splits, groups, strict=True), start=2):
            key = str(folder / str(name)).replace("\\", "/")
            reason = _refusal(str(name), key, known, label) or ("no group" if group == "" else None)
            if reason is None:
                rows.append((key, label, split, group))
            else:
                bad.append(BadItem(f"line {number}", reason))
        kept = pd.DataFrame(rows, columns=["key", "label", "split", "group"])
        groups_from = column_words(options["group"]) if grouped else None
        return Index(kept, classes, task, bad=tuple(bad), groups_from=groups_from)


def _texts(column: pd.Series[Any]) -> list[str]:
    """The values of a column as texts without spaces around them; empty where a value is missing."""
    return ["" if missing else str(value).strip() for value, missing in zip(column, column.isna(), strict=True)]


def _find_table(source: Source) -> str:
    if source.named is not None:
        return source.named
    tables = [file.path for file in source.with_suffix(".csv", ".tsv", ".parquet")]
    if len(tables) != 1:
        found = f"several ({', '.join(tables[:5])}); give one of them with --data" if tables else "none"
        raise DatasetError(f"table: --data must hold one CSV or Parquet table, but {source.root} holds {found}")
    return tables[0]


def _read(path: Path) -> pd.DataFrame:
    import pandas as pd

    if path.suffix.lower() != ".parquet":
        check_lines("table", path)
    try:
        if path.suffix.lower() == ".parquet":
            return pd.read_parquet(path)
        return pd.read_csv(path, sep="\t" if path.suffix.lower() == ".tsv" else ",", dtype=str, keep_default_na=False)
    # pandas and pyarrow raise many kinds of errors on damaged tables.
    except Exception as error:
        raise DatasetError(f"table: {path.name} cannot be read: {first_line(error)}") from error


def _column(table: pd.DataFrame, wanted: str | None, usual: Sequence[str], what: str, flag: str) -> str:
    columns = [str(column) for column in table.columns]
    if wanted is not None:
        if wanted not in columns:
            raise DatasetError(f"table: there is no column '{wanted}'; the columns are {', '.join(columns)}")
        return wanted
    by_name = {column.strip().lower(): column for column in columns}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise DatasetError(
        f"table: no column is known to hold the {what}; name it with {flag}; the columns are {', '.join(columns)}"
    )


def _labels(table: pd.DataFrame, options: Mapping[str, str]) -> tuple[list[Any], tuple[str, ...], Task]:
    """The label of each row (None when it is missing), the classes and the task."""
    if "label-columns" in options:
        return _label_columns(table, [name.strip() for name in options["label-columns"].split(",")])
    column = _column(table, options.get("label-column"), _LABEL_COLUMNS, "labels", "--option label-column=NAME")
    texts = ["" if value is None else clean_name(str(value)) for value in table[column]]
    if any(_SEPARATOR in text for text in texts):
        sets = [tuple(sorted({part.strip() for part in text.split(_SEPARATOR)} - {""})) for text in texts]
        return list(sets), sort_classes([name for names in sets for name in names]), "multilabel"
    classes = sort_classes([text for text in texts if text])
    refuse_twins("labels", classes)
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but column '{column}' holds {len(classes)}")
    if len(classes) == 2:
        classes = with_positive("table", classes, options.get("positive"))
    return [text or None for text in texts], classes, "binary" if len(classes) == 2 else "multiclass"


def _label_columns(table: pd.DataFrame, names: Sequence[str]) -> tuple[list[Any], tuple[str, ...], Task]:
    for name in names:
        _column(table, name, (), "labels", "--option label-columns=A,B,C")
        values = {str(value).strip().removesuffix(".0").lower() for value in table[name]}
        if not values <= {"0", "1", "true", "false", "-1"}:
            raise DatasetError(
                f"table: the label column '{name}' must hold only 0 and 1, but holds {', '.join(sorted(values)[:3])}"
            )
    marked = [[str(v).strip().removesuffix(".0").lower() in ("1", "true") for v in table[name]] for name in names]
    rows = [tuple(name for name, mark in zip(names, marks, strict=True) if mark) for marks in zip(*marked, strict=True)]
    return list(rows), tuple(names), "multilabel"


def _splits(table: pd.DataFrame, wanted: str | None) -> list[str | None]:
    columns = {str(column).strip().lower(): str(column) for column in table.columns}
    column = wanted or next((columns[name] for name in _SPLIT_COLUMNS if name in columns), None)
    if column is None:
        return [None] * len(table)
    _column(table, column, (), "splits", "--option split-column=NAME")
    texts = [str(value).strip().lower() for value in table[column]]
    wrong = sorted(set(texts) - set(_SPLITS))
    if wrong:
        raise DatasetError(f"table: column '{column}' must say train, validation or test, but a row says '{wrong[0]}'")
    return [_SPLITS[text] for text in texts]


def _refusal(name: str, key: str, known: set[str], label: object) -> str | None:
    """The reason why a row cannot be used; None when it can."""
    if label is None:
        return "no label"
    if PurePosixPath(name).is_absolute() or ".." in PurePosixPath(name).parts:
        return f"the path '{name[:80]}' leads out of the table's folder"
    return None if key in known else f"no such file: {name[:80]}"
