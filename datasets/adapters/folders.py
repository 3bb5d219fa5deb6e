"""Reads data sets with one folder of images per class."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import DatasetError
from ...text import counted
from ..base import Index, Progress
from ..files.sources import Source
from .label_names import clean_name, refuse_twins
from .split_folders import find_layout, strip_common

if TYPE_CHECKING:
    import pandas as pd


@dataclass(frozen=True, eq=False)
class Listing:
    """The images in class folders."""

    table: pd.DataFrame
    """One row per image, with the columns `key`, `label` and `split` of an `Index`."""
    notes: tuple[str, ...]
    """Lines that the user should read."""


class FoldersAdapter:
    """Reads one folder of images per class, with or without split folders above them."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images in the class folders; two classes make a binary task.

        Options:
            classes: The classes to keep, separated by commas.
            positive: The positive class of a binary task; by default the second in the alphabet.
            labels: repeated for several labels per image, by copies of its file in several class folders; nested for
                one label per folder on the way to the image. One label per image by default.
        """
        if "labels" in options:
            return _several_labels(source, options)
        listing = list_class_folders(source)
        table, notes = keep_classes(listing.table, options.get("classes"), "folders")
        classes = sort_classes(table["label"])
        if len(classes) < 2:
            raise DatasetError(f"folders: --data must hold at least two class folders, but holds only '{classes[0]}'")
        if len(classes) == 2:
            classes = with_positive("folders", classes, options.get("positive"))
        elif "positive" in options:
            raise DatasetError(
                f"folders: --positive needs exactly 2 classes, but got {len(classes)}; choose two with --classes A,B"
            )
        return Index(
            table=table,
            classes=classes,
            task="binary" if len(classes) == 2 else "multiclass",
            bad=source.bad_links,
            notes=(*listing.notes, *notes),
        )


def _several_labels(source: Source, options: Mapping[str, str]) -> Index:
    """Lists images with several labels each.

    Raises:
        DatasetError: The option's value is unknown, or there are fewer than two labels.
    """
    import pandas as pd

    way = options["labels"]
    if way not in ("repeated", "nested"):
        raise DatasetError(f"folders: option labels must be repeated or nested, but got '{way}'")
    if others := sorted(options.keys() & {"positive", "classes"}):
        raise DatasetError(
            f"folders: --{others[0]} is for one label per image; leave it out with --option labels={way}"
        )
    if way == "repeated":
        table = list_class_folders(source).table
        table["content"] = [_content(source.root / key) for key in table["key"]]
        together = table.groupby(["content", table["split"].fillna("")], sort=False)
        rows = [
            (group["key"].iloc[0], tuple(sorted(set(group["label"]))), group["split"].iloc[0]) for _, group in together
        ]
    else:
        paths = [file.path for file in source.images if "/" in file.path]
        folders = strip_common([tuple(path.split("/")[:-1]) for path in paths])
        rows = [
            (path, tuple(sorted({clean_name(part) for part in parts})), None)
            for path, parts in zip(paths, folders, strict=True)
        ]
    classes = sort_classes([name for _, names, _ in rows for name in names])
    refuse_twins("class folders", classes)
    if len(classes) < 2:
        raise DatasetError(
            f"folders: --data must hold at least two class folders, but {source.root} holds {len(classes)}"
        )
    return Index(
        table=pd.DataFrame(rows, columns=["key", "label", "split"]),
        classes=classes,
        task="multilabel",
        bad=source.bad_links,
    )


def _content(path: Path) -> str:
    """Returns the SHA-256 of a file's content, in hexadecimal."""
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while piece := file.read(2**20):
            digest.update(piece)
    return digest.hexdigest()


def list_class_folders(source: Source) -> Listing:
    """Finds the class folders at any depth, and ready-made split folders above or below them.

    Raises:
        DatasetError: There are no images, they lie in no folders, or some folders are neither classes nor splits.
    """
    import pandas as pd

    paths = [file.path for file in source.images]
    inside = [path for path in paths if "/" in path]
    if not inside:
        found = f"{counted(len(paths), 'image')} without a folder" if paths else "no images"
        raise DatasetError(f"--data must hold one folder of images per class, but {source.root} holds {found}")
    layout = find_layout([tuple(path.split("/")[:-1]) for path in inside])
    rows = [
        (path, clean_name(parts[0]), split)
        for path, parts, split in zip(inside, layout.folders, layout.splits, strict=True)
        if parts
    ]
    loose = len(paths) - len(rows) - layout.left_out
    if not rows:
        raise DatasetError(
            f"--data must hold one folder of images per class, but {source.root} holds only split folders"
        )
    notes = (f"left out {counted(loose, 'image')} outside the class folders",) if loose else ()
    table = pd.DataFrame(rows, columns=["key", "label", "split"])
    refuse_twins("class folders", set(table["label"]))
    return Listing(table, (*layout.notes, *notes))


def keep_classes(table: pd.DataFrame, wanted: str | None, name: str) -> tuple[pd.DataFrame, tuple[str, ...]]:
    """Keeps the images of some classes.

    Args:
        table: Images with the columns of an `Index`.
        wanted: Names of the classes to keep, separated by commas; None for all.
        name: The data set, for messages.

    Returns:
        The rows kept, and a note on those left out.

    Raises:
        DatasetError: A class to keep is not among the labels.
    """
    if wanted is None:
        return table, ()
    present = set(table["label"])
    keep = [label.strip() for label in wanted.split(",") if label.strip()]
    for label in keep:
        if label not in present:
            raise DatasetError(
                f"{name}: --classes has no class '{label}' to keep; the classes are {', '.join(sorted(present))}"
            )
    kept = table[table["label"].isin(keep)].reset_index(drop=True)
    return kept, (
        f"--classes kept {len(set(keep))} of {counted(len(present), 'class', 'classes')}, "
        f"{len(kept)} of {counted(len(table), 'image')}",
    )


def sort_classes(labels: Iterable[str]) -> tuple[str, ...]:
    """Sorts labels alphabetically; case decides only between names that are otherwise equal."""
    return tuple(sorted(set(labels), key=lambda label: (label.casefold(), label)))


def with_positive(name: str, classes: tuple[str, ...], positive: str | None) -> tuple[str, ...]:
    """Puts the positive class second.

    Args:
        name: The data set, for the message.
        classes: The two classes.
        positive: The positive class; None to leave the order as it is.

    Raises:
        DatasetError: `positive` is neither class.
    """
    if positive is None or positive == classes[1]:
        return classes
    if positive != classes[0]:
        raise DatasetError(f"{name}: --positive must be '{classes[0]}' or '{classes[1]}', but got '{positive}'")
    return classes[1], classes[0]
