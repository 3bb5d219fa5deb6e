"""Unpacks archives that may be hostile: links, bombs and entries that would leave the folder are refused.

It supports zip (NPZ, too), tar (also with gz, bz2 or xz), and single files compressed with gz, bz2 or xz.
"""

from __future__ import annotations

import bz2
import errno
import gzip
import lzma
import stat
import tarfile
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import IO, Any

from ...errors import DatasetError
from ..base import Progress

ARCHIVE_SUFFIXES = (".zip", ".tar", ".tgz", ".tbz2", ".txz", ".gz", ".bz2", ".xz")
# The largest data set this is meant for unpacks to 30 GB. Text compresses a hundredfold, tables of flat pixels more.
MAX_BYTES = 64 << 30
MAX_RATIO = 400
MAX_ENTRIES = 5_000_000
# An archive may expand to this size at any ratio.
_FREE_BYTES = 64 << 20
_COPY_BYTES = 1 << 20
_OPENERS: dict[str, Callable[..., Any]] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
# The faults of an entry's name: too long, a file where a folder of that name is or the other way round, or no name.
_NAME_FAULTS = (errno.ENAMETOOLONG, errno.EEXIST, errno.EISDIR, errno.ENOTDIR, errno.EINVAL, errno.EILSEQ)
_SHOWN_NAME = 80
_DAMAGE = (zipfile.BadZipFile, tarfile.TarError, EOFError, lzma.LZMAError, gzip.BadGzipFile, NotImplementedError)


# For each entry: its name, its content, and a function that tells how much of the archive has been read.
_Files = Iterator[tuple[str, IO[bytes], Callable[[], int]]]


@dataclass
class _Budget:
    """The bytes and entries that may still be written."""

    archive: Path
    """The archive that messages name."""
    left: int
    """Bytes that may still be written."""
    entries: int = MAX_ENTRIES
    """Entries that may still be written."""

    def take(self, count: int) -> None:
        self.left -= count
        if self.left < 0:
            raise DatasetError(
                f"{self.archive.name} expands too far (over {MAX_RATIO} times its size, or over {MAX_BYTES >> 30} GB); "
                "if you trust it, unpack it yourself and give the folder with --data"
            )

    def take_entry(self) -> None:
        self.entries -= 1
        if self.entries < 0:
            raise DatasetError(
                f"{self.archive.name} holds more than {MAX_ENTRIES:,} entries; "
                "if you trust it, unpack it yourself and give the folder with --data"
            )


def is_archive(path: Path) -> bool:
    """Returns whether a file's name is that of an archive."""
    return path.name.lower().endswith(ARCHIVE_SUFFIXES)


def unpack(archive: Path, folder: Path, progress: Progress) -> None:
    """Writes the files of an archive into a folder.

    Files written before an error stay in the folder, so unpack into one that can be thrown away.

    Args:
        archive: The archive.
        folder: An empty folder.
        progress: Called with the stage "unpacking", the bytes of the archive read so far and its size.

    Raises:
        DatasetError: The archive is damaged or encrypted, expands too far, or holds a link, a device or an entry
            that would leave the folder.
    """
    size = archive.stat().st_size
    budget = _Budget(archive, min(MAX_BYTES, max(_FREE_BYTES, MAX_RATIO * size)))
    name = archive.name.lower()
    try:
        if name.endswith((".zip", ".npz")):
            files = _zip_files(archive)
        elif _is_tar(name):
            files = _tar_files(archive)
        else:
            files = _single_file(archive)
        for inside, stream, position in files:
            budget.take_entry()
            with _named_entry(archive, inside):
                _write(stream, _target(archive, folder, inside), budget)
            progress("unpacking", position(), size)
    except _DAMAGE as error:
        raise DatasetError(
            f"{archive.name} is damaged, or not the kind of archive that its name says: {error}"
        ) from error
    except (RuntimeError, OSError) as error:
        # zipfile raises RuntimeError for encrypted entries. gzip and bz2 raise OSError without a number for damage;
        # one with a number is the fault of the disk, not of the archive.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise DatasetError(f"{archive.name} cannot be unpacked: {error}") from error


@contextmanager
def _named_entry(archive: Path, inside: str) -> Iterator[None]:
    """Blames an entry whose name no file can have here on the archive, not on the disk."""
    try:
        yield
    except OSError as error:
        if error.errno not in _NAME_FAULTS:
            raise
        name = inside if len(inside) <= _SHOWN_NAME else f"{inside[:_SHOWN_NAME]}…"
        raise DatasetError(
            f"{archive.name}: the entry '{name}' cannot be a file here ({error.strerror}); two entries may not be a "
            "file and a folder of one name, nor may a name be too long; mend the archive, or unpack it yourself"
        ) from error


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
    """The file that an entry is written to.

    Raises:
        DatasetError: It would not lie under the folder.
    """
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
