"""Temporary folders that no kill leaves for long: the next one to be made sweeps away those of dead processes."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

PREFIX = "apertune-"
# Held by the process that works in the folder; it lies beside the files, which may be sent somewhere as they are.
_LOCK_FILE = "in-use.lock"
# A folder without a lock may have been made this moment.
_YOUNG_S = 60.0


@contextmanager
def scratch_folder(purpose: str) -> Iterator[Path]:
    """Yields a new, empty folder among the system's temporary ones, and removes it at the end.

    Args:
        purpose: A word for its name, so that a person knows what it is for.
    """
    place = Path(tempfile.gettempdir())
    _sweep(place)
    folder = Path(tempfile.mkdtemp(prefix=f"{PREFIX}{purpose}-", dir=place))
    try:
        with FileLock(folder / _LOCK_FILE):
            files = folder / "files"
            files.mkdir()
            yield files
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def _sweep(place: Path) -> None:
    for left in place.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            facts = left.lstat()
            is_old = time.time() - facts.st_mtime > _YOUNG_S
            if facts.st_uid == os.getuid() and is_old and (left / _LOCK_FILE).is_file():
                _remove_unless_used(left)


def _remove_unless_used(folder: Path) -> None:
    try:
        with FileLock(folder / _LOCK_FILE, timeout=0):
            shutil.rmtree(folder, ignore_errors=True)
    except Timeout:
        return
