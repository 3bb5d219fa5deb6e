"""Reads a table of image paths and labels, CSV or Parquet, for data sets that have no adapter of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...text import first_line
from ..base import BadItem, Index, Progress, Task
from ..files.sources import Source
from ..files.text_lines import check_lines
from ..grouping import column_words
from ..names import SPLIT_NAMES
from .folders import sort_classes, with_positive
from .label_names import clean_name, refuse_twins

if TYPE_CHECKING:
    import pandas as pd

_PATH_COLUMNS = (
    "path", "file", "filename", "file_name", "filepath", "image", "image_path", "img", "photo", "picture", "image_id",
    "id",
)  # fmt: skip
_LABEL_COLUMNS = ("label", "labels", "class", "category", "target", "tags")
_SPLIT_COLUMNS = ("split", "subset", "set", "usage")
_SEPARATOR = ";"
_COLUMN_SEPARATORS = (",", ";", "\t", "|")
_MOST_SHOWN = 300


class TableAdapter:
    """Reads a table of image paths and labels."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the rows of the table, whose paths are relative to it.

        A label that holds several names, or a list of them, makes a multilabel task. Names in one text are separated by
        `;`, or by `|` or a comma where they also stand alone, or as the option says. The table is CSV with any of the
        usual separators, TSV, Parquet, JSON lines as in Hugging Face's `metadata.jsonl`, or Parquet that holds the
        image files themselves.

        Options:
            separator: The table's separator, such as `;` or tab; found in its first line unless given.
            label-separator: The separator of several labels in one cell; none for one label per cell.
            root: Folder that paths are relative to, itself relative to the table.
            suffix: Suffix of the image files, for paths that lack it.
            path-column, label-column, split-column: Names of columns that do not have one of the usual names.
            label-columns: Columns of 0 or 1, one per label, separated by commas.
            positive: The positive class of a binary task.
            group: Column whose images of one value are one group; another value is a rule for paths.
        """
        import pandas as pd

        path = _find_table(source)
        table = _read(source.root / path, options.get("separator"))
        column = _column(table, options.get("path-column"), _PATH_COLUMNS, "paths", "--option path-column=NAME")
        labels, classes, task = _labels(table, options)
        splits = _splits(table, options.get("split-column"))
        grouped = options.get("group") in table.columns
        groups = _texts(table[options["group"]]) if grouped else [None] * len(table)
        embedded = _embedded_images(table[column], scratch)
        files = None if embedded is not None else _Files(source, path, options)
        rows, bad = [], []
        for number, (name, label, split, group) in enumerate(
            zip(embedded or table[column], labels, splits, groups, strict=True), start=2
        ):
            key, reason = (name, None) if files is None else files.find(str(name).strip())
            if reason is None:
                reason = "no label" if label is None else "no group" if group == "" else None
            if reason is None:
                rows.append((key, label, split, group))
            else:
                bad.append(BadItem(f"line {number}", reason))
        kept = pd.DataFrame(rows, columns=["key", "label", "split", "group"])
        groups_from = column_words(options["group"]) if grouped else None
        root = None if embedded is None else scratch
        return Index(kept, classes, task, bad=tuple(bad), root=root, groups_from=groups_from)


class _Files:
    """The image files that a table may name.

    Args:
        source: The files.
        table: The table's path in it.
        options: The options `root` and `suffix`.
    """

    def __init__(self, source: Source, table: str, options: Mapping[str, str]) -> None:
        root = options.get("root", "")
        if Path(root).is_absolute():
            try:
                root = str(Path(root).resolve().relative_to(source.root))
            except ValueError:
                raise DatasetError(
                    f"table: --root must lie in the table's folder {source.root}, but got {root}"
                ) from None
            self._folder = PurePosixPath(root)
        else:
            self._folder = PurePosixPath(table).parent / root
        self._root = source.root
        self._suffix = options.get("suffix", "")
        self._known = {file.path for file in source.files}
        self._by_stem: dict[str, str] = {}
        for known in sorted(self._known):
            self._by_stem.setdefault(str(PurePosixPath(known).with_suffix("")), known)

    def find(self, name: str) -> tuple[str, str | None]:
        """Returns the path of a file by its name in the table, or why it cannot be used."""
        if not name or name.lower() == "nan":
            return "", "no path"
        path = PurePosixPath(name.replace("\\", "/"))
        if path.is_absolute():
            resolved = Path(path)
            if not resolved.is_relative_to(self._root):
                return "", f"the path '{name[:80]}' leads out of the table's folder"
            key = str(resolved.relative_to(self._root))
        elif ".." in path.parts:
            return "", f"the path '{name[:80]}' leads out of the table's folder"
        else:
            key = str(self._folder / path)
        for candidate in (f"{key}{self._suffix}" if self._suffix else key, key):
            if candidate in self._known:
                return candidate, None
        # An id without a suffix; a name that has one is never taken for another file's.
        if not path.suffix and key in self._by_stem:
            return self._by_stem[key], None
        return "", f"no such file: {name[:80]}"


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


def _texts(column: pd.Series[Any]) -> list[str]:
    """The values of a column as texts without spaces around them; empty where a value is missing."""
    return ["" if missing else str(value).strip() for value, missing in zip(column, column.isna(), strict=True)]


def _find_table(source: Source) -> str:
    if source.named is not None:
        return source.named
    tables = [file.path for file in source.with_suffix(".csv", ".tsv", ".parquet", "metadata.jsonl")]
    if len(tables) != 1:
        found = f"several ({', '.join(tables[:5])}); give one of them with --data" if tables else "none"
        raise DatasetError(f"table: --data must hold one CSV or Parquet table, but {source.root} holds {found}")
    return tables[0]


def _read(path: Path, separator: str | None) -> pd.DataFrame:
    import pandas as pd

    suffix = path.suffix.lower()
    if suffix == ".json":
        raise DatasetError(
            f"table: {path.name} is a JSON document, but a table is CSV, TSV, Parquet or JSON lines; "
            "annotations of COCO are read by the data set coco"
        )
    if suffix != ".parquet":
        check_lines("table", path)
    try:
        if suffix == ".parquet":
            return _with_class_names(path, pd.read_parquet(path))
        if suffix == ".jsonl":
            return pd.read_json(path, lines=True, dtype=False)
        return pd.read_csv(path, sep=_separator_of(path, separator), dtype=str, keep_default_na=False)
    # pandas and pyarrow raise many kinds of errors on damaged tables.
    except Exception as error:
        raise DatasetError(f"table: {path.name} cannot be read: {first_line(error)}") from error


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
    if _is_list(value):
        return [_named(number, names) for number in value]
    known = value is not None and value == value and 0 <= value < len(names)
    return names[int(value)] if known else None


def _separator_of(path: Path, given: str | None) -> str:
    """Returns the separator of the columns: the given one, or the commonest of the usual ones in the first line."""
    if given is not None:
        return "\t" if given.lower() in ("tab", "\\t") else given
    with path.open(encoding="utf-8-sig", errors="replace") as file:
        header = file.readline()
    return max(_COLUMN_SEPARATORS, key=header.count)


def _column(table: pd.DataFrame, wanted: str | None, usual: Sequence[str], what: str, flag: str) -> str:
    columns = [str(column) for column in table.columns]
    if wanted is not None:
        if wanted not in columns:
            raise DatasetError(f"table: there is no column '{wanted}'; the columns are {_listed(columns)}")
        return wanted
    by_name = {column.strip().lower(): column for column in columns}
    for name in usual:
        if name in by_name:
            return by_name[name]
    raise DatasetError(
        f"table: no column is known to hold the {what}; name it with {flag}; the columns are {_listed(columns)}"
    )


def _listed(columns: Sequence[str]) -> str:
    text = ", ".join(columns)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} and so on"


def _label_separator(texts: Sequence[str], given: str | None) -> str | None:
    """Returns what separates several labels in one cell; None where each cell holds one label.

    Raises:
        DatasetError: Cells look as if they held several labels, and it is not plain.
    """
    if given == "":
        raise DatasetError(
            "table: --option label-separator must be a text such as | or none for one label per cell, but got nothing"
        )
    if given is not None:
        return None if given.lower() == "none" else given
    if any(_SEPARATOR in text for text in texts):
        return _SEPARATOR
    for separator in ("|", ","):
        several = {text for text in texts if separator in text}
        alone = {text for text in texts if separator not in text}
        parts = Counter(part.strip() for text in several for part in set(text.split(separator)))
        known = [part for part, count in parts.items() if part in alone or count > 1]
        if several and len(known) == len(parts):
            return separator
        if known or (several and separator == "|"):
            raise DatasetError(
                f"table: the label '{min(several)[:80]}' may be several labels in one cell; give "
                f"--option label-separator='{separator}' if it is, or --option label-separator=none"
            )
    return None


def _labels(table: pd.DataFrame, options: Mapping[str, str]) -> tuple[list[Any], tuple[str, ...], Task]:
    """The label of each row (None when it is missing), the classes and the task."""
    if "label-columns" in options:
        return _label_columns(table, [name.strip() for name in options["label-columns"].split(",")])
    column = _column(table, options.get("label-column"), _LABEL_COLUMNS, "labels", "--option label-column=NAME")
    given = options.get("label-separator")
    if any(_is_list(value) for value in table[column]):
        if given is not None:
            raise DatasetError(f"table: column '{column}' holds lists of labels; leave out --option label-separator")
        return _several([_list_parts(value) for value in table[column]])
    texts = [clean_name(text) for text in _label_texts(table[column])]
    separator = _label_separator(texts, given)
    if separator is not None:
        return _several([text.split(separator) for text in texts])
    classes = sort_classes([text for text in texts if text])
    refuse_twins("labels", classes)
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but column '{column}' holds {len(classes)}")
    if len(classes) == 2:
        classes = with_positive("table", classes, options.get("positive"))
    return [text or None for text in texts], classes, "binary" if len(classes) == 2 else "multiclass"


def _several(cells: Sequence[Sequence[str]]) -> tuple[list[Any], tuple[str, ...], Task]:
    """The labels, classes and task of rows with several labels each."""
    sets = [tuple(sorted({clean_name(part) for part in parts} - {""})) for parts in cells]
    classes = sort_classes([name for names in sets for name in names])
    refuse_twins("labels", classes)
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but the labels hold {len(classes)}")
    return list(sets), classes, "multilabel"


def _is_list(value: object) -> bool:
    """Returns whether a cell of JSON lines or Parquet is a list, which Parquet reads as an array."""
    return isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1)


def _list_parts(value: Any) -> list[str]:
    """The labels in a cell of a column of lists; a missing cell has none."""
    if _is_list(value):
        return [str(part) for part in value if part is not None]
    return [] if value is None or value != value else [str(value)]


def _label_texts(column: pd.Series[Any]) -> list[str]:
    """The labels as texts, empty where missing; whole numbers that a gap turned into floats lose their `.0`."""
    whole = column.dtype.kind == "f" and (column.dropna() % 1 == 0).all()
    return [text.removesuffix(".0") for text in _texts(column)] if whole else _texts(column)


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
    wrong = sorted(set(texts) - set(SPLIT_NAMES))
    if wrong:
        raise DatasetError(f"table: column '{column}' must say train, validation or test, but a row says '{wrong[0]}'")
    return [SPLIT_NAMES[text] for text in texts]
