"""Writes files that are complete whatever happens: replaced in one step, or added to all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

# The suffix of an unfinished file, which lies beside the one that it will replace.
UNFINISHED = ".writing"


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """Yields a file to write, which replaces the one at the path in one step when the block ends.

    When the block raises, the file at the path stays as it was, and nothing is left beside it.

    Args:
        path: The file to replace; it need not exist yet.
        durable: Wait until the file is safe against power loss.

    Raises:
        OSError: The disk is full, or the folder is gone.
    """
    unfinished = path.with_name(path.name + UNFINISHED)
    try:
        with unfinished.open("wb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        unfinished.replace(path)
    finally:
        unfinished.unlink(missing_ok=True)


def append_whole(file: FileIO, data: bytes) -> None:
    """Appends all of the data to a file, or none of it; on return it is safe against power loss.

    Args:
        file: An unbuffered file, opened for appending.
        data: The bytes to append.

    Raises:
        OSError: The disk is full; the file is then as it was before.
    """
    start = os.fstat(file.fileno()).st_size
    try:
        left = memoryview(data)
        while left:
            left = left[file.write(left) :]
        os.fsync(file.fileno())
    except OSError:
        os.ftruncate(file.fileno(), start)
        raise
