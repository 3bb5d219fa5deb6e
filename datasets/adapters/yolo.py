"""Annotations of objects as Ultralytics' YOLO has them, read as several labels per image: the classes it shows."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import yaml

from ...errors import DatasetError
from ...text import counted, first_line
from ..base import BadItem, Index, Progress
from ..files.sources import Source
from .label_names import clean_name, refuse_twins
from .split_folders import are_stated, split_above
from .split_lists import find_listed_splits

_LISTS_OF_NAMES = ("classes.txt", "obj.names", "labels.txt", "_darknet.labels")


class YoloAdapter:
    """Reads text files of objects beside images, or in `labels/` beside `images/`."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists all images; one without a file of objects shows none.

        Names of classes are those of `data.yaml` or `classes.txt`; without either, classes have numbers. Splits are
        those of folders such as `train/` and `valid/`, or of lists such as `train.txt`.
        """
        import pandas as pd

        paths = [file.path for file in source.images]
        known = {file.path for file in source.with_suffix(".txt")}
        names, where = _class_names(source)
        rows: list[tuple[str, tuple[str, ...]]] = []
        bad = list(source.bad_links)
        without = 0
        for number, path in enumerate(paths, start=1):
            progress("annotations", number, len(paths))
            file = _label_file(path, known)
            if file is None:
                without += 1
                rows.append((path, ()))
                continue
            try:
                rows.append((path, _shown((source.root / file).read_text(encoding="utf-8"), names, where)))
            except (ValueError, OSError) as error:
                bad.append(BadItem(path, f"{file}: {first_line(error)}"))
        if without == len(paths):
            raise DatasetError(
                f"yolo: none of {counted(len(paths), 'image')} below {source.root} has a file of objects, such as "
                "labels/1.txt for images/1.jpg; --data must be the folder that holds both"
            )
        splits, told = _splits(source, [path for path, _ in rows])
        classes = sorted({name for _, shown in rows for name in shown}, key=_order(names))
        refuse_twins("classes", classes)
        if len(classes) < 2:
            raise DatasetError(f"yolo: at least 2 classes must occur, but {source.root} shows {len(classes)}")
        kept = [row for row, split in enumerate(splits) if split is not None or not any(splits)]
        return Index(
            table=pd.DataFrame(
                {
                    "key": [rows[row][0] for row in kept],
                    "label": pd.Series([rows[row][1] for row in kept], dtype=object),
                    "split": pd.Series([splits[row] for row in kept], dtype=object),
                }
            ),
            classes=tuple(classes),
            task="multilabel",
            bad=tuple(bad),
            notes=(*told, *_notes(without, len(set(names or ()) - set(classes)))),
        )


def _class_names(source: Source) -> tuple[list[str] | None, str]:
    """Returns the names of the classes by number, None where nothing tells them; and the file that does.

    Raises:
        DatasetError: The file is damaged, or several tell different names.
    """
    found: dict[str, list[str]] = {}
    given = [source.named] if source.named is not None else [file.path for file in source.with_suffix(".yaml", ".yml")]
    for path in given:
        if (names := _yaml_names(source, path)) is not None:
            found[path] = names
    if not found:
        lists = [file.path for file in source.files if PurePosixPath(file.path).name in _LISTS_OF_NAMES]
        for path in lists:
            lines = (source.root / path).read_text(encoding="utf-8-sig", errors="replace").splitlines()
            found[path] = [clean_name(line) for line in lines if line.strip()]
    different = {tuple(names) for names in found.values()}
    if len(different) > 1:
        raise DatasetError(f"yolo: {' and '.join(list(found)[:2])} name different classes; leave one of them out")
    for path, names in found.items():
        return names, path
    return None, ""


def _yaml_names(source: Source, path: str) -> list[str] | None:
    """Returns the list `names` of a YAML file, which may be a mapping from numbers; None where it has none."""
    try:
        document = yaml.safe_load((source.root / path).read_text(encoding="utf-8"))
    except (yaml.YAMLError, ValueError, OSError, RecursionError) as error:
        raise DatasetError(f"yolo: {path} cannot be read: {first_line(error)}") from None
    names: Any = document.get("names") if isinstance(document, dict) else None
    if isinstance(names, dict):
        numbers = sorted(number for number in names if isinstance(number, int))
        if numbers != list(range(len(names))):
            raise DatasetError(f"yolo: {path} must number its names from 0 without a gap")
        names = [names[number] for number in numbers]
    return [clean_name(str(name)) for name in names] if isinstance(names, list) else None


def _label_file(path: str, known: set[str]) -> str | None:
    """Returns the file of an image's objects: in `labels/` beside the last `images/`, or beside the image."""
    plain = PurePosixPath(path)
    beside = str(plain.with_suffix(".txt"))
    parts = plain.parts
    places = [place for place, part in enumerate(parts[:-1]) if part == "images"]
    candidates = [beside]
    if places:
        moved = PurePosixPath(*parts[: places[-1]], "labels", *parts[places[-1] + 1 :])
        candidates.insert(0, str(moved.with_suffix(".txt")))
    return next((candidate for candidate in candidates if candidate in known), None)


def _shown(text: str, names: Sequence[str] | None, where: str) -> tuple[str, ...]:
    """Returns the classes that the lines of a file name, each line a number and the box or outline of an object.

    Raises:
        ValueError: A line begins with something else, or with a number that has no name.
    """
    shown = set()
    for place, line in enumerate(text.splitlines(), start=1):
        if not line.strip():
            continue
        number, *box = line.split()
        if not number.isdigit() or len(box) < 4:
            raise ValueError(f"line {place} must be a class and a box, but is '{line[:40]}'")
        if names is not None and int(number) >= len(names):
            raise ValueError(f"line {place} is of class {number}, but {where} names 0 to {len(names) - 1}")
        shown.add(names[int(number)] if names is not None else str(int(number)))
    return tuple(sorted(shown))


def _splits(source: Source, paths: Sequence[str]) -> tuple[list[str | None], tuple[str, ...]]:
    """Returns the split of each image, as folders or else lists state it, and notes."""
    splits = [split_above(PurePosixPath(path).parts[:-1]) for path in paths]
    if are_stated(splits):
        return splits, ()
    listed = find_listed_splits(source, paths)
    return (listed.splits, listed.notes) if listed is not None else ([None] * len(paths), ())


def _order(names: Sequence[str] | None) -> Any:
    """Returns the key that sorts classes by their number."""
    return names.index if names is not None else int


def _notes(without: int, unused: int) -> tuple[str, ...]:
    notes = []
    if without:
        notes.append(f"{counted(without, 'image')} without a file of objects: taken to show none of the classes")
    if unused:
        notes.append(f"left out {counted(unused, 'class', 'classes')} that no image shows")
    return tuple(notes)
