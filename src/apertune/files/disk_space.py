"""Patience of a worker with a full disk: what a trial leaves is saved once there is space, instead of lost."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from pathlib import Path

SPACE_PATIENCE_S = 900.0
LOOK_EVERY_S = 1.0
# Not every library hands on the system's error number; of a disk with less than this, any failure is for space.
HARDLY_ANY_BYTES = 2**20


def is_disk_full(error: OSError, folder: Path) -> bool:
    """Whether writing to `folder`, which exists, failed for want of space."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or shutil.disk_usage(folder).free < HARDLY_ANY_BYTES


def with_space(save: Callable[[], None], folder: Path, tell: Callable[[str], None]) -> None:
    """Saves, as often as it takes while the disk is full.

    folder: where it goes. tell: called once, with the reason.
    Raises OSError when the disk stays full for `SPACE_PATIENCE_S`.
    """
    until, told = time.monotonic() + SPACE_PATIENCE_S, False
    while True:
        try:
            save()
            return
        except OSError as error:
            if not is_disk_full(error, folder) or time.monotonic() > until:
                raise
            if not told:
                tell(f"the disk of {folder} is full ({error})")
            told = True
        time.sleep(LOOK_EVERY_S)
