"""Where a data set's files lie: a folder, one file, or an archive of either."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path, PurePosixPath

from ...errors import DatasetError
from ..base import Progress
from ..cache.entries import unpacked_folder
from .archives import is_archive, unpack

IMAGE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".gif", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm"}
)
_CLUTTER = frozenset({"thumbs.db", "desktop.ini", "__macosx"})


@dataclass(frozen=True)
class SourceFile:
    """A file of a source. path: relative to the root, with forward slashes. changed_ns: of content or metadata."""

    path: str
    size: int
    modified_ns: int
    changed_ns: int

    @property
    def is_image(self) -> bool:
        return PurePosixPath(self.path).suffix.lower() in IMAGE_SUFFIXES


@dataclass(frozen=True, eq=False)
class Source:
    """The files an adapter reads. root: an absolute folder; every file lies under it.

    named: the file that the user named, if it was one. alone: the other files of the folder are none of ours.
    """

    root: Path
    named: str | None = None
    alone: bool = False

    @cached_property
    def files(self) -> tuple[SourceFile, ...]:
        """All files, clutter left out, sorted by path."""
        if self.named is not None and self.alone:
            return (_describe(self.named, (self.root / self.named).stat()),)
        return tuple(sorted(_walk(self.root, ""), key=lambda file: file.path))

    @cached_property
    def links(self) -> tuple[str, ...]:
        """Links whose targets lie outside the root; they are not followed."""
        return tuple(sorted(_outward_links(self.root, ""))) if not self.alone else ()

    @property
    def images(self) -> tuple[SourceFile, ...]:
        return tuple(file for file in self.files if file.is_image)

    def with_suffix(self, *suffixes: str) -> tuple[SourceFile, ...]:
        """Files whose lower-case names end so."""
        return tuple(file for file in self.files if file.path.lower().endswith(suffixes))

    def identity(self) -> str:
        """SHA-256 over names, sizes and times: changes when a file does, without reading any."""
        digest = hashlib.sha256(f"{self.root}\0{self.named}\n".encode(errors="replace"))
        for file in self.files:
            digest.update(f"{file.path}\0{file.size}\0{file.modified_ns}\0{file.changed_ns}\n".encode(errors="replace"))
        return digest.hexdigest()


def open_source(name: str, data: str | Path | None, *, beside: bool, progress: Progress) -> Source:
    """The files under what the user named: a folder, a file, or an archive, which is unpacked into the cache.

    beside: whether the files beside a single file belong to it. Raises DatasetError when there
    is nothing, or the archive is refused.
    """
    if data is None:
        raise DatasetError(f"{name} needs its files: --data PATH (apertune datasets fetch {name} gets them)")
    path = Path(data).expanduser()
    if not path.exists():
        raise DatasetError(f"{name}: no such file or folder: {path}")
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


def _outward_links(folder: Path, prefix: str) -> Iterator[str]:
    with os.scandir(folder) as entries:
        for entry in entries:
            if _is_clutter(entry.name):
                continue
            if entry.is_symlink():
                if entry.is_dir() or _leaves(entry, prefix):
                    yield prefix + entry.name
            elif entry.is_dir():
                yield from _outward_links(Path(entry.path), prefix + entry.name + "/")


def _leaves(entry: os.DirEntry[str], prefix: str) -> bool:
    """Whether an entry is a link to somewhere outside the root, which lies `prefix` above the entry."""
    if not entry.is_symlink():
        return False
    root = Path(entry.path).parents[prefix.count("/")]
    return not Path(entry.path).resolve().is_relative_to(root)


def _is_clutter(name: str) -> bool:
    return name.startswith(".") or name.lower() in _CLUTTER


def _describe(path: str, status: os.stat_result) -> SourceFile:
    return SourceFile(path, status.st_size, status.st_mtime_ns, status.st_ctime_ns)
