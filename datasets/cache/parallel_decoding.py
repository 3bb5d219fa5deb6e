"""Decodes a set's files: here while they are few, by a process a core when they are many."""

from __future__ import annotations

import signal
import threading
import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..base import BadItem
from .decoding import PixelFormat, UnusableImageError, decode_file

# Other processes take half a second to start, and threads gain nothing on small files: Python's lock is in their way.
_SECONDS_ALONE = 0.3
_SECONDS_WORTH_PROCESSES = 1.5
_SECONDS_PROCESSES_WAIT = 10
_FILES_A_TASK = 64
_FILES_ALONE = 8

Pixels = np.memmap[Any, np.dtype[np.uint8]]


def decode_files(
    paths: Sequence[Path],
    pixel_format: PixelFormat,
    images: Pixels,
    sizes: NDArray[np.int32],
    done: Callable[[int], None],
) -> dict[int, str]:
    """Decodes files into `images` (n, height, width, channels), row by row; over all cores when there are many.

    sizes: int32 (n, 2), is filled with the width and height in pixels before resizing. done: called with the
    number of files finished. Returns the reasons of the rows that failed. How many processes take part changes
    no pixel.
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
    images: Pixels,
    sizes: NDArray[np.int32],
    finished: int,
    done: Callable[[int], None],
) -> dict[int, str]:
    """The rows from `finished` on, by a process a core; each writes its rows into the map's file."""
    import joblib

    reasons: dict[int, str] = {}
    starts = range(finished, len(paths), _FILES_A_TASK)
    tasks = (joblib.delayed(_decode_rows)(paths[s : s + _FILES_A_TASK], pixel_format, images, s) for s in starts)
    with (
        # Processes whose parent was killed end by themselves after this.
        joblib.parallel_config("loky", idle_worker_timeout=_SECONDS_PROCESSES_WAIT),
        joblib.Parallel(joblib.cpu_count(), batch_size=1, return_as="generator_unordered") as parallel,
    ):
        with _started_deaf():
            answers = parallel(tasks)
        for start, task_sizes, failed in answers:
            sizes[start : start + len(task_sizes)] = task_sizes
            reasons |= failed
            finished += len(task_sizes)
            done(finished)
    return reasons


def _decode_rows(
    paths: Sequence[Path], pixel_format: PixelFormat, images: Pixels, first: int
) -> tuple[int, NDArray[np.int32], dict[int, str]]:
    """Decodes files into the rows from `first` on. Returns that, their sizes, and the reasons of those that failed."""
    sizes = np.zeros((len(paths), 2), np.int32)
    reasons: dict[int, str] = {}
    with warnings.catch_warnings():
        # Pillow warns of large pictures and odd metadata; what matters is in the reasons.
        warnings.simplefilter("ignore")
        for place, path in enumerate(paths):
            try:
                images[first + place], sizes[place] = decode_file(path, pixel_format)
            except UnusableImageError as error:
                reasons[first + place] = str(error)
    return first, sizes, reasons


@contextmanager
def _started_deaf() -> Iterator[None]:
    """Processes started here do not hear Ctrl-C, which a terminal sends to all; their parent ends them."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, heard)


def bad_items(reasons: dict[int, str], keys: Sequence[str]) -> tuple[BadItem, ...]:
    """The failed rows of `decode_files` by name."""
    return tuple(BadItem(str(keys[row]), reason) for row, reason in reasons.items())
