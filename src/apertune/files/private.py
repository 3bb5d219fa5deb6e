"""Files that no other user of the machine may read."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

# Neither the owner's group nor others get any right.
OWNER_ALONE = 0o077


@contextmanager
def private_files() -> Iterator[None]:
    """Makes new files and folders readable and writable for their owner alone; a decorator of functions, too.

    Results hold pictures, names of files and commands, and a folder in a shared place, such as a cluster's, is open to
    all of its users by default. The rule holds for the whole process while the block runs, and for processes that it
    starts. Files that are there keep their rights.
    """
    before = os.umask(OWNER_ALONE)
    try:
        yield
    finally:
        os.umask(before)
