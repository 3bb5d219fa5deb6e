"""What the machine offers a worker: processors, GPUs, memory."""

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

# For a worker: how many, it included, share its GPU, or the machine's memory.
SHARERS_VARIABLE = "APERTUNE_SHARERS"
MAXIMUM_CPU_WORKERS = 8
WORKER_MEMORY_MB = 1500
# Share of the free memory that pixels may take; the rest is for weights, activations and the framework.
TABLE_SHARE_OF_MEMORY = 0.35
# What stands in `CUDA_VISIBLE_DEVICES` to hide the GPUs; the last is Slurm's.
HIDING = ("", "-1", "NoDevFiles")
OWN_GROUPS = Path("/proc/self/cgroup")
GROUPS = Path("/sys/fs/cgroup")
# By version of the control groups: what is allowed, what is taken, and the cached files that the kernel can drop.
LIMIT_FILES = {
    1: ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
    2: ("memory.max", "memory.current", "inactive_file"),
}


@dataclass(frozen=True)
class Gpu:
    """index: as nvidia-smi counts. free_mb, total_mb: of its memory."""

    index: int
    name: str
    free_mb: float
    total_mb: float


def processors() -> int:
    """Processors this process may use, by its affinity, a container's quota and `LOKY_MAX_CPU_COUNT`."""
    import joblib

    return int(joblib.cpu_count())


def gpus(nvml: Any = None) -> list[Gpu]:
    """NVIDIA GPUs that the driver lists and `CUDA_VISIBLE_DEVICES` leaves visible; empty without a driver.

    nvml: the module `pynvml`, or what stands for it in a test. Raises SettingError where the variable names what is
    not there, or a part of a GPU (MIG): workers would train on processors, and nobody would notice.
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


def _described(nvml: Any, index: int, handle: Any) -> Gpu:
    memory = nvml.nvmlDeviceGetMemoryInfo(handle)
    return Gpu(index, nvml.nvmlDeviceGetName(handle), memory.free / 2**20, memory.total / 2**20)


def _visible(uuids: list[str]) -> list[int]:
    """Numbers of the GPUs that `CUDA_VISIBLE_DEVICES` names among all, which have these UUIDs.

    As CUDA reads it: by number or by a UUID's beginning that only one has, and nothing behind what hides.
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
    """One worker a processor, as far as memory allows."""
    _, free_mb = memory_mb()
    affordable = int(free_mb / WORKER_MEMORY_MB)
    return max(1, min(processors(), MAXIMUM_CPU_WORKERS, affordable))


def memory_mb() -> tuple[float, float]:
    """All memory and what is free of it, in MiB: the machine's, or what the control groups leave of that."""
    memory = psutil.virtual_memory()
    total, free = memory.total, memory.available
    for limit, left in _group_limits():
        total, free = min(total, limit), min(free, left)
    return total / 2**20, free / 2**20


def _group_limits() -> list[tuple[int, int]]:
    """Bytes that each control group around this process allows, and what is left of them, its file cache left out."""
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
    """Whether an image table of that size may lie on the device this worker computes on.

    Of the device's whole memory a worker has its share, so that those that start first leave room for the others.
    """
    try:
        cards = gpus() if os.environ.get("CUDA_VISIBLE_DEVICES") else []
    except SettingError:
        # A part of a GPU, as Ray may give one: how large that is, is not known.
        return False
    if cards:
        total_mb = min(card.total_mb for card in cards)
        free_mb = min(card.free_mb for card in cards)
    else:
        total_mb, free_mb = memory_mb()
    fair_mb = total_mb / int(os.environ.get(SHARERS_VARIABLE, "1"))
    return size_bytes / 2**20 <= TABLE_SHARE_OF_MEMORY * min(free_mb, fair_mb)


def reset_peak_memory() -> None:
    """Starts a new measurement of this process's peak memory, where the system can (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5")


def peak_memory_mb() -> float:
    """Peak resident memory in MiB since `reset_peak_memory`, or since the process began."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / (2**20 if sys.platform == "darwin" else 2**10)


def return_free_memory() -> None:
    """Gives memory that the allocator keeps for later back to the system (glibc), so that growth is real growth."""
    with contextlib.suppress(OSError, AttributeError):
        ctypes.CDLL("libc.so.6").malloc_trim(0)


def out_of_memory_kills() -> int | None:
    """How many processes the kernel has killed for memory so far; None where it does not tell.

    Those of this process's control group where it is known (`oom_kill` in memory.events, in version 1
    memory.oom_control), so that what others suffer is not counted; else the machine's (/proc/vmstat; Linux 4.13).
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
    """A number in a file of names and numbers. Raises OSError without the file, ValueError without the name."""
    for line in source.read_text().splitlines():
        if line.startswith(f"{name} "):
            return int(line.split()[1])
    raise ValueError(f"{source} does not count {name}")


def _own_memory_groups() -> list[tuple[Path, str, int]]:
    """This process's control groups that count memory: where their tree lies, the path in it, and its version."""
    found = []
    with contextlib.suppress(OSError):
        for line in OWN_GROUPS.read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            if "memory" in controllers.split(","):
                found.append((GROUPS / "memory", group.lstrip("/"), 1))
            elif number == "0":
                found.append((GROUPS, group.lstrip("/"), 2))
    return found
