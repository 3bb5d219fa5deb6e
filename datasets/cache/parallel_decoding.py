"""Decodes the image files of a data set: in this process while they are few, in one per core when they are many."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from ..arrays import MappedPixels
from ..base import BadItem
from .decoding import PixelFormat, UnusableImageError, decode_file

# Other processes take half a second to start. Threads gain nothing on small files, as they wait for Python's lock.
_SECONDS_ALONE = 0.3
_SECONDS_WORTH_PROCESSES = 1.5
_SECONDS_PROCESSES_WAIT = 10
_FILES_PER_TASK = 64
_FILES_ALONE = 8


def decode_files(
    paths: Sequence[Path],
    pixel_format: PixelFormat,
    images: MappedPixels,
    sizes: NDArray[np.int32],
    done: Callable[[int], None],
) -> dict[int, str]:
    """Decodes files on all cores when there are many; the pixels do not depend on the number of processes.

    Args:
        paths: The files.
        pixel_format: The format to bring every image to.
        images: Filled with the pixels, (n, height, width, channels), one row per file.
        sizes: Filled with the widths and heights before resizing, int32 (n, 2), in pixels.
        done: Called with the number of files finished.

    Returns:
        The rows that failed, each with its reason.
    """
    reasons: dict[int, str] = {}
    started = time.monotonic()
    finished = 0
    while finished < len(paths):
        rows = range(finished, min(finished + _FILES_ALONE, len(paths)))
        _, sizes[rows], failed = _decode_rows(paths[rows.start : rows.stop], pixel_format, images, rows.start)
        reasons |= failed
        finished = rows.stop
        done(finished)
        elapsed = time.monotonic() - started
        left = elapsed / finished * (len(paths) - finished)
        if elapsed >= _SECONDS_ALONE and left >= _SECONDS_WORTH_PROCESSES:
            reasons |= _decode_in_processes(paths, pixel_format, images, sizes, finished, done)
            break
    return dict(sorted(reasons.items()))


def _decode_in_processes(
    paths: Sequence[Path],
    pixel_format: PixelFormat,
    images: MappedPixels,
    sizes: NDArray[np.int32],
    finished: int,
    done: Callable[[int], None],
) -> dict[int, str]:
    """Decodes the rows from `finished` on with one process per core; each writes its rows into the mapped file."""
    import joblib

    reasons: dict[int, str] = {}
    starts = range(finished, len(paths), _FILES_PER_TASK)
    tasks = (joblib.delayed(_decode_rows)(paths[s : s + _FILES_PER_TASK], pixel_format, images, s) for s in starts)
    with (
        # Processes whose parent was killed end by themselves after this time.
        joblib.parallel_config("loky", idle_worker_timeout=_SECONDS_PROCESSES_WAIT),
        joblib.Parallel(joblib.cpu_count(), batch_size=1, return_as="generator_unordered") as parallel,
    ):
        with _ignoring_ctrl_c():
            answers = parallel(tasks)
        for start, task_sizes, failed in answers:
            sizes[start : start + len(task_sizes)] = task_sizes
            reasons |= failed
            finished += len(task_sizes)
            done(finished)
    return reasons


def _decode_rows(
    paths: Sequence[Path], pixel_format: PixelFormat, images: MappedPixels, first: int
) -> tuple[int, NDArray[np.int32], dict[int, str]]:
    """Decodes files into the rows from `first` on; returns `first`, the sizes, and the failed rows with reasons."""
    sizes = np.zeros((len(paths), 2), np.int32)
    reasons: dict[int, str] = {}
    with warnings.catch_warnings():
        # Pillow warns of large pictures and odd metadata; real faults are among the reasons.
        warnings.simplefilter("ignore")
        for place, path in enumerate(paths):
            try:
                images[first + place], sizes[place] = decode_file(path, pixel_format)
            except UnusableImageError as error:
                reasons[first + place] = str(error)
    return first, sizes, reasons


@contextmanager
def _ignoring_ctrl_c() -> Iterator[None]:
    """Makes processes started in the block ignore Ctrl-C, which a terminal sends to all; their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def bad_items(reasons: dict[int, str], keys: Sequence[str]) -> tuple[BadItem, ...]:
    """The failed rows of `decode_files`, named by their keys."""
    return tuple(BadItem(str(keys[row]), reason) for row, reason in reasons.items())
