"""The memory that a search takes, and the bound that a user sets for all its processes together (`--memory`).

The numbers are those of benchmarks/RESULTS.md, "Memory of a search": the least that each process takes. What a trial
takes beyond that depends on its network and images, so executors compare the bound with what trials took, too.
"""

from __future__ import annotations

import re
from typing import Any

from ...errors import SettingError
from ...text import counted

# In MiB: the supervisor, the sender with the plots that it draws, and the libraries that workers share.
SEARCH_MB = 600 + 270
# A worker that trains a small network, beyond those; one that waits as a spare; and a process that helps to draw plots.
WORKER_MB = 450
SPARE_MB = 300
# A GPU's libraries take more, which has not been measured.
GPU_WORKER_MB = 1500
HELPER_MB = 150
# A table of images that is so small is within what a worker takes anyway.
SMALL_TABLE_MB = 32
_SIZE = re.compile(r"(\d+(?:\.\d+)?) ?([MGT])(i?)B", re.IGNORECASE)
_POWERS = {"M": 2, "G": 3, "T": 4}


def read_size(called: str, given: Any) -> str:
    """Returns a size in the form in which it was given. Raises SettingError, which calls it so, if it is none."""
    found = _SIZE.fullmatch(given.strip()) if isinstance(given, str) else None
    if found is None or float(found[1]) == 0:
        raise SettingError(f"{called} must be a size such as 6GB or 800MB, but got {given!r}")
    return str(given.strip())


def size_mb(text: str) -> float:
    """Returns a size that `read_size` took, in MiB; GB counts in thousands, GiB in 1024."""
    found = _SIZE.fullmatch(text)
    assert found is not None
    base = 1024 if found[3] else 1000
    return float(found[1]) * float(base ** _POWERS[found[2].upper()]) / 2**20


def amount(mb: float) -> str:
    """Returns MiB as messages have them, rounded up."""
    tenths = -(-mb * 2**20 // 10**8)
    return f"{tenths / 10:g} GB"


def typed(mb: float) -> str:
    """Returns MiB as `--memory` takes them, rounded up, so that it is enough when it is typed."""
    return amount(mb).replace(" ", "")


def least_mb(workers: int, *, on_gpu: bool = False) -> float:
    """Returns the least that a search with so many workers takes, in MiB."""
    return SEARCH_MB + workers * (GPU_WORKER_MB if on_gpu else WORKER_MB)


def most_workers(bound_mb: float) -> int:
    """Returns how many workers a bound has room for; 0 where it has none for a search at all."""
    return max(0, int((bound_mb - SEARCH_MB) // WORKER_MB))


def check_bound(memory: str, workers: int, flag: str, *, on_gpu: bool = False) -> None:
    """Checks that a search with so many workers fits into the bound.

    Args:
        memory: The bound as the user gave it.
        workers: Number of workers.
        flag: What starts fewer, such as `--workers`.
        on_gpu: Whether they train on GPUs.

    Raises:
        SettingError: It does not; the message says what does.
    """
    bound_mb, least = size_mb(memory), least_mb(workers, on_gpu=on_gpu)
    if bound_mb >= least:
        return
    needed = f"a search with {counted(workers, 'worker')} needs about {amount(least)}"
    fewer = next((count for count in range(workers - 1, 0, -1) if least_mb(count, on_gpu=on_gpu) <= bound_mb), 0)
    way_out = f"use {flag} {fewer} or --memory {typed(least)}" if fewer and flag else f"use --memory {typed(least)}"
    raise SettingError(f"{needed}, but --memory gives {memory}; {way_out}")
