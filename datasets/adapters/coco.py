"""COCO's annotations of objects, read as several labels per image: the categories that an image shows."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DatasetError
from ...text import counted
from ..base import Index, Progress
from ..files.sources import Source, SourceFile
from .label_names import clean_name, refuse_twins
from .split_folders import split_of

_PARTS = ("images", "annotations", "categories")


class CocoAdapter:
    """Reads data sets in the format of COCO's object detection: JSON files beside folders of images."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of all annotation files; a file whose name says train, val or test states that split.

        Options:
            crowds: yes to count annotations of crowds (`iscrowd`) as well; no by default.
        """
        import pandas as pd

        crowds = options.get("crowds", "no")
        if crowds not in ("yes", "no"):
            raise DatasetError(f"coco: option crowds must be yes or no, but got '{crowds}'")
        files = _annotation_files(source)
        by_path = {file.path: file.path for file in source.images}
        by_name = {PurePosixPath(path).name: path for path in by_path}
        rows: list[dict[str, Any]] = []
        missing, names = 0, set[str]()
        for number, file in enumerate(files, start=1):
            progress("annotations", number, len(files))
            document = _read(source, file)
            split = split_of(PurePosixPath(file.path).stem)
            categories = {each["id"]: clean_name(str(each["name"])) for each in document["categories"]}
            names |= set(categories.values())
            shown: dict[Any, set[str]] = {}
            for each in document["annotations"]:
                if each.get("category_id") in categories and (crowds == "yes" or not each.get("iscrowd")):
                    shown.setdefault(each.get("image_id"), set()).add(categories[each["category_id"]])
            for image in document["images"]:
                path = str(image.get("file_name", ""))
                key = by_path.get(path) or by_name.get(PurePosixPath(path).name)
                if key is None:
                    missing += 1
                else:
                    rows.append({"key": key, "label": tuple(sorted(shown.get(image.get("id"), ()))), "split": split})
        if not rows:
            raise DatasetError(
                f"coco: none of the {counted(missing, 'image')} of the annotations is below {source.root}; give the "
                "folder that holds both with --data"
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
            notes=_notes(missing, len(names - set(present))),
        )


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


def _notes(missing: int, unused: int) -> tuple[str, ...]:
    notes = []
    if missing:
        notes.append(f"left out {counted(missing, 'annotated image')} that {'is' if missing == 1 else 'are'} not there")
    if unused:
        notes.append(f"left out {counted(unused, 'category', 'categories')} that no image shows")
    return tuple(notes)
