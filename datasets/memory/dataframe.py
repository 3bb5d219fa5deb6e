"""Data sets made of a pandas DataFrame of paths and labels."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import SettingError
from ...text import counted
from ..adapters.label_values import Labelling, LabelSettings, read_labels
from ..adapters.repeated_rows import first_rows
from ..adapters.table_columns import (
    LABEL_COLUMNS,
    PATH_COLUMNS,
    existing,
    stated_splits,
    unknown_column,
    usual_columns,
    usual_split_columns,
)
from ..base import ImageDataset, Index, Progress
from ..cache.decoding import PixelFormat
from ..grouping import column_words
from ..settings import DEFAULT_SETTINGS, LoadSettings
from .opening import check_settings, index_of, label_facts, open_index, silent

if TYPE_CHECKING:
    import pandas as pd

IMAGE_SIZE = 128


def from_dataframe(
    name: str,
    frame: pd.DataFrame,
    *,
    validation: pd.DataFrame | None = None,
    test: pd.DataFrame | None = None,
    root: str | Path | None = None,
    path_column: str | None = None,
    label_column: str | Sequence[str] | None = None,
    split_column: str | None = None,
    classes: Sequence[str] | None = None,
    label_separator: str | None = None,
    task: str | None = None,
    settings: LoadSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> ImageDataset:
    """Opens the image files that a DataFrame lists, one per row.

    Args:
        name: The name that results are kept under: letters, digits, "_" and "-".
        frame: One row per image: its path and its label, and its split where there is a column for it.
        validation: The validation split as a DataFrame of its own.
        test: The test split as a DataFrame of its own.
        root: The folder that relative paths start from; None for the working directory.
        path_column: The column of paths, where it has none of the usual names ("path", "file", "filename", ...).
        label_column: The column of labels, where it has none of the usual names ("label", "class", "category", ...):
            names, numbers or lists of names. Several columns of 0 or 1 are labels that an image may carry together.
        split_column: The column that says "train", "validation" or "test", where it is not called "split".
        classes: Class names in label order; None takes them from the labels, sorted.
        label_separator: The mark between several labels in one text; empty to take every text for one label.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        settings: Sizes (128x128 in colour by default), splits, the column of groups (`group`), and the handling of
            images that cannot be used.
        progress: Called with a stage ("decoding"), the work done so far and the total work.

    Raises:
        SettingError: The name or the task is none, or the splits are stated twice.
        DatasetError: Columns are missing, or paths or labels cannot be used as they are.
    """
    import pandas as pd

    check_settings("from_dataframe", name, settings)
    frames = {"train": frame, "validation": validation, "test": test}
    parts = {split: _checked(split, part) for split, part in frames.items() if part is not None}
    stated_column = _split_column(name, parts, split_column)
    table = pd.concat(list(parts.values()), ignore_index=True)
    table.columns = [str(column) for column in table.columns]
    splits: list[str | None] = [split if len(parts) > 1 else None for split, part in parts.items() for _ in part.index]
    if stated_column is not None:
        splits = stated_splits(table, existing(table, stated_column, name), name)
    folder = Path(root if root is not None else ".").expanduser().resolve()
    path_column = _column(name, table, path_column, PATH_COLUMNS, "paths", "path_column")
    keys = [_key(folder, cell) for cell in table[path_column]]
    labels = _labels(name, table, label_column)
    labelling = read_labels(name, [labels], LabelSettings(classes, task, label_separator))
    group = str(settings.group) if settings.group is not None and str(settings.group) in table.columns else None
    facts, faults = _states(folder, keys)
    named = [key or f"row {row}" for row, key in enumerate(keys)]
    rows, repeated = first_rows(range(len(keys)), named, labelling.labels, splits)
    reasons_of = {**repeated, **faults}
    note = (f"left out {counted(len(keys) - len(rows), 'row')} that repeat a file",) if len(rows) < len(keys) else ()
    labelling = Labelling(
        [labelling.labels[row] for row in rows], labelling.classes, labelling.task, (*labelling.notes, *note)
    )
    kept_keys, kept_splits = [named[row] for row in rows], [splits[row] for row in rows]
    reasons = {place: reasons_of[row] for place, row in enumerate(rows) if row in reasons_of}

    groups = [str(table[group].iloc[row]) for row in rows] if group is not None else None

    def listed(scratch: Path) -> tuple[Index, Path]:
        words = column_words(group) if group is not None else None
        return index_of(labelling, kept_keys, kept_splits, faults=reasons, groups=groups, groups_from=words), folder

    pixel_format = PixelFormat(settings.image_size or IMAGE_SIZE, settings.channels or 3, settings.resize)
    told = hashlib.sha256(repr((splits, groups)).encode()).hexdigest()
    everything = (str(folder), facts, label_facts(labelling), told, group)
    return open_index(name, "DataFrame", everything, listed, pixel_format, settings, progress or silent)


def _checked(split: str, frame: Any) -> pd.DataFrame:
    import pandas as pd

    if not isinstance(frame, pd.DataFrame):
        argument = "frame" if split == "train" else split
        raise SettingError(f"{argument} must be a pandas DataFrame of paths and labels, but got {type(frame).__name__}")
    return frame


def _split_column(name: str, parts: Mapping[str, pd.DataFrame], wanted: str | None) -> str | None:
    """The column that states splits; None when there is none.

    Raises:
        SettingError: The splits come as DataFrames of their own, too.
    """
    column = wanted or next(iter(usual_split_columns(parts["train"])), None)
    if column is not None and len(parts) > 1:
        others = " and ".join(f"{split}=" for split in parts if split != "train")
        raise SettingError(
            f"{name}: the splits are stated twice, by the column '{column}' and by {others}; drop that column, or give "
            "one DataFrame"
        )
    return column


def _column(name: str, frame: pd.DataFrame, wanted: str | None, usual: Sequence[str], what: str, argument: str) -> str:
    if wanted is not None:
        return existing(frame, wanted, name)
    for known in usual_columns(frame, usual):
        return known
    raise unknown_column(frame, what, f"write {argument}='NAME'", name)


def _labels(name: str, frame: pd.DataFrame, wanted: str | Sequence[str] | None) -> Any:
    """One column of labels, or several of 0 and 1."""
    import pandas as pd

    if wanted is None or isinstance(wanted, str):
        return frame[_column(name, frame, wanted, LABEL_COLUMNS, "labels", "label_column")]
    columns = [existing(frame, column, name) for column in wanted]
    return frame[columns].apply(pd.to_numeric, errors="coerce")


def _key(root: Path, cell: Any) -> str:
    """A path relative to the root, or absolute where it lies elsewhere; empty where the cell is."""
    if not isinstance(cell, str | os.PathLike) or not str(cell).strip():
        return ""
    path = Path(os.path.normpath(root / Path(str(cell).replace("\\", "/")).expanduser()))
    return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()


def _states(root: Path, keys: Sequence[str]) -> tuple[str, dict[int, str]]:
    """SHA-256 of names, sizes and times of the files, which changes when a file does; and the rows without a file."""
    digest = hashlib.sha256()
    faults = {}
    for row, key in enumerate(keys):
        path = root / key
        if not key:
            faults[row] = "no path"
        elif not path.is_file():
            faults[row] = "a folder, not an image" if path.is_dir() else "no such file"
        else:
            state = path.stat()
            digest.update(
                f"{key}\0{state.st_size}\0{state.st_mtime_ns}\0{state.st_ctime_ns}\n".encode(errors="replace")
            )
            continue
        digest.update(f"{key}\0{faults[row]}\n".encode(errors="replace"))
    return digest.hexdigest(), faults
