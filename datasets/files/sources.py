"""The files that a data set is read from: a folder, one file, or an archive of either."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ...errors import DatasetError
from ..base import BadItem, Progress
from ..cache.entries import unpacked_folder
from ..cache.signatures import picture_kind
from .archives import is_archive, unpack

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".avif"}
    | {".heic", ".heif"}
)
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class SourceFile:
    """A file of a source."""

    path: str
    """Path relative to the root, with forward slashes."""
    size: int
    """Bytes."""
    modified_ns: int
    """Time of the last change of the content, in nanoseconds."""
    changed_ns: int
    """Time of the last change of content or metadata, in nanoseconds."""

    @property
    def is_image(self) -> bool:
        """Returns whether the name is that of an image file."""
        return PurePosixPath(self.path).suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, eq=False)
class Source:
    """The files that an adapter reads."""

    root: Path
    """An absolute folder that every file lies under."""
    named: str | None = None
    """The file in the root that the user gave; None when it was a folder or an archive."""
    alone: bool = False
    """The named file is the only one that belongs to the source."""

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """All files, clutter left out, sorted by path."""
        if self.named is not None and self.alone:
            return (_describe(self.named, (self.root / self.named).stat()),)
        return tuple(sorted(_walk(self.root, ""), key=lambda file: file.path))

    @cached_property
    def bad_links(self) -> tuple[BadItem, ...]:
        """Links that are not followed, since their targets lie outside the root or do not exist."""
        found = () if self.alone else _refused_links(self.root, "")
        return tuple(sorted(found, key=lambda item: item.where))

    @cached_property
    def images(self) -> tuple[SourceFile, ...]:
        """The files that are images by their names, and those whose first bytes are a picture's."""
        return tuple(file for file in self.files if file.is_image or picture_kind(self.root / file.path) is not None)

    def with_suffix(self, *suffixes: str) -> tuple[SourceFile, ...]:
        """The files whose names end with one of the suffixes, which are in lower case."""
        return tuple(file for file in self.files if file.path.lower().endswith(suffixes))

    def identity(self) -> str:
        """SHA-256 of names, sizes and times; it changes when a file does, though no file is read."""
        digest = hashlib.sha256(f"{self.root}\0{self.named}\n".encode(errors="replace"))
        for file in self.files:
            digest.update(f"{file.path}\0{file.size}\0{file.modified_ns}\0{file.changed_ns}\n".encode(errors="replace"))
        return digest.hexdigest()


def open_source(name: str, data: str | Path, *, beside: bool, progress: Progress) -> Source:
    """Finds the files of a data set; an archive is unpacked into the cache.

    Args:
        name: The data set, for messages.
        data: A folder, a file or an archive.
        beside: Files beside a single file belong to the source.
        progress: Called while an archive is unpacked.

    Raises:
        DatasetError: `data` does not exist, or is an archive that is refused.
    """
    path = Path(data).expanduser()
    if not path.exists():
        raise DatasetError(f"{name}: --data must be an existing file or folder, but got {path}")
    path = path.resolve()
    if path.is_dir():
        return Source(path)
    if is_archive(path):
        return Source(unpacked_folder(path, lambda folder: unpack(path, folder, progress)))
    return Source(path.parent, named=path.name, alone=not beside)


def _walk(folder: Path, prefix: str) -> Iterator[SourceFile]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_clutter(entry.name):
                continue
            path = prefix + entry.name
            if entry.is_dir(follow_symlinks=False):
                yield from _walk(Path(entry.path), path + "/")
            elif entry.is_file() and not _leaves(entry, prefix):
                yield _describe(path, entry.stat())


def _refused_links(folder: Path, prefix: str) -> Iterator[BadItem]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_clutter(entry.name):
                continue
            if entry.is_symlink():
                if not Path(entry.path).exists():
                    yield BadItem(prefix + entry.name, "a link to nothing")
                elif entry.is_dir() or _leaves(entry, prefix):
                    yield BadItem(prefix + entry.name, "a link that leads out of the folder")
            elif entry.is_dir():
                yield from _refused_links(Path(entry.path), prefix + entry.name + "/")


def _leaves(entry: os.DirEntry[str], prefix: str) -> bool:
    """Returns whether an entry links to a place outside the root, which lies `prefix` above the entry."""
    if not entry.is_symlink():
        return False
    root = Path(entry.path).parents[prefix.count("/")]
    return not Path(entry.path).resolve().is_relative_to(root)


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _CLUTTER


def _describe(path: str, status: os.stat_result) -> SourceFile:
    return SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
