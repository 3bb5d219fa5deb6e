"""Data sets made of Hugging Face's; they are read through their own methods, so their library is not imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ...errors import DatasetError, SettingError
from ..adapters.label_values import LabelSettings, read_labels
from ..adapters.table_columns import LABEL_COLUMNS, plain_name
from ..base import ImageDataset, Index, Progress
from ..cache.decoding import PixelFormat
from ..names import SPLIT_NAMES
from ..settings import DEFAULT_SETTINGS, LoadSettings
from .arrays import from_arrays
from .dataframe import IMAGE_SIZE
from .opening import check_settings, index_of, label_facts, open_index, silent
from .pixels import Range

_ORIGIN = "Hugging Face data set"
_ARRAYS = ("Array2D", "Array3D")
# In a ClassLabel, a row without a label.
_UNLABELLED = -1


def from_huggingface(
    name: str,
    dataset: Any,
    *,
    image_column: str | None = None,
    label_column: str | None = None,
    classes: Sequence[str] | None = None,
    label_separator: str | None = None,
    task: str | None = None,
    pixel_range: Range | None = None,
    settings: LoadSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> ImageDataset:
    """Opens a data set of the library `datasets`.

    Args:
        name: The name that results are kept under: letters, digits, "_" and "-".
        dataset: A `datasets.Dataset`, whose splits are drawn; or a `DatasetDict` with "train", and "validation" and
            "test" where it has them.
        image_column: The column of images; None for the only one that holds images.
        label_column: The column of labels; None for the only one that holds classes, or one of a usual name.
        classes: Class names in label order; None takes those of the column, or else the labels.
        label_separator: The mark between several labels in one text; empty to take every text for one label.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        pixel_range: The lowest and the highest value that a pixel may have, for columns of arrays.
        settings: Sizes (128x128 in colour by default; arrays keep theirs), splits, and the handling of images that
            cannot be used.
        progress: Called with a stage ("reading", "decoding"), the work done so far and the total work.

    Raises:
        SettingError: The name or the task is none, or `dataset` is something else.
        DatasetError: The columns, images or labels cannot be used as they are.
    """
    check_settings("from_huggingface", name, settings)
    report = progress or silent
    parts = _parts(name, dataset)
    features = next(iter(parts.values())).features
    for split, part in parts.items():
        if set(part.column_names) != set(features):
            raise DatasetError(
                f"{name}: all splits must have the same columns, but '{split}' has others than the first"
            )
    image_column = _image_column(name, features, image_column)
    label_column = _label_column(name, features, label_column, image_column)
    labels = [_labels(part, label_column) for part in parts.values()]
    _refuse_unlabelled(name, dict(zip(parts, labels, strict=True)))
    classes = classes if classes is not None else _class_names(features[label_column])
    words = LabelSettings(classes, task, label_separator)
    if type(features[image_column]).__name__ != "Image":
        return _of_arrays(name, parts, image_column, labels, words, pixel_range, settings, report)
    labelling = read_labels(name, labels, words)
    parts = {split: _undecoded(part, image_column) for split, part in parts.items()}
    stated = len(parts) > 1
    keys, digest = _keys_and_digest(parts, image_column, stated, report)
    splits = [split if stated else None for split, part in parts.items() for _ in range(len(part))]

    def listed(scratch: Path) -> tuple[Index, Path]:
        faults = {}
        for row, (key, content) in enumerate(zip(keys, _contents(parts, image_column), strict=True)):
            if content["bytes"] is not None:
                (scratch / key).write_bytes(content["bytes"])
            elif content["path"] is None:
                faults[row] = "no image"
            elif not Path(key).is_absolute():
                (scratch / key).symlink_to(Path(content["path"]).absolute())
        return index_of(labelling, keys, splits, faults=faults), scratch

    pixel_format = PixelFormat(settings.image_size or IMAGE_SIZE, settings.channels or 3, settings.resize)
    facts = (digest, label_facts(labelling), [(split, len(part)) for split, part in parts.items()])
    return open_index(name, _ORIGIN, facts, listed, pixel_format, settings, report)


def _parts(name: str, dataset: Any) -> dict[str, Any]:
    """The data sets of the splits: "train" first, or alone where no split is stated."""
    if isinstance(dataset, str):
        raise SettingError(
            f"dataset must be a datasets.Dataset or DatasetDict, but got the text '{dataset[:80]}'; write "
            f"datasets.load_dataset('{dataset[:80]}'), which the extra 'huggingface' installs"
        )
    if not isinstance(dataset, Mapping):
        return {"train": _checked(dataset)}
    named: dict[str, Any] = {}
    for given, part in dataset.items():
        split = SPLIT_NAMES.get(str(given).lower())
        if split is None or split in named:
            fault = "is none of train, validation and test" if split is None else f"is a second '{split}'"
            raise DatasetError(
                f"{name}: the split '{given}' {fault}; choose the splits with a dictionary, such as "
                "{'train': dataset['train'], 'test': dataset['test']}"
            )
        named[split] = _checked(part)
    if "train" not in named:
        raise DatasetError(f"{name}: there must be a split 'train', but there are {', '.join(dataset) or 'none'}")
    return {split: named[split] for split in ("train", "validation", "test") if split in named}


def _checked(dataset: Any) -> Any:
    if not all(hasattr(dataset, attribute) for attribute in ("features", "column_names", "cast_column", "with_format")):
        raise SettingError(f"dataset must be a datasets.Dataset or DatasetDict, but got {type(dataset).__name__}")
    if not hasattr(dataset, "__len__"):
        raise SettingError("dataset must be loaded whole, but it streams; write load_dataset(..., streaming=False)")
    return dataset.with_format(None)


def _image_column(name: str, features: Mapping[str, Any], wanted: str | None) -> str:
    if wanted is not None:
        return _present(name, features, wanted)
    for kinds in (("Image",), _ARRAYS):
        found = [column for column, feature in features.items() if type(feature).__name__ in kinds]
        if len(found) == 1:
            return found[0]
        if found:
            raise DatasetError(f"{name}: several columns hold images; write image_column='{found[0]}', or another of "
                               f"{', '.join(found)}")  # fmt: skip
    raise DatasetError(
        f"{name}: no column holds images; write image_column='NAME'; the columns are {', '.join(features)}"
    )


def _label_column(name: str, features: Mapping[str, Any], wanted: str | None, images: str) -> str:
    if wanted is not None:
        return _present(name, features, wanted)
    classes = [column for column, feature in features.items() if _class_names(feature) is not None]
    by_name = {plain_name(column): column for column in features if column != images}
    usual = [by_name[usual] for usual in LABEL_COLUMNS if usual in by_name]
    found = classes if len(classes) == 1 else [column for column in usual if column in classes or not classes]
    if found:
        return found[0]
    if classes:
        raise DatasetError(
            f"{name}: several columns hold classes; write label_column='{classes[0]}', or another of "
            f"{', '.join(classes)}"
        )
    raise DatasetError(
        f"{name}: no column is known to hold the labels; write label_column='NAME'; the columns are "
        f"{', '.join(features)}"
    )


def _present(name: str, features: Mapping[str, Any], column: str) -> str:
    if column not in features:
        raise DatasetError(f"{name}: there is no column '{column}'; the columns are {', '.join(features)}")
    return column


def _class_names(feature: Any) -> list[str] | None:
    """The names of a ClassLabel, or of those in a list; None for other features."""
    inner = feature[0] if isinstance(feature, list) and feature else getattr(feature, "feature", feature)
    return list(inner.names) if type(inner).__name__ == "ClassLabel" and inner.names else None


def _labels(dataset: Any, column: str) -> list[Any]:
    """The labels of a split, with the names of classes for their numbers."""
    names = _class_names(dataset.features[column])
    values = list(dataset.select_columns([column])[column])
    if names is None:
        return values
    return [_named(value, names) for value in values]


def _named(value: Any, names: Sequence[str]) -> Any:
    if value is None or value == _UNLABELLED:
        return None
    return names[value] if isinstance(value, int) else [names[each] for each in value]


def _refuse_unlabelled(name: str, labels: Mapping[str, Sequence[Any]]) -> None:
    for split, values in labels.items():
        if values and all(value is None for value in values):
            rest = ", ".join(f"'{other}': dataset['{other}']" for other in labels if other != split)
            raise DatasetError(
                f"{name}: no row of the split '{split}' has a label, as is usual for competitions; leave it out: "
                f"{{{rest}}}"
            )


def _undecoded(dataset: Any, column: str) -> Any:
    """The data set with images as the bytes of their files, which are decoded as other files are."""
    return dataset.select_columns([column]).cast_column(column, type(dataset.features[column])(decode=False))


def _contents(parts: Mapping[str, Any], column: str) -> Iterator[Mapping[str, Any]]:
    """The bytes and the path of each image; either may be None."""
    for part in parts.values():
        for row in part:
            yield row[column] or {"bytes": None, "path": None}


def _keys_and_digest(parts: Mapping[str, Any], column: str, stated: bool, progress: Progress) -> tuple[list[str], str]:
    """A key for each row, which is the path of an image that lies in a file of its own; and SHA-256 of all images."""
    places = [f"{split if stated else 'row'} {row}" for split, part in parts.items() for row in range(len(part))]
    digest = hashlib.sha256()
    keys, used = [], set()
    for place, content in zip(places, _contents(parts, column), strict=True):
        key = place
        if content["bytes"] is None and content["path"] is not None:
            path = Path(content["path"]).absolute()
            key = str(path) if str(path) not in used else place
            state = path.stat() if path.is_file() else None
            digest.update(f"{path}\0{state and (state.st_size, state.st_mtime_ns, state.st_ctime_ns)}\n".encode())
        elif content["bytes"] is not None:
            digest.update(hashlib.sha256(content["bytes"]).digest())
        used.add(key)
        keys.append(key)
        if len(keys) % 256 == 0:
            progress("reading", len(keys), len(places))
    return keys, digest.hexdigest()


def _of_arrays(
    name: str,
    parts: Mapping[str, Any],
    column: str,
    labels: Sequence[Any],
    words: LabelSettings,
    pixel_range: Range | None,
    settings: LoadSettings,
    progress: Progress,
) -> ImageDataset:
    """Opens a data set whose images are arrays."""
    dtype = getattr(next(iter(parts.values())).features[column], "dtype", None)
    images = [[np.asarray(image, dtype) for image in part.select_columns([column])[column]] for part in parts.values()]
    pairs = dict(zip(parts, zip(images, labels, strict=True), strict=True))
    return from_arrays(
        name,
        *pairs["train"],
        words.classes,
        validation=pairs.get("validation"),
        test=pairs.get("test"),
        task=words.task,
        label_separator=words.separator,
        pixel_range=pixel_range,
        settings=settings,
        progress=progress,
    )
