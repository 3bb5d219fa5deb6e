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

# For a worker: how many, it included, share its GPU, or the machine's memory.
SHARERS_VARIABLE = "APERTUNE_SHARERS"
MAXIMUM_CPU_WORKERS = 8
WORKER_MEMORY_MB = 1500
# Share of the free memory that pixels may take; the rest is for weights, activations and the framework.
TABLE_SHARE_OF_MEMORY = 0.35


@dataclass(frozen=True)
class Gpu:
    """index: as nvidia-smi counts. free_mb, total_mb: of its memory."""

    index: int
    name: str
    free_mb: float
    total_mb: float


def processors() -> int:
    """Processors this process may use, by its affinity (a container's quota is not in it)."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def gpus(nvml: Any = None) -> list[Gpu]:
    """NVIDIA GPUs that the driver lists and `CUDA_VISIBLE_DEVICES` leaves visible; empty without a driver.

    nvml: the module `pynvml`, or what stands for it in a test.
    """
    if nvml is None:
        import pynvml

        nvml = pynvml
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    found = []
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        return []
    try:
        for index in range(nvml.nvmlDeviceGetCount()):
            handle = nvml.nvmlDeviceGetHandleByIndex(index)
            if visible is None or str(index) in visible.split(",") or nvml.nvmlDeviceGetUUID(handle) in visible:
                memory = nvml.nvmlDeviceGetMemoryInfo(handle)
                name = nvml.nvmlDeviceGetName(handle)
                found.append(Gpu(index, name, memory.free / 2**20, memory.total / 2**20))
    finally:
        nvml.nvmlShutdown()
    return found


def default_workers() -> int:
    """One worker a GPU; without GPUs as many as `default_cpu_workers`."""
    return len(gpus()) or default_cpu_workers()


def default_cpu_workers() -> int:
    """One worker a processor, as far as memory allows."""
    affordable = int(psutil.virtual_memory().available / 2**20 / WORKER_MEMORY_MB)
    return max(1, min(processors(), MAXIMUM_CPU_WORKERS, affordable))


def fits_on_device(size_bytes: int) -> bool:
    """Whether an image table of that size may lie on the device this worker computes on.

    Of the device's whole memory a worker has its share, so that those that start first leave room for the others.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES", "")
    cards = gpus() if visible else []
    memory = psutil.virtual_memory()
    total_mb = min((card.total_mb for card in cards), default=memory.total / 2**20)
    free_mb = min((card.free_mb for card in cards), default=memory.available / 2**20)
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
    for source in (*_own_memory_counts(), Path("/proc/vmstat")):
        with contextlib.suppress(OSError):
            for line in source.read_text().splitlines():
                if line.startswith("oom_kill "):
                    return int(line.split()[1])
    return None


def _own_memory_counts() -> list[Path]:
    """Files in which this process's control groups count what the kernel did for want of memory."""
    found, root = [], Path("/sys/fs/cgroup")
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/cgroup").read_text().splitlines():
            number, controllers, group = line.split(":", 2)
            if "memory" in controllers.split(","):
                found.append(root / "memory" / group.lstrip("/") / "memory.oom_control")
            elif number == "0":
                found.append(root / group.lstrip("/") / "memory.events")
    return found
