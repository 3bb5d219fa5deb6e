"""Waits while the disk is full, so that the files of a trial are saved once there is space instead of lost."""

from __future__ import annotations

import errno
import shutil
import time
from collections.abc import Callable
from pathlib import Path

SPACE_PATIENCE_S = 900.0
LOOK_EVERY_S = 1.0
# Some libraries drop the system's error number; with less free space than this, any failure to write counts as a
# full disk.
HARDLY_ANY_BYTES = 2**20


def is_disk_full(error: OSError, folder: Path) -> bool:
    """Returns whether writing failed because the disk is full.

    Args:
        error: The error that the writing raised.
        folder: The folder written to, which exists.
    """
    return error.errno in (errno.ENOSPC, errno.EDQUOT) or shutil.disk_usage(folder).free < HARDLY_ANY_BYTES


def with_space(save: Callable[[], None], folder: Path, tell: Callable[[str], None]) -> None:
    """Saves files, and tries again as long as the disk is full.

    Args:
        save: Writes the files.
        folder: The folder they are written to, which exists.
        tell: Called once with the reason when the disk is full.

    Raises:
        OSError: The disk stays full for `SPACE_PATIENCE_S`, or writing fails for another reason.
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
