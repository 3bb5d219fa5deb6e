"""Splits that files beside the images state: lists of each split's images, a list of all with their splits, or names.

Food-101 has `meta/train.txt` and `meta/test.txt`, CelebA a number per image in `list_eval_partition.txt`,
CUB-200-2011 `train_test_split.txt` with numbers of images, RAF-DB files that are called `train_1.jpg` and `test_1.jpg`.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import PurePosixPath

from ...text import counted, some_of
from ..files.sources import Source
from ..names import PARTITION_NAMES, SPLIT_NAMES
from .image_lists import LARGEST_LIST_BYTES, ImageNames, first_words, lines_of
from .split_folders import are_stated, split_of

# Lists that name fewer of their lines' images are about something else, as are lists of few of the images.
_LEAST_FOUND = 0.9
_LEAST_LISTED = 0.5
_FILES_SHOWN = 6
# Lists of the images that are not for testing, such as VOC's `trainval.txt` and ChestX-ray14's `train_val_list.txt`.
_JOINT = re.compile(r"train[ _-]?val(?:id(?:ation)?)?(?![a-z])", re.IGNORECASE)
# A file with a split per image.
_PARTITION = re.compile(r"(?:^|[^a-z])partitions?(?:[^a-z]|$)", re.IGNORECASE)
# CUB-200-2011's file, whose numbers of images another one explains.
_NUMBERED, _NUMBERS = "train_test_split.txt", "images.txt"
_NUMBERED_WORDS = {"1": "train", "0": "test"}
_NAMED = re.compile(r"(train|test|val|valid|validation)[ _-]", re.IGNORECASE)


@dataclass(frozen=True)
class ListedSplits:
    """The splits that are stated."""

    splits: list[str | None]
    """The split of each image; None for one that no list names, and for all where what is stated cannot be used."""
    notes: tuple[str, ...]
    """Lines that the user should read."""


@dataclass(frozen=True)
class _List:
    """A list of the images of one split."""

    file: str
    split: str
    images: frozenset[str]

    @property
    def joint(self) -> bool:
        """Tells that it names the images for training and for validation."""
        return _is_joint(PurePosixPath(self.file).stem)

    @cached_property
    def number(self) -> str:
        """The number that its name ends with, as where there are several divisions; empty without any."""
        found = re.search(r"\d+$", PurePosixPath(self.file).stem)
        return found[0] if found else ""


def find_listed_splits(source: Source, paths: Sequence[str]) -> ListedSplits | None:
    """Returns the splits that files beside the images, or the images' own names, state; None where none do.

    A list of a split is a text file whose name says the split, with one image per line: a path or a file's name, with
    or without its suffix; what follows a space does not matter. Of lists that divide the images several times, such as
    `train1.txt` and `train2.txt`, those with the lowest number count.

    Args:
        source: The files.
        paths: The images.
    """
    known = ImageNames(paths)
    return _partition(source, paths, known) or _lists(source, paths, known) or _in_names(paths)


def _lists(source: Source, paths: Sequence[str], known: ImageNames) -> ListedSplits | None:
    lists = _without_joint(list(_split_lists(source, known)))
    if not _divide(lists):
        return None
    divided, notes = _of_images(lists), []
    if divided is None:
        numbers = sorted({each.number for each in lists if each.number}, key=int)
        chosen = [each for each in lists if numbers and each.number == numbers[0]]
        divided = _of_images(chosen) if _divide(chosen) else None
        if divided is None:
            return _unusable(lists, paths)
        notes.append(f"the images are divided {counted(len(numbers), 'time')}; the division {numbers[0]} counts")
        lists = chosen
    return _stated(divided, paths, sorted(each.file for each in lists), notes)


def _split_lists(source: Source, known: ImageNames) -> Iterator[_List]:
    for file in source.with_suffix(".txt"):
        stem = PurePosixPath(file.path).stem
        split = "train" if _is_joint(stem) else split_of(stem)
        if split is None or file.size > LARGEST_LIST_BYTES:
            continue
        images = [known.find(line) for line in lines_of(source, file.path)]
        named = frozenset(image for image in images if image is not None)
        if images and sum(image is not None for image in images) >= _LEAST_FOUND * len(images):
            yield _List(file.path, split, named)


def _is_joint(stem: str) -> bool:
    return _JOINT.search(stem) is not None


def _without_joint(lists: Sequence[_List]) -> list[_List]:
    """Leaves out lists of images for training and validation together where other lists tell them apart."""
    apart = any(each.split == "train" and not each.joint for each in lists)
    return [each for each in lists if not (each.joint and apart)]


def _divide(lists: Sequence[_List]) -> bool:
    splits = {each.split for each in lists}
    return "train" in splits and len(splits) > 1


def _of_images(lists: Sequence[_List]) -> dict[str, str] | None:
    """Returns the split of each image; None where an image is in two."""
    splits: dict[str, str] = {}
    for each in lists:
        for image in each.images:
            if splits.setdefault(image, each.split) != each.split:
                return None
    return splits


def _unusable(lists: Sequence[_List], paths: Sequence[str]) -> ListedSplits | None:
    """Returns a word on lists that contradict each other, where they are about these images."""
    if len(frozenset().union(*(each.images for each in lists))) < _LEAST_LISTED * len(paths):
        return None
    files = some_of(sorted(each.file for each in lists), _FILES_SHOWN)
    return ListedSplits(
        [None for _ in paths], (f"{files} list images in two splits, so splits are not taken from them",)
    )


def _partition(source: Source, paths: Sequence[str], known: ImageNames) -> ListedSplits | None:
    """Returns the splits that a file with an image and its split per line states."""
    for file in source.with_suffix(".txt", ".csv"):
        plain = PurePosixPath(file.path)
        if file.size > LARGEST_LIST_BYTES:
            continue
        if plain.name == _NUMBERED:
            numbers = first_words(source, str(plain.with_name(_NUMBERS)))
            pairs = {numbers.get(number, ""): word for number, word in first_words(source, file.path).items()}
            words: Mapping[str, str] = _NUMBERED_WORDS
        elif _PARTITION.search(plain.stem):
            pairs, words = first_words(source, file.path), PARTITION_NAMES
        else:
            continue
        splits = {
            image: words[word.lower()]
            for name, word in pairs.items()
            if word.lower() in words and (image := known.find(name)) is not None
        }
        if len(splits) >= _LEAST_FOUND * len(pairs) and len(set(splits.values())) > 1:
            return _stated(splits, paths, [file.path], ())
    return None


def _stated(
    splits: Mapping[str, str], paths: Sequence[str], files: Sequence[str], notes: Sequence[str]
) -> ListedSplits | None:
    if len(splits) < _LEAST_LISTED * len(paths):
        return None
    told = [f"splits are those that {some_of(files, _FILES_SHOWN)} {'state' if len(files) > 1 else 'states'}", *notes]
    missing = sum(path not in splits for path in paths)
    if missing:
        told.append(f"left out {counted(missing, 'image')} that no list of a split names")
    return ListedSplits([splits.get(path) for path in paths], tuple(told))


def _in_names(paths: Sequence[str]) -> ListedSplits | None:
    """Returns the splits that the name of every image begins with."""
    found = [_NAMED.match(PurePosixPath(path).name) for path in paths]
    splits = [None if match is None else SPLIT_NAMES[match[1].lower()] for match in found]
    if not are_stated(splits):
        return None
    return ListedSplits(list(splits), ("splits are those that the names of the files begin with",))
