"""PASCAL VOC: photographs with XML annotations and lists of splits; several labels per image."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from typing import Any

from ...errors import DatasetError, SettingError
from ...text import counted
from ..base import BadItem, Index, Progress
from ..files.sources import Source
from .label_names import refuse_twins
from .split_folders import are_stated, split_above
from .voc_annotation import AnnotatedObject, Annotation, AnnotationError, read_annotation

_LISTS = {"train": "train", "val": "validation", "test": "test"}
_NAMES_SHOWN = 3
_CHOICES = {"difficult": ("ignore", "keep"), "objects": ("each", "largest"), "all-images": ("no", "yes")}


@dataclass
class _Files:
    """The files of one VOC folder: paths relative to the source, by file name without suffix."""

    annotations: dict[str, str] = field(default_factory=dict)
    images: dict[str, str] = field(default_factory=dict)
    lists: dict[str, str] = field(default_factory=dict)
    """Lists of the images in a split."""
    splits: dict[str, str] = field(default_factory=dict)
    """The splits of images by their paths, where folders state them."""


class VocAdapter:
    """Reads the data sets of the PASCAL VOC challenge."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the annotated images.

        Where there are no folders Annotations and JPEGImages, an annotation and an image of one name belong together,
        and folders named like splits state them.

        Options:
            difficult: ignore (default) or keep objects marked difficult.
            objects: each (default) for every class present; largest for the class of the largest object alone.
            all-images: no (default) for the images in the lists of splits; yes for all annotated images, with new
                splits.
        """
        import pandas as pd

        chosen = _choices(options)
        files = _find_files(source)
        bad = list(source.bad_links)
        rows, missing = _read_rows(source.root, files, chosen, bad, progress)
        notes = _pairing_notes(files, rows, missing)
        if chosen["all-images"] == "no" and (lists := _stated_lists(files.lists)):
            rows, list_notes = _by_lists(source.root, lists, rows)
            notes += list_notes
        elif chosen["all-images"] == "no" and files.splits:
            rows = [{**row, "split": files.splits[row["key"]]} for row in rows]
        classes = sorted({label for row in rows for label in row["label"]})
        columns = ["key", "label", "split"]
        if chosen["objects"] == "each":
            notes += _keep_masks_of(classes, rows)
            columns += ["masked"] if any(row["masked"] for row in rows) else []
        if chosen["objects"] == "largest":
            rows = [{**row, "label": row["label"][0]} for row in rows if row["label"]]
        else:
            unlabelled = sum(not row["label"] for row in rows)
            notes += [counted(unlabelled, "image has no label", "images have no label")] if unlabelled else []
        refuse_twins("classes", classes)
        if not rows or len(classes) < 2:
            reason = f"; {bad[0].where}: {bad[0].reason}" if bad else ""
            raise DatasetError(
                f"voc2012: --data must hold at least 2 classes, but {source.root} holds {len(classes)}{reason}"
            )
        single = "binary" if len(classes) == 2 else "multiclass"
        return Index(
            table=pd.DataFrame(rows, columns=columns),
            classes=tuple(classes),
            task="multilabel" if chosen["objects"] == "each" else single,  # type: ignore[arg-type]
            bad=tuple(bad),
            notes=tuple(notes),
        )


def _choices(options: Mapping[str, str]) -> dict[str, str]:
    chosen = {name: options.get(name, values[0]) for name, values in _CHOICES.items()}
    for name, value in chosen.items():
        if value not in _CHOICES[name]:
            raise SettingError(f"voc2012: option {name} must be {' or '.join(_CHOICES[name])}, but got '{value}'")
    return chosen


def _find_files(source: Source) -> _Files:
    """Finds the files of the one VOC folder in a source.

    Raises:
        DatasetError: There is no such folder, or more than one.
    """
    folders: dict[PurePosixPath, _Files] = {}
    for file in source.files:
        path = PurePosixPath(file.path)
        kind = path.parent.name.lower()
        if kind == "annotations" and path.suffix.lower() == ".xml":
            folders.setdefault(path.parent.parent, _Files()).annotations[path.stem] = file.path
        elif kind == "jpegimages" and file.is_image:
            folders.setdefault(path.parent.parent, _Files()).images[path.stem] = file.path
        elif kind == "main" and path.suffix == ".txt" and path.stem in (*_LISTS, "trainval"):
            folders.setdefault(path.parent.parent.parent, _Files()).lists[path.stem] = file.path
    complete = {str(folder): files for folder, files in folders.items() if files.annotations and files.images}
    if not complete and (paired := _paired_files(source)) is not None:
        return paired
    if not complete:
        raise DatasetError(
            f"voc2012: --data must hold the folders Annotations and JPEGImages, but {source.root} does not"
        )
    if len(complete) > 1:
        raise DatasetError(
            f"voc2012: --data holds several data sets; give one of these folders: {', '.join(sorted(complete))}"
        )
    return next(iter(complete.values()))


def _paired_files(source: Source) -> _Files | None:
    """Pairs annotations with images of the same name, as tools export them; None where there are no pairs.

    Raises:
        DatasetError: Several images or annotations of a split have one name.
    """
    files = _Files()
    splits: dict[str, str | None] = {}
    for file in source.files:
        path = PurePosixPath(file.path)
        found = files.annotations if path.suffix.lower() == ".xml" else files.images if file.is_image else None
        if found is None:
            continue
        split = split_above(path.parts[:-1])
        name = f"{split}/{path.stem}" if split else path.stem
        if (twin := found.setdefault(name, file.path)) != file.path:
            raise DatasetError(
                f"voc2012: annotations and images must have names of their own, but {twin} and {file.path} share one; "
                "give a folder that holds one of them with --data"
            )
        if file.is_image:
            splits[file.path] = split
    if not files.annotations.keys() & files.images.keys():
        return None
    if are_stated(splits.values()):
        files.splits = {path: split for path, split in splits.items() if split is not None}
    return files


def _read_rows(
    root: Path, files: _Files, chosen: Mapping[str, str], bad: list[BadItem], progress: Progress
) -> tuple[list[dict[str, Any]], list[str]]:
    """One row per annotated image, and the annotations that have no image. Bad annotations are added to `bad`."""
    rows: list[dict[str, Any]] = []
    missing: list[str] = []
    named = Counter(PurePosixPath(path).name for path in files.images.values())
    by_name = {name: path for path in files.images.values() if named[name := PurePosixPath(path).name] == 1}
    taken: dict[str, str] = {}
    for number, (stem, path) in enumerate(sorted(files.annotations.items()), start=1):
        progress("annotations", number, len(files.annotations))
        try:
            annotation = read_annotation(root / path)
        except AnnotationError as error:
            bad.append(BadItem(path, str(error)))
            continue
        # The annotation's own name decides, since tools often write one <filename> into all annotations.
        image = files.images.get(stem) or by_name.get(annotation.filename)
        if image is None:
            missing.append(stem)
        elif (twin := taken.setdefault(image, path)) != path:
            bad.append(BadItem(path, f"a second annotation of {image}, after {twin}"))
        else:
            labels = _labels(annotation, chosen)
            difficult = {each.name for each in annotation.objects} - set(labels)
            rows.append({"key": image, "label": labels, "split": None, "masked": tuple(sorted(difficult))})
    return rows, missing


def _labels(annotation: Annotation, chosen: Mapping[str, str]) -> tuple[str, ...]:
    objects: Sequence[AnnotatedObject] = annotation.objects
    if chosen["difficult"] == "ignore":
        objects = [each for each in objects if not each.difficult]
    if chosen["objects"] == "largest":
        return (max(objects, key=lambda each: each.area).name,) if objects else ()
    return tuple(sorted({each.name for each in objects}))


def _keep_masks_of(classes: Sequence[str], rows: list[dict[str, Any]]) -> list[str]:
    """Masks the classes that are only difficult in an image, as the challenge does, and says how many there are."""
    for row in rows:
        row["masked"] = tuple(name for name in row["masked"] if name in classes)
    masked = sum(len(row["masked"]) for row in rows)
    what = "is difficult and neither counts nor teaches", "are difficult and neither count nor teach"
    return [counted(masked, f"label {what[0]}", f"labels {what[1]}")] if masked else []


def _pairing_notes(files: _Files, rows: Sequence[Mapping[str, Any]], missing: Sequence[str]) -> list[str]:
    annotated = {row["key"] for row in rows}
    plain = [path for stem, path in files.images.items() if path not in annotated and stem not in files.annotations]
    notes = [_named(plain, "image has no annotation", "images have no annotation")] if plain else []
    return notes + ([_named(missing, "annotation has no image", "annotations have no image")] if missing else [])


def _stated_lists(lists: Mapping[str, str]) -> dict[str, str]:
    """Returns the lists of splits by split: those of `_LISTS`, or else of what is for testing and what is not."""
    if "train" in lists:
        return {split: lists[name] for name, split in _LISTS.items() if name in lists}
    if "trainval" in lists and "test" in lists:
        return {"train": lists["trainval"], "test": lists["test"]}
    return {}


def _by_lists(
    root: Path, lists: Mapping[str, str], rows: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], list[str]]:
    """Keeps the images that a list names, each in the split of its list; an image in two lists belongs to the later."""
    split_of: dict[str, str] = {}
    for split, path in lists.items():
        split_of |= dict.fromkeys(_read_list(root / path), split)
    listed = [{**row, "split": split_of[stem]} for row in rows if (stem := _stem(row["key"])) in split_of]
    unlisted = [row["key"] for row in rows if _stem(row["key"]) not in split_of]
    if not listed:
        raise DatasetError(
            "voc2012: the lists of ImageSets/Main name none of the images; take all images with --all-images"
        )
    absent = sorted(set(split_of) - {_stem(row["key"]) for row in rows})
    notes = []
    if unlisted:
        where = "no list of ImageSets/Main and left out"
        notes.append(_named(unlisted, f"image is in {where}", f"images are in {where}"))
    if absent:
        notes.append(_named(absent, "listed image is missing", "listed images are missing"))
    return listed, notes


def _read_list(path: Path) -> list[str]:
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return [line.split()[0] for line in lines if line.strip()]


def _stem(path: str) -> str:
    return PurePosixPath(path).stem


def _named(names: Sequence[str], one: str, many: str) -> str:
    """Returns the number of names with its noun, and the first of the names."""
    more = ", ..." if len(names) > _NAMES_SHOWN else ""
    return f"{counted(len(names), one, many)}: {', '.join(names[:_NAMES_SHOWN])}{more}"
