"""Unpacks archives that may be hostile: nothing leaves the folder, no links, no bombs.

Known kinds: zip, tar (also gz, bz2, xz), and single files compressed with gz, bz2 or xz.
"""

from __future__ import annotations

import bz2
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ...errors import DatasetError
from ..base import Progress

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz")
# The largest set this is for unpacks to 30 GB; text compresses a hundredfold, flat pixel tables more.
MAX_BYTES = 64 << 30
MAX_RATIO = 400
MAX_ENTRIES = 5_000_000
# Small archives may expand by any ratio up to here.
_FREE_BYTES = 64 << 20
_COPY_BYTES = 1 << 20
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, NotImplementedError)


# Of each entry: its name, its content, and how much of the archive has been read.
_Files = Iterator[tuple[str, IO[bytes], Callable[[], int]]]


@dataclass
class _Budget:
    """What may still be written, in bytes and entries."""

    archive: Path
    left: int
    entries: int = MAX_ENTRIES

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise DatasetError(
                f"{self.archive.name} expands too far (more than {MAX_RATIO} times its size, or {MAX_BYTES >> 30} GB); "
                "if you trust it, unpack it yourself and name the folder"
            )

    def take_entry(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise DatasetError(f"{self.archive.name} holds more than {MAX_ENTRIES:,} entries")


def is_archive(path: Path) -> bool:
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Writes the archive's files under `folder`, which exists and is empty.

    Raises DatasetError for entries that leave the folder, links, devices, encryption, damage and bombs; what
    was written by then stays in the folder, so unpack into one that can be thrown away.
    """
    size = archive.stat().st_size
    budget = _Budget(archive, min(MAX_BYTES, max(_FREE_BYTES, MAX_RATIO * size)))
    name = archive.name.lower()
    try:
        if name.endswith(".zip"):
            files = _zip_files(archive)
        elif _is_tar(name):
            files = _tar_files(archive)
        else:
            files = _single_file(archive)
        for inside, stream, position in files:
            budget.take_entry()
            _write(stream, _target(archive, folder, inside), budget)
            progress("unpacking", position(), size)
    except _DAMAGE as error:
        raise DatasetError(f"{archive.name} is damaged or no archive of its kind: {error}") from error
    except (RuntimeError, OSError) as error:
        # zipfile raises RuntimeError for encrypted entries, gzip and bz2 raise OSError without a number for damage;
        # one with a number is the disk's, not the archive's.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"{archive.name} cannot be unpacked: {error}") from error


def _is_tar(name: str) -> bool:
    return name.endswith((".tar", ".tgz", ".tbz2", ".txz", ".tar.gz", ".tar.bz2", ".tar.xz"))


def _zip_files(path: Path) -> _Files:
    read = 0
    with zipfile.ZipFile(path) as archive:
        for entry in archive.infolist():
            if entry.is_dir():
                continue
            kind = stat.S_IFMT(entry.external_attr >> 16)
            if kind not in (0, stat.S_IFREG):
                raise DatasetError(f"{path.name}: '{entry.filename}' is a link or device; only files are unpacked")
            read += entry.compress_size
            with archive.open(entry) as stream:
                yield entry.filename, stream, lambda done=read: done  # type: ignore[misc]


def _tar_files(path: Path) -> _Files:
    with path.open("rb") as raw, tarfile.open(fileobj=raw, mode="r:*") as archive:
        for entry in archive:
            if entry.isdir():
                continue
            stream = archive.extractfile(entry) if entry.isreg() else None
            if stream is None:
                raise DatasetError(f"{path.name}: '{entry.name}' is a link or device; only files are unpacked")
            yield entry.name, stream, raw.tell


def _single_file(path: Path) -> _Files:
    with path.open("rb") as raw, _OPENERS[path.suffix.lower()](raw) as stream:
        yield path.stem, stream, raw.tell


def _target(archive: Path, folder: Path, inside: str) -> Path:
    """Where an entry goes. Raises DatasetError when that is not under the folder."""
    parts = PurePosixPath(inside.replace("\\", "/")).parts
    if not parts or inside.startswith(("/", "\\")) or ".." in parts or ":" in parts[0] or "\0" in inside:
        raise DatasetError(f"{archive.name}: the entry '{inside}' would leave the folder; the archive is refused")
    target = folder.joinpath(*parts)
    target.parent.mkdir(parents=True, exist_ok=True)
    return target


def _write(stream: IO[bytes], target: Path, budget: _Budget) -> None:
    with target.open("wb") as out:
        while piece := stream.read(_COPY_BYTES):
            budget.take(len(piece))
            out.write(piece)
