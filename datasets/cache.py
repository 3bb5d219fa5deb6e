"""The cache of decoded data sets: one folder an entry, complete or absent."""

from __future__ import annotations

import json
import os
import shutil
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ApertuneError

# Raise it whenever what an entry holds, or how pixels are made, changes: older entries are then rebuilt.
VERSION = 1
_META = "meta.json"


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
    folder.parent.mkdir(parents=True, exist_ok=True)
    _remove_leftovers(folder)
    building = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))
    scratch = building / "scratch"
    scratch.mkdir()
    try:
        meta = build(building, scratch)
        shutil.rmtree(scratch)
        meta = {**meta, "version": VERSION, "sizes": _sizes(building)}
        (building / _META).write_text(json.dumps(meta, indent=1), encoding="utf-8")
        if folder.exists():
            shutil.rmtree(folder)
        building.chmod(0o755)
        building.replace(folder)
    except OSError as error:
        raise ApertuneError(f"cannot write the cache in {folder.parent}: {error.strerror or error}") from error
    finally:
        shutil.rmtree(building, ignore_errors=True)
    return meta


def _remove_leftovers(folder: Path) -> None:
    """Removes what killed processes left of this entry; called under its lock."""
    for leftover in folder.parent.glob(f".{folder.name}-*"):
        shutil.rmtree(leftover, ignore_errors=True)


def _sizes(folder: Path) -> dict[str, int]:
    """Bytes of the arrays every entry holds, by which a cut-off file is noticed."""
    names = ("images.npy", "labels.npy", "origins.npy", "stated.npy", "original_sizes.npy")
    return {name: (folder / name).stat().st_size for name in names if (folder / name).exists()}
