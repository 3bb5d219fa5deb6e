"""The cache of decoded data sets: one folder per entry, complete or absent."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...errors import ApertuneError, SettingError
from ...files.faults import UNUSABLE
from ..arrays import EntryArrays
from ..base import BadItem

# Raise it whenever the contents of an entry, or the way pixels are made, change: older entries are then rebuilt.
VERSION = 1
_META = "meta.json"


@dataclass(frozen=True)
class Held:
    """A folder in the cache."""

    kind: str
    """One of "datasets", for decoded images, "unpacked", for the files of an archive, and "copied", for the files at
    an address."""
    name: str
    """The folder's name."""
    bytes: int
    """Its size on disk."""

    @property
    def dataset(self) -> str:
        """The name of the data set, for an entry of decoded images."""
        return self.name.rpartition("-")[0]


def cache_folder() -> Path:
    """The folder `APERTUNE_CACHE`, or else one in the user's cache folder; created when missing.

    Raises:
        SettingError: It cannot be created.
    """
    chosen = os.environ.get("APERTUNE_CACHE")
    if chosen:
        folder = Path(chosen).expanduser().resolve()
    else:
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("apertune"))
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise unfilled(folder, error) from error
    return folder


def entry_or_build(key: str, build: Callable[[Path, Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
    """Finds an entry, or builds it when it is missing, damaged or of another version.

    When several processes ask at once, one builds and the others wait for it. When `build` raises, nothing is left.

    Args:
        key: The name of the entry.
        build: Fills a new entry. It is called with the entry's folder, still under a temporary name, and a scratch
            folder, and returns the facts of the entry.

    Returns:
        The folder of the entry, and its facts.
    """
    folder = cache_folder() / "datasets" / key
    meta = read_meta(folder)
    if meta is not None:
        return folder, meta
    with lock(f"datasets/{key}"):
        meta = read_meta(folder)
        if meta is None:
            meta = _build(folder, build)
    return folder, meta


def read_meta(folder: Path) -> dict[str, Any] | None:
    """The facts of an entry; None when it is missing, damaged or of another version."""
    try:
        meta = json.loads((folder / _META).read_bytes())
    except (OSError, ValueError):
        return None
    if not isinstance(meta, dict) or meta.get("version") != VERSION:
        return None
    arrays = EntryArrays(folder)
    # Entries of earlier releases have no checksums, and are as good as they were.
    sealed = meta.get("checksums", {}) if "checksums" not in meta or _checksum(meta) == meta.get("checksum") else None
    intact = sealed is not None and arrays.sizes() == meta.get("sizes") and arrays.are_sound(sealed)
    return meta if intact else None


def _checksum(meta: Mapping[str, Any]) -> int:
    """A checksum of an entry's facts, which reveals damage that leaves them readable."""
    facts = {name: value for name, value in meta.items() if name != "checksum"}
    return zlib.crc32(json.dumps(facts, sort_keys=True).encode())


def unpacked_folder(archive: Path, unpack: Callable[[Path], None]) -> Path:
    """Returns the folder of an archive's files; unpacks it the first time, and again when the archive has changed.

    Args:
        archive: The archive, an absolute path.
        unpack: Called with the empty folder to unpack into.
    """
    status = archive.stat()
    facts = f"{archive}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
    return _filled("unpacked", hashlib.sha256(facts.encode(errors="replace")).hexdigest()[:20], unpack)


def copied_folder(address: str, version: str, copy: Callable[[Path], None]) -> Path:
    """Returns the folder of the files copied from an address; copies them the first time, and again when they changed.

    Args:
        address: A short text that stands for the address, fit for the name of a folder.
        version: A text that changes when the files do.
        copy: Called with the empty folder to copy into.
    """
    return _filled("copied", f"{address}-{hashlib.sha256(version.encode(errors='replace')).hexdigest()[:20]}", copy)


def latest_copy(address: str) -> Path | None:
    """The folder of the newest copy of an address, whatever its version; None when there is none."""
    copies = (cache_folder() / "copied").glob(f"{address}-*")
    return max(copies, key=lambda folder: folder.stat().st_mtime_ns, default=None)


def _filled(kind: str, name: str, fill: Callable[[Path], None]) -> Path:
    """Returns a folder of the cache, complete, after filling it the first time."""
    folder = cache_folder() / kind / name
    if folder.is_dir():
        return folder
    with lock(f"{kind}/{name}"):
        if not folder.is_dir():
            with _temporary(folder) as filling:
                fill(filling)
                filling.replace(folder)
    return folder


def bad_items(folder: Path) -> tuple[BadItem, ...]:
    """The files and rows that could not be used when an entry was built."""
    meta = read_meta(folder)
    return tuple(BadItem(**item) for item in meta["bad"]) if meta else ()


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Holds a lock that other processes with the same cache respect."""
    from filelock import FileLock

    path = cache_folder() / "locks" / f"{name.replace('/', '-')}.lock"
    held = FileLock(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        held.acquire()
    except OSError as error:
        raise unfilled(path.parent, error) from error
    try:
        yield
    finally:
        held.release()


def _build(folder: Path, build: Callable[[Path, Path], dict[str, Any]]) -> dict[str, Any]:
    with _temporary(folder) as building:
        scratch = building / "scratch"
        scratch.mkdir()
        meta = build(building, scratch)
        shutil.rmtree(scratch)
        arrays = EntryArrays(building)
        meta = {**meta, "version": VERSION, "sizes": arrays.sizes(), "checksums": arrays.checksums()}
        meta["checksum"] = _checksum(meta)
        (building / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        building.replace(folder)
    return meta


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """Yields a new folder beside `folder`, removed at the end unless it was renamed; for use under the entry's lock."""
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        _remove_leftovers(folder)
        temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
        temporary.chmod(0o755)
    except OSError as error:
        raise unfilled(folder.parent, error) from error
    try:
        yield temporary
    except OSError as error:
        raise unfilled(folder.parent, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def unfilled(folder: Path, error: OSError) -> ApertuneError:
    """The error for a folder of the cache that cannot be written: the user's mistake, unless the disk is full."""
    kind = SettingError if error.errno in UNUSABLE else ApertuneError
    return kind(
        f"cannot fill the cache in {folder}: {error.strerror or error}; set APERTUNE_CACHE to use another folder"
    )


def _remove_leftovers(folder: Path) -> None:
    """Removes unfinished copies of an entry that killed processes left; for use under the entry's lock."""
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def usage() -> list[Held]:
    """Lists the folders in the cache, those that killed processes left included."""
    found = []
    for kind in ("datasets", "unpacked", "copied"):
        for folder in sorted((cache_folder() / kind).glob("*")):
            size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
            found.append(Held(kind, folder.name, size))
    return found


def remove(held: Held) -> None:
    """Removes a folder from the cache, after waiting for a process that is building it."""
    key = held.name.rpartition("-")[0].removeprefix(".") if held.name.startswith(".") else held.name
    with lock(f"{held.kind}/{key}"):
        shutil.rmtree(cache_folder() / held.kind / held.name, ignore_errors=True)
