"""Classes that a list states for split folders that hold images without class folders.

Tiny ImageNet's `val/images` is explained by `val/val_annotations.txt`, ImageNet's `val` by `LOC_val_solution.csv`: a
line per image, with the name of a class folder of the training images.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

from ...text import counted
from ..files.sources import Source
from .image_lists import LARGEST_LIST_BYTES, ImageNames, first_words
from .split_folders import Parts, split_above, split_of, split_of_file

# A list that names fewer of the images, or fewer known classes, is about something else.
_LEAST_LABELLED = 0.9


def with_listed_classes(source: Source, paths: Sequence[str]) -> tuple[list[Parts], tuple[str, ...]]:
    """Returns the folders of each image, as if images that a list labels lay in folders of their classes.

    Args:
        source: The files.
        paths: The images.

    Returns:
        The folders, outermost first, and lines that the user should read.
    """
    folders = [tuple(path.split("/")[:-1]) for path in paths]
    # There are far fewer folders than images.
    splits = {parts: split_above(parts) for parts in set(folders)}
    classes = _differing([parts for parts, split in splits.items() if split == "train"])
    flat = {
        parts: split
        for parts, split in splits.items()
        if split not in (None, "train") and not classes.intersection(parts)
    }
    if not classes or not flat:
        return folders, ()
    rows = {path: row for row, path in enumerate(paths) if folders[row] in flat}
    notes: list[str] = []
    for split in sorted({split or "" for split in flat.values()}):
        images = [path for path, row in rows.items() if splits[folders[row]] == split]
        file, labels = _list_of(source, images, split, classes)
        for path, label in labels.items():
            folders[rows[path]] = _in_class(folders[rows[path]], label)
        if file:
            notes.append(f"the classes of {counted(len(labels), 'image')} for {split} are those that {file} states")
    return folders, tuple(notes)


def _differing(folders: Sequence[Parts]) -> set[str]:
    """Returns the names that some of the folders have above or as their own, and others do not."""
    counts = Counter(name for parts in folders for name in set(parts) if split_of(name) is None)
    return {name for name, count in counts.items() if count < len(folders)}


def _list_of(source: Source, flat: Sequence[str], split: str, classes: Collection[str]) -> tuple[str, dict[str, str]]:
    """Returns the list that labels the images of a split, and their classes; empty if there is none."""
    known = ImageNames(flat)
    for file in source.with_suffix(".txt", ".csv"):
        if file.size > LARGEST_LIST_BYTES or split_of_file(file.path) != split:
            continue
        pairs = first_words(source, file.path).items()
        labels = {image: label for name, label in pairs if label in classes and (image := known.find(name)) is not None}
        if len(labels) >= _LEAST_LABELLED * len(flat):
            return file.path, labels
    return "", {}


def _in_class(folders: Parts, label: str) -> Parts:
    """Returns the folders of an image down to the split, and then its class."""
    depth = next(depth for depth, name in enumerate(folders, start=1) if split_of(name) is not None)
    return (*folders[:depth], label)
