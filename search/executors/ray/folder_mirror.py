"""A mirror of a trial's folder on another machine, so that its files outlive the machine it ran on."""

from __future__ import annotations

import contextlib
import os
import time
from dataclasses import dataclass, field
from pathlib import Path

from ....files.replacing import UNFINISHED, replacing


@dataclass(frozen=True)
class FolderChange:
    """The changes in a folder since the last look."""

    files: dict[str, bytes] = field(default_factory=dict)
    """Content of new and changed files by relative path."""

    removed: tuple[str, ...] = ()
    """Paths of files that are gone."""


def read_folder(folder: Path) -> FolderChange:
    """Returns everything in the folder, which need not exist."""
    return FolderChange({name: (folder / name).read_bytes() for name in _stamps(folder)})


def write_change(folder: Path, change: FolderChange) -> None:
    """Writes the changes, each file as a whole.

    Raises:
        OSError: The disk is full; writing the changes again completes them.
    """
    for name, content in change.files.items():
        target = _inside(folder, name)
        target.parent.mkdir(parents=True, exist_ok=True)
        with replacing(target) as file:
            file.write(content)
    for name in change.removed:
        gone = _inside(folder, name)
        gone.unlink(missing_ok=True)
        _remove_empty(gone.parent, folder)


class FolderWatch:
    """Finds the changes in a folder since the last look.

    Args:
        folder: The folder.
        bytes_per_s: Bytes per second at most, on average; the last look brings everything.
    """

    def __init__(self, folder: Path, bytes_per_s: float) -> None:
        self._folder = folder
        self._bytes_per_s = bytes_per_s
        self._known = _stamps(folder)
        self._next = 0.0

    def changes(self, *, last: bool = False) -> FolderChange:
        now = time.monotonic()
        if now < self._next and not last:
            return FolderChange()
        stamps = _stamps(self._folder)
        files: dict[str, bytes] = {}
        for name, stamp in stamps.items():
            if self._known.get(name) != stamp and (content := _content(self._folder / name)) is not None:
                files[name] = content
        removed = tuple(sorted(set(self._known) - set(stamps)))
        self._known = stamps
        self._next = now + sum(map(len, files.values())) / self._bytes_per_s
        return FolderChange(files, removed)


def _stamps(folder: Path) -> dict[str, tuple[int, int]]:
    """Time of change and size of each file; files still under a temporary name are passed over."""
    found: dict[str, tuple[int, int]] = {}
    # Not rglob, which raises where a folder is removed while it looks.
    for parent, folders, names in os.walk(folder):
        folders[:] = [name for name in folders if not name.startswith(".")]
        for name in names:
            path = Path(parent, name)
            if name.startswith(".") or path.suffix == UNFINISHED:
                continue
            with contextlib.suppress(FileNotFoundError):
                status = path.stat()
                found[path.relative_to(folder).as_posix()] = (status.st_mtime_ns, status.st_size)
    return found


def _remove_empty(path: Path, top: Path) -> None:
    """Removes the folder, and those above it up to the top, as far as they are empty."""
    while path != top:
        try:
            path.rmdir()
        except FileNotFoundError:
            pass  # removed with an earlier file
        except OSError:
            return  # something lies in it
        path = path.parent


def _content(path: Path) -> bytes | None:
    try:
        return path.read_bytes()
    except FileNotFoundError:
        return None


def _inside(folder: Path, name: str) -> Path:
    path = folder / name
    if not path.resolve().is_relative_to(folder.resolve()):
        raise ValueError(f"a file of a trial must lie in its folder, but got {name}")
    return path
