"""Files that are whole whatever happens: replaced in one step, or added to all at once."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from io import FileIO
from pathlib import Path
from typing import BinaryIO

# Of a file that is not whole yet, beside the one that it is to replace.
UNFINISHED = ".writing"


@contextmanager
def replacing(path: Path, *, durable: bool = False) -> Iterator[BinaryIO]:
    """A file to write, which takes the path's place in one step when the block ends.

    durable: whether it is safe against power loss then. Raises OSError when the disk is full or the folder is gone.
    When the block raises, what was at the path stays, and nothing is left beside it.
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
    """Appends to an unbuffered file, all or nothing, safe against power loss on return.

    Raises OSError when the disk is full; the file is then as it was.
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
