"""Reads labels as people hold them in Python: numbers, names, one-hot rows, 0/1 matrices, lists of names."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, SettingError
from ...text import counted
from ..base import Task
from .folders import sort_classes
from .label_names import clean_name

# One class per image, or several labels; names of classes, or positions in them.
Kind = Literal["numbers", "matrix", "names", "lists"]
_SEPARATORS = (";", "|", ",")
_SHOWN = 40


@dataclass(frozen=True, eq=False)
class Labelling:
    """The labels of a data set."""

    labels: list[Any]
    """Each row's label, as the column `label` of an `Index` holds it; None where the row has none."""
    classes: tuple[str, ...]
    """Class names in label order."""
    task: Task
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""


@dataclass(frozen=True, eq=False)
class LabelSettings:
    """The user's words about labels."""

    classes: Sequence[str] | None = None
    """Class names in label order; None to take them from the labels."""
    task: str | None = None
    """"binary", "multiclass" or "multilabel"; None to take it from the labels."""
    separator: str | None = None
    """The mark between several labels in one text; empty where every text is one label, None where nothing is said."""
    remedy: str = "write task='multilabel'"
    """Words that tell how to say that an image may carry several labels."""


def read_labels(name: str, given: Sequence[Any], settings: LabelSettings) -> Labelling:
    """Reads labels, which may come in several parts, such as those of training and of test images.

    Args:
        name: The data set, for messages.
        given: The labels of each part. All parts hold the same kind of labels.
        settings: The user's words about them.

    Raises:
        SettingError: The task is none, or does not fit the number of classes.
        DatasetError: The labels cannot be used as they are.
    """
    _check_task(settings.task)
    columns = next((list(part.columns) for part in given if hasattr(part, "columns")), None)
    classes = _checked_classes(name, settings.classes if settings.classes is not None else columns)
    parts = [_array(name, part) for part in given]
    kinds = {_kind(name, part) for part in parts if len(part)}
    if not kinds:
        raise DatasetError(f"{name}: there are no labels, and so no images to learn from")
    if len(kinds) > 1:
        raise DatasetError(
            f"{name}: all splits must have labels of one kind, but some have {' and some '.join(sorted(kinds))}"
        )
    kind = kinds.pop()
    parts = [part for part in parts if len(part)]
    if kind == "matrix":
        read = _of_matrix(name, parts, classes, settings)
    elif kind == "numbers":
        read = _of_numbers(name, np.concatenate([part.ravel() for part in parts]), classes)
    else:
        read = _of_texts(name, [value for part in parts for value in part], kind, classes, settings)
    return _as_stated(name, read, settings.task)


def _check_task(task: str | None) -> None:
    if task not in (None, "binary", "multiclass", "multilabel"):
        raise SettingError(f"task must be 'binary', 'multiclass' or 'multilabel', but got {task!r}")


def _checked_classes(name: str, classes: Sequence[Any] | None) -> tuple[str, ...] | None:
    """The classes as unlike, non-empty texts."""
    if classes is None:
        return None
    if isinstance(classes, str):
        raise DatasetError(f"{name}: classes must be a list of names, but got the text '{classes[:_SHOWN]}'")
    names = tuple(clean_name(str(each)) for each in classes)
    if len(names) < 2:
        raise DatasetError(f"{name}: give at least 2 classes, but got {len(names)}")
    if "" in names:
        raise DatasetError(f"{name}: class names must not be empty, but number {names.index('')} is")
    _refuse_twins(name, names)
    return names


def _refuse_twins(name: str, names: Iterable[str]) -> None:
    seen: dict[str, str] = {}
    for label in names:
        twin = seen.get(label.casefold())
        if twin == label:
            raise DatasetError(f"{name}: the class '{label}' is there twice; leave one out")
        if twin is not None:
            raise DatasetError(f"{name}: the classes '{twin}' and '{label}' differ only by case; rename one of them")
        seen[label.casefold()] = label


def _array(name: str, part: Any) -> NDArray[Any]:
    """One part as an array; lists of unequal lengths, and sets, as an array of objects."""
    rows = part if hasattr(part, "__array__") else list(part)
    if isinstance(rows, list) and any(_is_list(row) for row in rows):
        if not all(_is_list(row) or row is None for row in rows):
            raise DatasetError(f"{name}: labels must be all lists or all single labels, but some are of either kind")
        if not _is_number_matrix(rows):
            held = np.empty(len(rows), object)
            held[:] = [None if row is None else list(row) for row in rows]
            return held
    array = np.asarray(rows, object) if _is_text(rows) else np.asarray(rows)
    if array.dtype.kind in "US":
        array = array.astype(object)
    return array


