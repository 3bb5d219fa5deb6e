"""The labels of a table's rows: a class, several names in a cell, lists of names, or a column of marks per label."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ...text import counted, some_of
from ..base import Task
from .folders import sort_classes, with_positive
from .label_names import clean_name, refuse_twins
from .table_columns import cell_texts, is_list, mark, marks, plain_name

if TYPE_CHECKING:
    import pandas as pd

_SEPARATOR = ";"
# A list that is written as a text.
_LIST = re.compile(r"\[.*\]", re.DOTALL)
# Names of columns, as `plain_name` writes them, that say that a cell holds several labels.
_SEVERAL = frozenset({"labels", "tags", "classes", "categories", "targets", "genres", "attributes", "attributeids"})
_COLUMNS_SHOWN = 4
_LABEL_SHOWN = 40
# From this many rows on, a column with a label of its own for most of them is taken for numbers or names of images.
_LEAST_ROWS = 10


@dataclass(frozen=True)
class TableLabels:
    """The labels of all rows."""

    labels: list[Any]
    """A class name, or a tuple of them; None where it is missing."""
    classes: tuple[str, ...]
    task: Task
    masked: list[tuple[str, ...]]
    """The classes of which it is unknown whether the image carries them."""
    notes: tuple[str, ...] = field(default=())
    """Lines that the user should read."""


def _label_separator(column: str, texts: Sequence[str], given: str | None) -> tuple[str | None, tuple[str, ...]]:
    """Returns what separates several labels in one cell, None where each cell holds one label; and notes.

    Raises:
        DatasetError: Cells look as if they held several labels, and it is not plain.
    """
    if given == "":
        raise DatasetError(
            "table: --option label-separator must be a text such as | or space, or none for one label per cell, but "
            "got nothing"
        )
    if given is not None:
        return {"none": None, "space": " "}.get(given.lower(), given), ()
    if any(_SEPARATOR in text for text in texts):
        return _SEPARATOR, ()
    for separator in ("|", ","):
        cells = _Cells(texts, separator)
        if cells.several and not cells.unknown:
            return separator, ()
        if cells.known or (cells.several and separator == "|"):
            raise _asked(cells, separator)
    cells = _Cells(texts, " ")
    # Names of classes have spaces, too, as `Maine Coon`; lists of numbers and of what stands alone elsewhere are none.
    if cells.several and all(part.isdecimal() for part in cells.parts):
        return " ", ()
    if cells.known and plain_name(column) in _SEVERAL:
        if cells.unknown:
            raise _asked(cells, "space")
        return " ", (
            f"each word in column '{column}' is a label of its own; --option label-separator=none reads cells whole",
        )
    if cells.known and not cells.unknown:
        return None, (
            f"'{min(cells.several)[:_LABEL_SHOWN]}' in column '{column}' is read as one class; give --option "
            "label-separator=space if its words are labels of their own",
        )
    return None, ()


class _Cells:
    """The cells of a column of labels, split by a separator.

    Args:
        texts: The cells.
        separator: The separator.
    """

    def __init__(self, texts: Sequence[str], separator: str) -> None:
        held = set(texts)
        self.several = {text for text in held if separator in text}
        """The cells with several parts."""
        alone = held - self.several
        counts = Counter(part.strip() for text in self.several for part in set(text.split(separator)))
        self.parts = set(counts)
        """The parts of these cells."""
        self.known = {part for part, count in counts.items() if part in alone or count > 1}
        """Those that also stand in other cells."""
        self.unknown = self.parts - self.known
        """Those that do not."""


def _asked(cells: _Cells, separator: str) -> DatasetError:
    shown = separator if separator.isalpha() else f"'{separator}'"
    return DatasetError(
        f"table: the label '{min(cells.several)[:80]}' may be several labels in one cell; give "
        f"--option label-separator={shown} if it is, or --option label-separator=none"
    )


def read_labels(table: pd.DataFrame, columns: str | list[str], options: Mapping[str, str]) -> TableLabels:
    """Reads the labels of all rows.

    Args:
        table: The table.
        columns: The column of labels, or the columns of marks, one per label.
        options: The user's options.

    Raises:
        DatasetError: They are no labels, or it is not plain which.
    """
    if not isinstance(columns, str):
        return _marked(table, columns, told="label-columns" in options)
    given = options.get("label-separator")
    if any(is_list(value) for value in table[columns]):
        if given is not None:
            raise DatasetError(f"table: column '{columns}' holds lists of labels; leave out --option label-separator")
        return _several([_list_parts(value) for value in table[columns]])
    texts = [clean_name(text) for text in _label_texts(table[columns])]
    written = [text for text in texts if text]
    if given is None and written and all(_LIST.fullmatch(text) for text in written):
        return _several([_written_parts(text) for text in texts])
    separator, notes = _label_separator(columns, texts, given)
    if separator is not None:
        return replace(_several([text.split(separator) for text in texts]), notes=notes)
    classes = sort_classes(written)
    refuse_twins("labels", classes)
    held = f"column '{columns}' holds {len(classes)}"
    return replace(_single([text or None for text in texts], classes, held, options.get("positive")), notes=notes)


def _single(labels: list[Any], classes: tuple[str, ...], held: str, positive: str | None) -> TableLabels:
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
    return TableLabels(labels, classes, "binary" if len(classes) == 2 else "multiclass", [()] * len(labels))


def _several(cells: Sequence[Sequence[str]]) -> TableLabels:
    """Returns several labels per image."""
    sets = [tuple(sorted({clean_name(part) for part in parts} - {""})) for parts in cells]
    classes = sort_classes([name for names in sets for name in names])
    refuse_twins("labels", classes)
    if len(classes) < 2:
        raise DatasetError(f"table: at least 2 classes are needed, but the labels hold {len(classes)}")
    return TableLabels(list(sets), classes, "multilabel", [()] * len(sets))


def _list_parts(value: Any) -> list[str]:
    """The labels in a cell of a column of lists; a missing cell has none."""
    if is_list(value):
        return [str(part) for part in value if part is not None]
    return [] if value is None or value != value else [str(value)]


def _written_parts(text: str) -> list[str]:
    """The labels in a list that is written as a text, as Python writes its own and NumPy's: `['cat', 'dog']`."""
    inner = text[1:-1]
    quoted = [one or other for one, other in re.findall(r"'([^']*)'|\"([^\"]*)\"", inner)]
    return quoted or re.split(r"[,\s]+", inner.strip())


def _label_texts(column: pd.Series[Any]) -> list[str]:
    """The labels as texts, empty where missing; whole numbers that a gap turned into floats lose their `.0`."""
    whole = column.dtype.kind == "f" and (column.dropna() % 1 == 0).all()
    return [text.removesuffix(".0") for text in cell_texts(column)] if whole else cell_texts(column)


def _marked(table: pd.DataFrame, columns: Sequence[str], *, told: bool) -> TableLabels:
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
        return TableLabels(
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
    return TableLabels(list(labels), tuple(names), "multilabel", list(masked), notes)


def _names(names: Sequence[str], cells: Sequence[str], wanted: set[str]) -> tuple[str, ...]:
    return tuple(name for name, cell in zip(names, cells, strict=True) if cell in wanted)
