"""The columns of tables that people publish: of paths, labels and splits, by their names and by what they hold."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ...errors import DatasetError
from ..names import PARTITION_NAMES, SPLIT_NAMES

if TYPE_CHECKING:
    import pandas as pd

# Names as `plain_name` writes them, the likeliest first.
PATH_COLUMNS = (
    "path", "file", "filename", "filepath", "image", "imagepath", "img", "photo", "picture", "imagefile", "imagename",
    "imgpath", "imgname", "imgfile", "photoname", "imageid", "imageindex", "imgid", "id", "idcode", "isicid",
)  # fmt: skip
LABEL_COLUMNS = (
    "label", "labels", "class", "category", "target", "tags", "classname", "labelname", "categoryname", "classlabel",
    "findinglabels", "classes", "tag", "classid", "labelid", "categoryid", "breed", "species", "diagnosis", "dx",
    "emotion", "expression", "y",
)  # fmt: skip
SPLIT_COLUMNS = ("split", "subset", "set", "usage", "partition", "isvalid")
# Columns that state splits by other words than their names: CelebA's numbers, and fastai's flags.
_WORDS_OF: dict[str, Mapping[str, str]] = {
    "partition": PARTITION_NAMES,
    "isvalid": {"false": "train", "0": "train", "true": "validation", "1": "validation"},
}
GROUP_COLUMNS = (
    "patient", "patientid", "subject", "subjectid", "person", "personid", "participant", "participantid", "lesion",
    "lesionid", "case", "caseid", "video", "videoid", "animalid", "individual", "individualid", "fold", "kfold",
)  # fmt: skip
USUAL_COLUMNS = frozenset((*PATH_COLUMNS, *LABEL_COLUMNS, *SPLIT_COLUMNS))
_SAMPLE = 200
# One row that happens to name a file tells nothing.
_LEAST_FOUND = 2
_MOST_SHOWN = 300
_MARKS = frozenset({"0", "1", "-1", "true", "false"})


def plain_name(column: object) -> str:
    """Returns a column's name in lower case, without spaces and marks: `Image Index` is `imageindex`."""
    return re.sub(r"[^a-z0-9]+", "", str(column).lower())