def _is_text(rows: Any) -> bool:
    """Returns whether rows hold texts, which NumPy would also make of numbers and None beside them."""
    return isinstance(rows, list) and any(isinstance(row, str) or row is None for row in rows)


def _is_list(row: object) -> bool:
    return isinstance(row, list | tuple | set | frozenset) or (isinstance(row, np.ndarray) and row.ndim == 1)


def _is_number_matrix(rows: list[Any]) -> bool:
    """Returns whether rows are equally long lists of numbers."""
    if any(row is None or isinstance(row, set | frozenset) for row in rows):
        return False
    numbers = all(isinstance(value, bool | int | float | np.number | np.bool_) for row in rows for value in row)
    return numbers and len({len(row) for row in rows}) == 1 and len(rows[0]) > 0


def _kind(name: str, labels: NDArray[Any]) -> Kind:
    if labels.ndim == 2 and labels.shape[1] == 1:
        labels = labels[:, 0]
    if labels.dtype.kind in "biuf" and labels.ndim in (1, 2):
        return "numbers" if labels.ndim == 1 else "matrix"
    if labels.dtype == object and labels.ndim == 1:
        values = [value for value in labels if not _is_missing(value)]
        if values and all(_is_list(value) for value in values):
            return "lists"
        if values and all(isinstance(value, bool | int | float | np.number) for value in values):
            return "numbers"
        if all(isinstance(value, str | bytes) for value in values):
            return "names"
        strange = next(value for value in values if not isinstance(value, str | bytes))
        raise DatasetError(
            f"{name}: labels must be all names or all numbers, but one is {type(strange).__name__} "
            f"{str(strange)[:_SHOWN]!r} among others"
        )
    raise DatasetError(
        f"{name}: labels must be whole numbers or names (n,), one-hot or multi-hot (n, classes), or lists of names, "
        f"but got {labels.dtype} {labels.shape}"
    )


def _is_missing(value: object) -> bool:
    """Returns whether a label is None, NaN or pandas' own missing value."""
    if value is None or isinstance(value, str | bytes) or _is_list(value):
        return value is None
    return type(value).__name__ in ("NAType", "NaTType") or bool(value != value)


def _of_numbers(name: str, numbers: NDArray[Any], classes: tuple[str, ...] | None) -> Labelling:
    missing = np.array([_is_missing(number) for number in numbers], bool)
    known = numbers[~missing].astype(float)
    if not np.array_equal(known, np.rint(known)):
        wrong = known[known != np.rint(known)][0]
        raise DatasetError(f"{name}: labels must be whole numbers or names, but one is {wrong:g}")
    known = known.astype(np.int64)
    if classes is None:
        values = sorted(set(known.tolist()))
        classes = tuple(str(value) for value in values)
        _at_least_two(name, classes)
        names = dict(zip(values, classes, strict=True))
    else:
        if len(known) and not (known.min() >= 0 and known.max() < len(classes)):
            raise DatasetError(
                f"{name}: labels must be from 0 to {len(classes) - 1}, but got {known.min()} to {known.max()}"
            )
        names = dict(enumerate(classes))
    labels: list[Any] = [None if gone else names[int(value)] for value, gone in zip(numbers, missing, strict=True)]
    return Labelling(labels, classes, "multiclass")


def _of_matrix(
    name: str, parts: Sequence[NDArray[Any]], classes: tuple[str, ...] | None, settings: LabelSettings
) -> Labelling:
    """Rows of 0 and 1: one class per image where every row holds a single 1 and no task is stated."""
    width = len(classes) if classes is not None else parts[0].shape[1]
    for part in parts:
        if part.shape[1] != width or not np.isin(part, (0, 1)).all():
            raise DatasetError(
                f"{name}: multi-hot labels must be 0 or 1, shaped (n, {width}), but got {part.dtype} {part.shape}"
                + _strange_value(part)
            )
    classes = classes or tuple(str(column) for column in range(width))
    marks = np.concatenate(parts).astype(bool)
    single = marks.sum(axis=1) == 1
    task = settings.task
    if task == "multilabel" or (task is None and not single.all()):
        return Labelling([_names(row, classes) for row in marks], classes, "multilabel")
    if not single.all():
        row = int(np.flatnonzero(~single)[0])
        raise DatasetError(
            f"{name}: one-hot labels must have a single 1 in each row, but row {row} has {int(marks[row].sum())}; "
            f"for several labels per image {settings.remedy}"
        )
    note = f"the labels are one-hot and are read as one class per image; for several labels {settings.remedy}"
    labels = [classes[position] for position in marks.argmax(axis=1)]
    return Labelling(labels, classes, "multiclass", () if task else (note,))


def _strange_value(part: NDArray[Any]) -> str:
    strange = part[~np.isin(part, (0, 1))]
    return f" with the value {strange[0]:g}" if strange.size else ""


