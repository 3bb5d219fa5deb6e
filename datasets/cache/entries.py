"""The cache of decoded data sets: one folder an entry, complete or absent."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import ApertuneError
from ..base import BadItem

# Raise it whenever what an entry holds, or how pixels are made, changes: older entries are then rebuilt.
VERSION = 1
_META = "meta.json"


@dataclass(frozen=True)
class Held:
    """Something in the cache. kind: "datasets" or "unpacked". bytes: on disk."""

    kind: str
    name: str
    bytes: int

    @property
    def dataset(self) -> str:
        """The data set's name, of an entry that holds one."""
        return self.name.rpartition("-")[0]


def cache_folder() -> Path:
    """`APERTUNE_CACHE`, or the user's cache folder; made when missing."""
    chosen = os.environ.get("APERTUNE_CACHE")
    if chosen:
        folder = Path(chosen).expanduser().resolve()
    else:
        import platformdirs

        folder = Path(platformdirs.user_cache_dir("apertune"))
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def entry_or_build(key: str, build: Callable[[Path, Path], dict[str, Any]]) -> tuple[Path, dict[str, Any]]:
    """The folder of an entry and its facts; builds it when it is missing or of another version.

    build: called with the new entry's folder, still under a temporary name, and a scratch folder; returns
    the facts. Of several processes that ask at once, one builds and the others wait for it. When `build`
    raises, nothing is left.
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
    """The facts of an entry; None when it is absent, damaged or of another version."""
    try:
        meta = json.loads((folder / _META).read_bytes())
    except (OSError, ValueError):
        return None
    complete = isinstance(meta, dict) and meta.get("version") == VERSION and _sizes(folder) == meta.get("sizes")
    return meta if complete else None


def unpacked_folder(archive: Path, unpack: Callable[[Path], None]) -> Path:
    """The folder an archive was unpacked into; unpacks it when that has not been done, or the archive changed."""
    status = archive.stat()
    facts = f"{archive}\0{status.st_size}\0{status.st_mtime_ns}\0{status.st_ctime_ns}"
    folder = cache_folder() / "unpacked" / hashlib.sha256(facts.encode(errors="replace")).hexdigest()[:20]
    if folder.exists():
        return folder
    with lock(f"unpacked/{folder.name}"):
        if not folder.exists():
            with _temporary(folder) as unpacking:
                unpack(unpacking)
                unpacking.replace(folder)
    return folder


def bad_items(folder: Path) -> tuple[BadItem, ...]:
    """What could not be used when an entry was built."""
    meta = read_meta(folder)
    return tuple(BadItem(**item) for item in meta["bad"]) if meta else ()


@contextmanager
def lock(name: str) -> Iterator[None]:
    """Holds a lock that other processes with the same cache respect."""
    from filelock import FileLock

    path = cache_folder() / "locks" / f"{name.replace('/', '-')}.lock"
    path.parent.mkdir(parents=True, exist_ok=True)
    with FileLock(path):
        yield


def save_arrays(path: Path, **arrays: NDArray[Any]) -> None:
    """Writes a .npz file under a temporary name and renames it, so that it is complete or absent."""
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}-")
    try:
        with os.fdopen(descriptor, "wb") as file:
            np.savez(file, **arrays)  # type: ignore[arg-type]
        Path(name).replace(path)
    finally:
        Path(name).unlink(missing_ok=True)


def _build(folder: Path, build: Callable[[Path, Path], dict[str, Any]]) -> dict[str, Any]:
    with _temporary(folder) as building:
        scratch = building / "scratch"
        scratch.mkdir()
        meta = build(building, scratch)
        shutil.rmtree(scratch)
        meta = {**meta, "version": VERSION, "sizes": _sizes(building)}
        (building / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        building.replace(folder)
    return meta


@contextmanager
def _temporary(folder: Path) -> Iterator[Path]:
    """A folder beside `folder` that is removed on every way out, unless it was renamed; used under a lock."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    temporary = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    temporary.chmod(0o755)
    try:
        yield temporary
    except OSError as error:
        raise ApertuneError(f"cannot fill the cache in {folder.parent} (APERTUNE_CACHE moves it): {error}") from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left of this entry; called under its lock."""
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def usage() -> list[Held]:
    """What the cache holds, leftovers of killed processes included."""
    found = []
    for kind in ("datasets", "unpacked"):
        for folder in sorted((cache_folder() / kind).glob("*")):
            size = sum(file.lstat().st_size for file in folder.rglob("*") if file.is_file())
            found.append(Held(kind, folder.name, size))
    return found


def remove(held: Held) -> None:
    """Removes an entry, waiting for whoever is building it."""
    key = held.name.rpartition("-")[0].removeprefix(".") if held.name.startswith(".") else held.name
    with lock(f"{held.kind}/{key}"):
        shutil.rmtree(cache_folder() / held.kind / held.name, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of the arrays every entry holds, by which a cut-off file is noticed."""
    names = ("images.npy", "labels.npy", "origins.npy", "stated.npy", "original_sizes.npy")
    return {name: (folder / name).stat().st_size for name in names if (folder / name).exists()}