def path_column(
    table: pd.DataFrame, wanted: str | None, finds: Callable[[str], bool], *, needed: bool = True
) -> str | None:
    """Returns the column of paths: the wanted one, one of a usual name, or the only one whose cells name files.

    Args:
        table: The table.
        wanted: The column that the user names; None to find it.
        finds: Tells whether a cell names a file.
        needed: False where the table may do without paths; then None is returned unless cells name files.

    Raises:
        DatasetError: There is no such column, or it is not plain which one it is.
    """
    if wanted is not None:
        return existing(table, wanted)
    named = usual_columns(table, PATH_COLUMNS)
    sample = table.iloc[:: max(1, len(table) // _SAMPLE)]

    def found(column: str) -> int:
        return sum(isinstance(cell, dict) or finds(str(cell).strip()) for cell in sample[column])

    for column in named:
        if found(column):
            return column
    least = max(_LEAST_FOUND, (len(sample) + 1) // 2)
    others = [
        column
        for column in _others(table, named)
        if sample[column].map(str).nunique() >= least and found(column) >= least
    ]
    # Numbers of rows may name files as well.
    plain = [column for column in others if sample[column].map(str).str.contains(r"[./]").all()]
    if len(plain or others) == 1:
        return (plain or others)[0]
    if not needed:
        return None
    if named:
        # Its rows are told to name no file.
        return named[0]
    raise unknown_column(table, "paths", "name it with --option path-column=NAME")


def _others(table: pd.DataFrame, named: Sequence[str]) -> list[str]:
    """Returns the columns that no usual name keeps from being that of paths."""
    usual = {*LABEL_COLUMNS, *SPLIT_COLUMNS}
    return [str(column) for column in table.columns if column not in named and plain_name(column) not in usual]


def label_columns(table: pd.DataFrame, wanted: str | None, taken: Sequence[str]) -> str | list[str]:
    """Returns the column of labels, or the columns of marks, one per label.

    The column is the wanted one, one of a usual name, or the only one that is left. Where all that are left hold marks
    of 0 and 1, each is a label.

    Args:
        table: The table.
        wanted: The column that the user names; None to find it.
        taken: The columns that hold paths, splits and groups.

    Raises:
        DatasetError: There is no such column, or it is not plain which one it is.
    """
    if wanted is not None:
        return existing(table, wanted)
    named = usual_columns(table, LABEL_COLUMNS)
    if named:
        return named[0]
    left = [str(column) for column in table.columns if str(column) not in taken and str(column).strip()]
    if len(left) > 1 and all(marks(table[column]) <= _MARKS for column in left):
        return left
    if len(left) == 1 and taken:
        return left[0]
    raise unknown_column(table, "labels", "name it with --option label-column=NAME")


def marks(column: pd.Series[Any]) -> set[str]:
    """Returns the different texts of a column's cells, whole numbers without `.0`, in lower case."""
    return {mark(value) for value in column.unique()}


def mark(value: Any) -> str:
    """Returns a cell that marks a label as text: `1`, `true`; empty where it is missing."""
    text = str(value).strip().lower().removesuffix(".0")
    return "" if text in ("nan", "none", "<na>") else text


def cell_texts(column: pd.Series[Any]) -> list[str]:
    """Returns the values of a column as texts without spaces around them; empty where a value is missing."""
    return ["" if missing else str(value).strip() for value, missing in zip(column, column.isna(), strict=True)]


def is_list(value: object) -> bool:
    """Returns whether a cell of JSON lines or Parquet is a list, which Parquet reads as an array."""
    return isinstance(value, list | tuple) or (hasattr(value, "tolist") and getattr(value, "ndim", 0) == 1)


def split_column(table: pd.DataFrame, wanted: str | None) -> str | None:
    """Returns the column of splits: the wanted one, or one of a usual name; None without any.

    Raises:
        DatasetError: There is no such column.
    """
    if wanted is not None:
        return existing(table, wanted)
    return next(iter(usual_split_columns(table)), None)


def usual_split_columns(table: pd.DataFrame) -> list[str]:
    """Returns the columns of usual names that state splits; those that need words of their own, only where they do."""
    return [
        column
        for column in usual_columns(table, SPLIT_COLUMNS)
        if (words := _WORDS_OF.get(plain_name(column))) is None or marks(table[column]) <= words.keys()
    ]


def stated_splits(table: pd.DataFrame, column: str, owner: str = "table") -> list[str | None]:
    """Returns the split of each row, as a column states it.

    Args:
        table: The table.
        column: Its column of splits.
        owner: The name that errors begin with.

    Raises:
        DatasetError: A row names no split.
    """
    words: Mapping[str, str] = _WORDS_OF.get(plain_name(column), SPLIT_NAMES)
    texts = [mark(value) for value in table[column]]
    wrong = sorted(set(texts) - set(words))
    if wrong:
        raise DatasetError(
            f"{owner}: column '{column}' must say train, validation or test, but a row says '{wrong[0]}'"
        )
    return [words[text] for text in texts]


def existing(table: pd.DataFrame, wanted: str, owner: str = "table") -> str:
    """Returns a column's name as the table writes it.

    Args:
        table: The table.
        wanted: The column that the user names.
        owner: The name that errors begin with.

    Raises:
        DatasetError: There is no such column.
    """
    columns = [str(column) for column in table.columns]
    if wanted in columns:
        return wanted
    stripped = {column.strip(): column for column in columns}
    if wanted.strip() in stripped:
        return stripped[wanted.strip()]
    raise DatasetError(f"{owner}: there is no column '{wanted}'; the columns are {_listed(columns)}")


def usual_columns(table: pd.DataFrame, usual: Sequence[str]) -> list[str]:
    """Returns the columns that have one of some usual names, the likeliest first."""
    by_name = {plain_name(column): str(column) for column in reversed(table.columns)}
    return [by_name[name] for name in usual if name in by_name]


def unknown_column(table: pd.DataFrame, what: str, remedy: str, owner: str = "table") -> DatasetError:
    """Returns the error that no column is known to hold what is needed.

    Args:
        table: The table.
        what: The thing that it should hold, in words.
        remedy: Words that tell how to name it.
        owner: The name that the error begins with.
    """
    columns = _listed([str(column) for column in table.columns])
    return DatasetError(f"{owner}: no column is known to hold the {what}; {remedy}; the columns are {columns}")


def _listed(columns: Sequence[str]) -> str:
    text = ", ".join(columns)
    return text if len(text) <= _MOST_SHOWN else f"{text[:_MOST_SHOWN]} and so on"
