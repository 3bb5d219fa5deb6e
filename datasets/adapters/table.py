"""Reads a table of image paths and labels, CSV or Parquet, for data sets that have no adapter of their own."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...text import counted, first_line
from ..base import BadItem, Index, Progress, Task
from ..files.sources import Source
from ..files.text_lines import check_lines
from ..grouping import column_words
from ..names import SPLIT_NAMES
from .folders import sort_classes, with_positive
from .label_names import clean_name, refuse_twins, some_of
from .table_columns import existing, label_columns, mark, marks, path_column, split_column
from .table_files import NamedImages, TableFile, find_tables

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR = ";"
_COLUMN_SEPARATORS = (",", ";", "\t", "|")
_COLUMNS_SHOWN = 4
_LABEL_SHOWN = 40
# From this many rows on, a column with a label of its own for most of them is taken for numbers or names of images.
_LEAST_ROWS = 10


class TableAdapter:
    """Reads a table of image paths and labels."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the rows of the table, whose paths are relative to it.

        A label that holds several names, or a list of them, makes a multilabel task. Names in one text are separated by
        `;`, or by `|` or a comma where they also stand alone, or as the option says. The table is CSV with any of the
        usual separators, TSV, Parquet, JSON lines as in Hugging Face's `metadata.jsonl`, or Parquet that holds the
        image files themselves. Tables that are named like splits, or lie in folders that are, are read together.

        Options:
            separator: The table's separator, such as `;` or tab; found in its first line unless given.
            label-separator: The separator of several labels in one cell; none for one label per cell.
            root: Folder that paths are relative to, itself relative to the table.
            suffix: Suffix of the image files, for paths that lack it.
            path-column, label-column, split-column: Names of columns that do not have one of the usual names.
            label-columns: Columns of 0 or 1, one per label, separated by commas. Empty cells are unknown, and so is -1
                where there is also 0.
            positive: The positive class of a binary task.
            group: Column whose images of one value are one group; another value is a rule for paths.
        """
        import pandas as pd

        parts, columns, left_out = _parts(source, options)
        table = pd.concat([part.table for part in parts], ignore_index=True)
        labelling = _labels(table, columns.labels, options)
        splits = _splits(table, columns.split, parts)
        grouped = options.get("group") in table.columns
        groups = _texts(table[options["group"]]) if grouped else [None] * len(table)
        embedded = _embedded_images(table[columns.path], scratch)
        places = [(part, number) for part in parts for number in range(2, len(part.table) + 2)]
        rows, bad = [], []
        for place, name, label, masked, split, group in zip(
            places, embedded or table[columns.path], labelling.labels, labelling.masked, splits, groups, strict=True
        ):
            part, number = place
            key, reason = (name, None) if embedded is not None else part.images.find(str(name).strip())
            if reason is None:
                reason = "no label" if label is None else "no group" if group == "" else None
            if reason is None:
                rows.append((key, label, split, group, masked))
            else:
                where = f"line {number}" if len(parts) == 1 else f"{part.file.path} line {number}"
                bad.append(BadItem(where, reason))
        kept = pd.DataFrame(rows, columns=["key", "label", "split", "group", "masked"])
        if not any(labelling.masked):
            kept = kept.drop(columns="masked")
        return Index(
            kept,
            labelling.classes,
            labelling.task,
            bad=tuple(bad),
            root=None if embedded is None else scratch,
            groups_from=column_words(options["group"]) if grouped else None,
            notes=(*left_out, *labelling.notes),
        )


@dataclass(frozen=True, eq=False)
class _Part:
    """One of the tables that are read together."""

    file: TableFile
    table: pd.DataFrame
    images: NamedImages


@dataclass(frozen=True)
class _Columns:
    """The columns that are read."""

    path: str
    labels: str | list[str]
    """One column of labels, or one of marks per label."""
    split: str | None


@dataclass(frozen=True)
class _Labelling:
    """The labels of all rows."""

    labels: list[Any]
    """A class name, or a tuple of them; None where it is missing."""
    classes: tuple[str, ...]
    task: Task
    masked: list[tuple[str, ...]]
    """The classes of which it is unknown whether the image carries them."""
    notes: tuple[str, ...] = field(default=())
    """Lines that the user should read."""


def _parts(source: Source, options: Mapping[str, str]) -> tuple[list[_Part], _Columns, list[str]]:
    """Returns the tables and their columns, and notes on tables that are left out for want of a column."""
    found, others = find_tables(source)
    parts = [
        _Part(file, _read(source.root / file.path, options.get("separator")), NamedImages(source, file.path, options))
        for file in found
    ]
    first = next((part for part in parts if part.file.split == "train"), parts[0])
    columns = _columns(first, options)
    needed = {columns.path, *([columns.labels] if isinstance(columns.labels, str) else columns.labels)}
    notes = [f"left out {path}, which is named like no split" for path in others]
    kept = []
    for part in parts:
        missing = sorted(needed - set(part.table.columns))
        if missing:
            notes.append(f"left out {part.file.path}, which lacks the column {missing[0]}")
        else:
            kept.append(part)
    if len(kept) == 1:
        # Splits are drawn from a table that stands alone, whatever it is called.
        kept = [_Part(TableFile(kept[0].file.path, None), kept[0].table, kept[0].images)]
    return kept, columns, notes


def _columns(part: _Part, options: Mapping[str, str]) -> _Columns:
    table = part.table
    split = split_column(table, options.get("split-column"))
    path = path_column(table, options.get("path-column"), part.images.names_one)
    labels: str | list[str]
    if "label-columns" in options:
        labels = [existing(table, name.strip()) for name in options["label-columns"].split(",")]
    else:
        taken = [column for column in (path, split, options.get("group")) if column is not None]
        labels = label_columns(table, options.get("label-column"), taken)
    return _Columns(path, labels, split)


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
        table = pd.read_csv(path, sep=_separator_of(path, separator), dtype=str, keep_default_na=False)
        # Row numbers that pandas wrote have no name.
        named: pd.DataFrame = table.drop(columns=[one for one in table.columns if str(one).startswith("Unnamed:")])
        return named
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


def _labels(table: pd.DataFrame, columns: str | list[str], options: Mapping[str, str]) -> _Labelling:
    if not isinstance(columns, str):
        return _marked(table, columns, told="label-columns" in options)
    given = options.get("label-separator")
    if any(_is_list(value) for value in table[columns]):
        if given is not None:
            raise DatasetError(f"table: column '{columns}' holds lists of labels; leave out --option label-separator")
        return _several([_list_parts(value) for value in table[columns]])
    texts = [clean_name(text) for text in _label_texts(table[columns])]
    separator = _label_separator(texts, given)
    if separator is not None:
        return _several([text.split(separator) for text in texts])
    classes = sort_classes([text for text in texts if text])
    refuse_twins("labels", classes)
    return _single(
        [text or None for text in texts], classes, f"column '{columns}' holds {len(classes)}", options.get("positive")
    )


def _single(labels: list[Any], classes: tuple[str, ...], held: str, positive: str | None) -> _Labelling:
    """Returns one label per image."""
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but {held}")
    labelled = sum(label is not None for label in labels)
    if labelled >= _LEAST_ROWS and len(classes) > labelled / 2:
        raise DatasetError(
            f"table: classes must have several images each, but {held} for {counted(labelled, 'image')}, such as "
            f"'{classes[0][:_LABEL_SHOWN]}'; name another column with --option label-column=NAME"
        )
    if len(classes) == 2:
        classes = with_positive("table", classes, positive)
    return _Labelling(labels, classes, "binary" if len(classes) == 2 else "multiclass", [()] * len(labels))


def _several(cells: Sequence[Sequence[str]]) -> _Labelling:
    """Returns several labels per image."""
    sets = [tuple(sorted({clean_name(part) for part in parts} - {""})) for parts in cells]
    classes = sort_classes([name for names in sets for name in names])
    refuse_twins("labels", classes)
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but the labels hold {len(classes)}")
    return _Labelling(list(sets), classes, "multilabel", [()] * len(sets))


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


def _marked(table: pd.DataFrame, columns: Sequence[str], *, told: bool) -> _Labelling:
    """Returns the labels that columns of marks tell.

    Args:
        table: The table.
        columns: One column per label.
        told: The user named the columns; else columns of which each row marks exactly one are classes.

    Raises:
        DatasetError: A column holds something else than marks.
    """
    held = {column: marks(table[column]) for column in columns}
    for column, values in held.items():
        if not values <= {"0", "1", "true", "false", "-1", ""}:
            wrong = sorted(values - {"0", "1", "true", "false", "-1", ""})
            raise DatasetError(
                f"table: the label column '{column}' must hold only 0 and 1, and nothing where it is unknown, but "
                f"holds {', '.join(wrong[:3])}"
            )
    names = [clean_name(column) for column in columns]
    refuse_twins("labels", names)
    unknown = {""} if not any("0" in values for values in held.values()) else {"", "-1"}
    cells = [[mark(value) for value in table[column]] for column in columns]
    labels = [_names(names, row, {"1", "true"}) for row in zip(*cells, strict=True)]
    masked = [_names(names, row, unknown) for row in zip(*cells, strict=True)]
    if not told and not any(masked) and all(len(row) == 1 for row in labels):
        found = _single([row[0] for row in labels], tuple(names), "the columns are one", None)
        return _Labelling(
            found.labels,
            found.classes,
            found.task,
            found.masked,
            (f"classes are the columns {some_of(names, _COLUMNS_SHOWN)}, of which each row marks one",),
        )
    notes = () if told else (f"labels are the columns {some_of(names, _COLUMNS_SHOWN)}",)
    count = sum(map(len, masked))
    if count:
        notes = (*notes, f"{counted(count, 'label')} empty or -1 in the table: unknown, so not scored")
    return _Labelling(list(labels), tuple(names), "multilabel", list(masked), notes)


def _names(names: Sequence[str], cells: Sequence[str], wanted: set[str]) -> tuple[str, ...]:
    return tuple(name for name, cell in zip(names, cells, strict=True) if cell in wanted)


def _splits(table: pd.DataFrame, column: str | None, parts: Sequence[_Part]) -> list[str | None]:
    """Returns the split of each row: that of its table where there are several, else as the column says."""
    if len(parts) > 1:
        return [part.file.split for part in parts for _ in range(len(part.table))]
    if column is None:
        return [None] * len(table)
    texts = [str(value).strip().lower() for value in table[column]]
    wrong = sorted(set(texts) - set(SPLIT_NAMES))
    if wrong:
        raise DatasetError(f"table: column '{column}' must say train, validation or test, but a row says '{wrong[0]}'")
    return [SPLIT_NAMES[text] for text in texts]
