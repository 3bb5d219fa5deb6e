"""Splits that lists of images state beside class folders, such as Food-101's `meta/train.txt` and `meta/test.txt`."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from ...text import counted
from ..files.sources import Source
from .split_folders import split_of

_LARGEST_BYTES = 64 << 20
# Lists that name fewer of their lines' images are about something else, as are lists of few of the images.
_LEAST_FOUND = 0.9
_LEAST_LISTED = 0.5


@dataclass(frozen=True)
class ListedSplits:
    """The splits that lists state."""

    splits: list[str | None]
    """The split of each image; None for one that no list names."""
    notes: tuple[str, ...]
    """Lines that the user should read."""


@dataclass
class _Found:
    """The lists of one split, and the images that they name."""

    files: list[str] = field(default_factory=list)
    images: set[str] = field(default_factory=set)


def find_listed_splits(source: Source, paths: Sequence[str]) -> ListedSplits | None:
    """Returns the splits that text files state; None where there are no such lists, or they contradict each other.

    A list is a text file whose name says a split, with one image per line: a path or a file's name, with or without its
    suffix; what follows a space does not matter.

    Args:
        source: The files.
        paths: The images.
    """
    known = _Names(paths)
    found: dict[str, _Found] = {}
    for file in source.with_suffix(".txt"):
        split = split_of(PurePosixPath(file.path).stem)
        if split is None or file.size > _LARGEST_BYTES:
            continue
        images = [known.find(line) for line in _lines(source, file.path)]
        named = [image for image in images if image is not None]
        if not images or len(named) < _LEAST_FOUND * len(images):
            continue
        part = found.setdefault(split, _Found())
        part.files.append(file.path)
        part.images.update(named)
    if "train" not in found or len(found) < 2:
        return None
    listed = {image: split for split, part in found.items() for image in part.images}
    if len(listed) < sum(len(part.images) for part in found.values()) or len(listed) < _LEAST_LISTED * len(paths):
        return None
    files = ", ".join(name for part in found.values() for name in part.files[:2])
    notes = [f"splits are those that {files} state"]
    if len(listed) < len(paths):
        notes.append(f"left out {counted(len(paths) - len(listed), 'image')} that no list of a split names")
    return ListedSplits([listed.get(path) for path in paths], tuple(notes))


def _lines(source: Source, path: str) -> Iterator[str]:
    with (source.root / path).open(encoding="utf-8-sig", errors="replace") as file:
        for line in file:
            if text := line.strip():
                yield text


class _Names:
    """Finds images by what a list calls them."""

    def __init__(self, paths: Sequence[str]) -> None:
        self._by_name: dict[str, str | None] = {}
        for path in paths:
            plain = PurePosixPath(path)
            parts = plain.parts
            for start in range(len(parts)):
                tail = "/".join(parts[start:])
                for name in (tail, str(PurePosixPath(tail).with_suffix(""))):
                    # A name of several images is none.
                    self._by_name[name] = path if self._by_name.get(name, path) == path else None

    def find(self, line: str) -> str | None:
        for text in (line, line.split()[0]):
            name = text.replace("\\", "/").removeprefix("./").lstrip("/")
            while name:
                if name in self._by_name:
                    return self._by_name[name]
                _, _, name = name.partition("/")
        return None
