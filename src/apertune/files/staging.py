"""Folders that are written beside their place and then renamed into it, so that each is complete or absent."""

from __future__ import annotations

import glob
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from filelock import FileLock, Timeout

_LOCK_FILE = "writing.lock"


@contextmanager
def staging(target: Path) -> Iterator[Path]:
    """Yields a new folder beside the target, in which to write the target before it is renamed; removed at the end.

    Folders that killed processes left for the same target are removed first: nobody holds their locks any longer.

    Args:
        target: The folder or file to write, which the caller renames out of the new folder.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    _sweep(target)
    scratch = Path(tempfile.mkdtemp(prefix=f".{target.name}.", dir=target.parent))
    try:
        with FileLock(scratch / _LOCK_FILE):
            yield scratch
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


def _sweep(target: Path) -> None:
    for left in target.parent.glob(f".{glob.escape(target.name)}.*"):
        if not (left / _LOCK_FILE).is_file():
            continue
        try:
            with FileLock(left / _LOCK_FILE, timeout=0):
                shutil.rmtree(left, ignore_errors=True)
        except Timeout:
            continue
