"""The processors, GPUs and memory that a machine has for its workers."""

from __future__ import annotations

import contextlib
import ctypes
import os
import resource
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

from ...errors import SettingError
from .memory_bound import SMALL_TABLE_MB, WORKER_MB

# Tells a worker how many workers, itself included, share its GPU or the machine's memory.
SHARERS_VARIABLE = "APERTUNE_SHARERS"
# Tells a worker the MiB that it may take in all, where the user set a bound.
MEMORY_VARIABLE = "APERTUNE_MEMORY_MB"
MAXIMUM_CPU_WORKERS = 8
WORKER_MEMORY_MB = 1500
# Share of the free memory that pixels may take; the rest is for weights, activations and the framework.
TABLE_SHARE_OF_MEMORY = 0.35
# Values of `CUDA_VISIBLE_DEVICES` that hide the GPUs; the last is Slurm's.
HIDING = ("", "-1", "NoDevFiles")
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
# By version of control groups: the files of the limit and of the usage, and the name of the cache that can be dropped.
LIMIT_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class Gpu:
    """A GPU that the driver lists."""

    index: int
    """Its number, as nvidia-smi counts."""

    name: str
    free_mb: float
    """Free memory in MiB."""

    total_mb: float
    """All its memory in MiB."""


def processors() -> int:
    """Returns how many processors this process may use: by affinity, container quota and `LOKY_MAX_CPU_COUNT`."""
    import joblib

    return int(joblib.cpu_count())


def gpus(nvml: Any = None) -> list[Gpu]:
    """Returns the NVIDIA GPUs that the driver lists and `CUDA_VISIBLE_DEVICES` leaves visible; none without a driver.

    Args:
        nvml: The module `pynvml`, or a stand-in of a test.

    Raises:
        SettingError: The variable names a GPU that is not there, or a part of one (MIG): workers would train on
            processors, and nobody would notice.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        handles = [nvml.nvmlDeviceGetHandleByIndex(index) for index in range(nvml.nvmlDeviceGetCount())]
        visible = _visible([nvml.nvmlDeviceGetUUID(handle) for handle in handles])
        return [_described(nvml, index, handles[index]) for index in visible]
    finally:
        nvml.nvmlShutdown()


def own_gpu() -> str | None:
    """Returns the GPU that this worker was given, by number or UUID as `CUDA_VISIBLE_DEVICES` names it; None without.

    A worker has one GPU, or a share of one.
    """
    name = os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",")[0].strip()
    return None if name in HIDING else name


def _described(nvml: Any, index: int, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(index, nvml.nvmlDeviceGetName(handle), memory.free / 2**20, memory.total / 2**20)


def _visible(uuids: list[str]) -> list[int]:
    """Returns the numbers of the GPUs that `CUDA_VISIBLE_DEVICES` names, among those with these UUIDs.

    It is read as CUDA reads it: a number, or a beginning that only one UUID has; a word that hides ends the list.
    """
    variable = os.environ.get("CUDA_VISIBLE_DEVICES")
    if variable is None or not uuids:
        return list(range(len(uuids)))
    visible = set()
    for name in map(str.strip, variable.split(",")):
        if name in HIDING:
            break
        begun = [index for index, uuid in enumerate(uuids) if name.startswith("GPU-") and uuid.startswith(name)]
        named = [int(name)] if name.isdecimal() and int(name) < len(uuids) else begun
        if len(named) != 1:
            raise SettingError(
                f"CUDA_VISIBLE_DEVICES must name whole GPUs, by number (0 to {len(uuids) - 1} here) or UUID, but got "
                f"'{name}'; see nvidia-smi -L, or leave the variable empty to train on processors"
            )
        visible.update(named)
    return sorted(visible)


def default_cpu_workers() -> int:
    """Returns one worker per processor, as far as memory allows."""
    _, free_mb = memory_mb()
    affordable = int(free_mb / WORKER_MEMORY_MB)
    return max(1, min(most_cpu_workers(), affordable))


def most_cpu_workers() -> int:
    """Returns one worker per processor, if memory has room for all."""
    return min(processors(), MAXIMUM_CPU_WORKERS)


def memory_mb() -> tuple[float, float]:
    """Returns all memory and the free part of it, in MiB, within the limits of the control groups."""
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for limit, left in _group_limits():
        total, free = min(total, limit), min(free, left)
    return total / 2**20, free / 2**20


def _group_limits() -> list[tuple[int, int]]:
    """The bytes that each control group around this process allows, and those left of them; file caches are free."""
    found = []
    for mount, group, version in _own_memory_groups():
        limit_file, usage_file, cache_name = LIMIT_FILES[version]
        # A limit holds for all below it; in a container the path may be the host's, of which only the root is there.
        for folder in (mount / group, *(mount / group).parents):
            if not folder.is_relative_to(mount):
                break
            with contextlib.suppress(OSError, ValueError):
                limit, used = (int((folder / name).read_text()) for name in (limit_file, usage_file))
                cached = _counter(folder / "memory.stat", cache_name)
                found.append((limit, max(0, limit - used + cached)))
    return found


def fits_on_device(size_bytes: int) -> bool:
    """Returns whether an image table of that size may lie on the device that this worker computes on.

    A worker has a share of the device's memory, so that those that start first leave room for the others.
    """
    try:
        cards = gpus() if own_gpu() is not None else []
    except SettingError:
        # A part of a GPU, as Ray may give one: how large that is, is not known.
        return False
    if cards:
        total_mb = min(card.total_mb for card in cards)
        free_mb = min(card.free_mb for card in cards)
    else:
        total_mb, free_mb = memory_mb()
    allowed = os.environ.get(MEMORY_VARIABLE)
    if allowed and not cards and size_bytes / 2**20 > max(SMALL_TABLE_MB, float(allowed) - WORKER_MB):
        return False
    fair_mb = total_mb / int(os.environ.get(SHARERS_VARIABLE, "1"))
    return size_bytes / 2**20 <= TABLE_SHARE_OF_MEMORY * min(free_mb, fair_mb)


def reset_peak_memory() -> None:
    """Starts a new measurement of this process's peak memory, if the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Returns the peak of resident memory in MiB since `reset_peak_memory`, or since the process began."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def return_free_memory() -> None:
    """Gives the memory that the allocator keeps for later back to the system (glibc): growth is then real growth."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def out_of_memory_kills() -> int | None:
    """Returns how many processes the kernel has killed for memory so far, or None if it does not tell.

    Counts this process's control group if it is known (`oom_kill` in memory.events, or in memory.oom_control of
    version 1), else the whole machine (/proc/vmstat, Linux 4.13).
    """
    counts = [
        mount / group / ("memory.oom_control" if version == 1 else "memory.events")
        for mount, group, version in _own_memory_groups()
    ]
    for source in (*counts, Path("/proc/vmstat")):
        with contextlib.suppress(OSError, ValueError):
            return _counter(source, "oom_kill")
    return None


def _counter(source: Path, name: str) -> int:
    """Returns a number from a file of names and numbers.

    Raises:
        OSError: There is no such file.
        ValueError: The file has no such name.
    """
    for line in source.read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    raise ValueError(f"{source} does not count {name}")


def _own_memory_groups() -> list[tuple[Path, str, int]]:
    """The control groups of this process that count memory: the root of their tree, the path in it, and the version."""
    found = []
    with contextlib.suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            if "memory" in controllers.split(","):
                found.append((GROUPS / "memory", group.lstrip("/"), 1))
            elif number == "0":
                found.append((GROUPS, group.lstrip("/"), 2))
    return found
