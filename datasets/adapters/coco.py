"""COCO's annotations of objects, read as several labels per image: the categories that an image shows."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DatasetError
from ...text import counted
from ..base import Index, Progress
from ..files.sources import Source, SourceFile
from .label_names import clean_name, refuse_twins
from .split_folders import split_of, split_of_file

_PARTS = ("images", "annotations", "categories")


class CocoAdapter:
    """Reads data sets in the format of COCO's object detection: JSON files beside folders of images."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of all annotation files; one that is named after a split, or whose folder is, states it.

        Options:
            crowds: yes to count annotations of crowds (`iscrowd`) as well; no by default.
        """
        import pandas as pd

        crowds = options.get("crowds", "no")
        if crowds not in ("yes", "no"):
            raise DatasetError(f"coco: option crowds must be yes or no, but got '{crowds}'")
        files = _annotation_files(source)
        images = _Images([file.path for file in source.images])
        rows: list[dict[str, Any]] = []
        missing, doubtful, names = 0, 0, set[str]()
        for number, file in enumerate(files, start=1):
            progress("annotations", number, len(files))
            document = _read(source, file)
            split = split_of_file(file.path)
            categories = {each["id"]: clean_name(str(each["name"])) for each in document["categories"]}
            names |= set(categories.values())
            shown: dict[Any, set[str]] = {}
            for each in document["annotations"]:
                if each.get("category_id") in categories and (crowds == "yes" or not each.get("iscrowd")):
                    shown.setdefault(each.get("image_id"), set()).add(categories[each["category_id"]])
            for image in document["images"]:
                found = images.find(str(image.get("file_name", "")), file.path, split)
                if len(found) == 1:
                    label = tuple(sorted(shown.get(image.get("id"), ())))
                    rows.append({"key": found[0], "label": label, "split": split})
                elif found:
                    doubtful += 1
                else:
                    missing += 1
        if not rows:
            only = ", or the only one of its name" if doubtful else ""
            raise DatasetError(
                f"coco: none of the {counted(missing + doubtful, 'image')} of the annotations is below {source.root}"
                f"{only}; give the folder that holds both with --data"
            )
        present = sorted({name for row in rows for name in row["label"]})
        refuse_twins("categories", present)
        if len(present) < 2:
            raise DatasetError(f"coco: at least 2 categories must occur, but {source.root} shows {len(present)}")
        return Index(
            table=pd.DataFrame(rows, columns=["key", "label", "split"]).drop_duplicates("key", ignore_index=True),
            classes=tuple(present),
            task="multilabel",
            bad=source.bad_links,
            notes=_notes(missing, doubtful, len(names - set(present))),
        )


class _Images:
    """Finds the image files that annotations name.

    Args:
        paths: The image files.
    """

    def __init__(self, paths: Sequence[str]) -> None:
        self._paths = set(paths)
        self._by_name: dict[str, list[str]] = {}
        for path in paths:
            self._by_name.setdefault(PurePosixPath(path).name, []).append(path)

    def find(self, name: str, document: str, split: str | None) -> list[str]:
        """Returns the path of an image; none where there is none, several where it is not plain which one is meant.

        Args:
            name: Its name in the annotations.
            document: The path of the annotation file.
            split: The split that the annotation file states.
        """
        for candidate in (str(PurePosixPath(document).parent / name), name):
            if candidate in self._paths:
                return [candidate]
        called = self._by_name.get(PurePosixPath(name).name, [])
        # Splits number their images alike: those below folders of the same split are meant.
        same = [path for path in called if split in {split_of(part) for part in PurePosixPath(path).parts[:-1]}]
        return same if len(same) == 1 else called


def _annotation_files(source: Source) -> list[SourceFile]:
    if source.named is not None:
        return [file for file in source.files if file.path == source.named]
    found = [file for file in source.with_suffix(".json") if PurePosixPath(file.path).name.startswith("instances")]
    found = found or list(source.with_suffix(".json"))
    if not found:
        raise DatasetError(
            f"coco: --data must hold annotations such as instances_train2017.json, but {source.root} has no JSON file"
        )
    return found


def _read(source: Source, file: SourceFile) -> dict[str, Any]:
    """Reads one annotation file.

    Raises:
        DatasetError: It is no JSON document of COCO's form.
    """
    try:
        document: dict[str, Any] = json.loads((source.root / file.path).read_text(encoding="utf-8"))
    except (ValueError, RecursionError, OSError) as error:
        raise DatasetError(f"coco: {file.path} cannot be read: {str(error)[:200]}") from None
    lacking = [part for part in _PARTS if not isinstance(document, dict) or not isinstance(document.get(part), list)]
    if lacking:
        raise DatasetError(f"coco: {file.path} lacks the lists {', '.join(lacking)} of COCO's format")
    wrong = [each for each in document["categories"] if not isinstance(each, dict) or not {"id", "name"} <= each.keys()]
    entries = [*document["images"], *document["annotations"]]
    if wrong or not all(isinstance(each, dict) for each in entries):
        raise DatasetError(f"coco: {file.path} has a category without id and name, or an entry that is no object")
    return document


def _notes(missing: int, doubtful: int, unused: int) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(f"left out {counted(missing, 'annotated image')} that {'is' if missing == 1 else 'are'} not there")
    if doubtful:
        notes.append(f"left out {counted(doubtful, 'annotated image')} with the name of several files")
    if unused:
        notes.append(f"left out {counted(unused, 'category', 'categories')} that no image shows")
    return tuple(notes)