def _names(marks: NDArray[np.bool_], classes: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(classes[position] for position in np.flatnonzero(marks))


def _of_texts(
    name: str, values: Sequence[Any], kind: Kind, classes: tuple[str, ...] | None, settings: LabelSettings
) -> Labelling:
    """Names, lists of names, or texts that hold several names."""
    labels: list[Any]
    if kind == "lists":
        labels = [None if _is_missing(value) else _set_of_names(name, value) for value in values]
    else:
        texts = [None if _is_missing(value) else clean_name(_decoded(value)) for value in values]
        if not settings.separator:
            if settings.separator is None:
                _refuse_joined(name, texts, classes)
            return _of_names(name, [text or None for text in texts], classes)
        # An empty text among several labels says that the image has none of them.
        labels = [None if text is None else _set_of_names(name, text.split(settings.separator)) for text in texts]
    found = sort_classes([label for names in labels for label in names or ()])
    classes = _within(name, classes, found)
    if settings.task in ("binary", "multiclass"):
        for row, names in enumerate(labels):
            if names is not None and len(names) != 1:
                raise DatasetError(
                    f"{name}: for one class per image each row must have 1 label, but row {row} has {len(names)}; "
                    f"{settings.remedy}"
                )
        return Labelling([names and names[0] for names in labels], classes, "multiclass")
    return Labelling(labels, classes, "multilabel")


def _decoded(value: str | bytes) -> str:
    return value.decode(errors="replace") if isinstance(value, bytes) else value


def _set_of_names(name: str, values: Iterable[Any]) -> tuple[str, ...]:
    """The names of one image, each once, in order."""
    names = list(values)
    for value in names:
        if not isinstance(value, str | bytes):
            raise DatasetError(
                f"{name}: lists of labels must hold names, but one holds {type(value).__name__} "
                f"{str(value)[:_SHOWN]}; give positions as a 0/1 matrix (n, classes)"
            )
    return tuple(sorted({clean_name(_decoded(value)) for value in names} - {""}))


def _of_names(name: str, texts: list[str | None], classes: tuple[str, ...] | None) -> Labelling:
    found = sort_classes([text for text in texts if text is not None])
    return Labelling(list(texts), _within(name, classes, found), "multiclass")


def _within(name: str, classes: tuple[str, ...] | None, found: tuple[str, ...]) -> tuple[str, ...]:
    """The classes stated, or else those found.

    Raises:
        DatasetError: A label is no stated class, two differ only by case, or there are fewer than two.
    """
    if classes is None:
        _at_least_two(name, found)
        _refuse_twins(name, found)
        return found
    unknown = [label for label in found if label not in classes]
    if unknown:
        shown = ", ".join(classes[:20]) + (", ..." if len(classes) > 20 else "")
        raise DatasetError(f"{name}: the label '{unknown[0][:_SHOWN]}' is no class; the classes given are {shown}")
    return classes


def _at_least_two(name: str, classes: Sequence[str]) -> None:
    if len(classes) < 2:
        found = f"all labels are '{classes[0]}'" if classes else "no image has a label"
        raise DatasetError(f"{name}: at least 2 classes are needed, but {found}")


def _refuse_joined(name: str, texts: Sequence[str | None], classes: tuple[str, ...] | None) -> None:
    """Refuses texts such as "cat|dog" beside "cat", which look like several labels and would become a class each."""
    present = {text for text in texts if text is not None} - set(classes or ())
    for mark in _SEPARATORS:
        joined = [text for text in sorted(present) if mark in text]
        holders: dict[str, int] = {}
        for text in present:
            for word in {word.strip() for word in text.split(mark)} - {""}:
                holders[word] = holders.get(word, 0) + 1
        for text in joined:
            if any(holders[word] > 1 for word in map(str.strip, text.split(mark)) if word):
                raise DatasetError(
                    f"{name}: the label '{text[:_SHOWN]}' looks like several labels; write label_separator='{mark}' "
                    "to read it so, or label_separator='' to keep it as one name"
                )


def _as_stated(name: str, read: Labelling, task: str | None) -> Labelling:
    """Makes a task of two classes binary, and refuses a task stated otherwise than the labels are."""
    if task == "multilabel" and read.task != "multilabel":
        raise DatasetError(
            f"{name}: task='multilabel' needs a 0/1 matrix (n, classes) or lists of names, but there is one label "
            "per image"
        )
    if task == "binary" and len(read.classes) != 2:
        raise DatasetError(
            f"{name}: task='binary' needs exactly 2 classes, but there are "
            f"{counted(len(read.classes), 'class', 'classes')}"
        )
    found: Task = "binary" if read.task == "multiclass" and len(read.classes) == 2 else read.task
    return Labelling(read.labels, read.classes, found, read.notes)
