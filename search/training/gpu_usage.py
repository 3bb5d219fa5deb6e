"""The use that a trial makes of its GPU, as the driver sees it: memory of its process, utilization, time and energy."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

from ..executors.devices import SHARERS_VARIABLE, own_gpu
from ..messages import Emit, EpochEnded, TrialEvent, TrialResult

LOOK_EVERY_S = 0.5
MEGABYTE = 2**20


@dataclass
class GpuUsage:
    """The use so far.

    A framework keeps the memory that it frees, so a small trial after a large one in the same worker shows the peak
    of the larger.
    """

    peak_memory_mb: float | None = None
    """Peak memory of this process, the framework's reserve included; None if the driver does not tell."""

    looks: int = 0
    """Number of measurements."""

    busy_percent: float = 0.0
    """Sum of the utilization over all measurements."""

    memory_mb: float | None = None
    """Memory of this process at the last measurement."""

    seconds: float = 0.0
    """Time, divided by the number of workers that share the GPU."""

    joules: float | None = None
    """Energy, divided in the same way; None if the driver does not count it."""

    _told: tuple[int, float, float, float] = (0, 0.0, 0.0, 0.0)

    @property
    def utilization_percent(self) -> float | None:
        """Mean share of the time in which the GPU worked, be it for another worker that shares it."""
        return self.busy_percent / self.looks if self.looks else None

    def noted(self, result: TrialResult) -> TrialResult:
        return replace(
            result,
            peak_gpu_memory_mb=self.peak_memory_mb,
            gpu_utilization_percent=self.utilization_percent,
            gpu_seconds=self.seconds if self.looks else None,
            energy_joules=self.joules,
        )

    def telling(self, emit: Emit) -> Emit:
        """Returns `emit` with the use of the GPU added to each epoch."""

        def tell(event: TrialEvent) -> None:
            emit(replace(event, system=self._since_told()) if isinstance(event, EpochEnded) else event)

        return tell

    def _since_told(self) -> dict[str, float]:
        """Means since the last call, under the names that MLflow's UI shows as system metrics."""
        looks, busy, seconds, joules = self._told
        now = self._told = (self.looks, self.busy_percent, self.seconds, self.joules or 0.0)
        system = {}
        if now[0] > looks:
            system["system/gpu_utilization_percentage"] = (now[1] - busy) / (now[0] - looks)
            if self.memory_mb is not None:
                system["system/gpu_memory_usage_megabytes"] = self.memory_mb
            if self.joules is not None and now[2] > seconds:
                system["system/gpu_power_usage_watts"] = (now[3] - joules) / (now[2] - seconds)
        return system


@contextmanager
def watched_gpu(nvml: Any = None, *, every_s: float = LOOK_EVERY_S) -> Iterator[GpuUsage]:
    """Measures while the context lasts; nothing without a GPU of the process's own, or without a driver.

    Args:
        nvml: The module `pynvml`, or a stand-in of a test.
        every_s: Seconds between measurements.
    """
    usage = GpuUsage()
    name = own_gpu()
    if name is None:
        yield usage
        return
    if nvml is None:
        import pynvml

        nvml = pynvml
    try:
        nvml.nvmlInit()
    except nvml.NVMLError:
        yield usage
        return
    ended = threading.Event()
    watcher = threading.Thread(target=_watch, args=(nvml, name, usage, ended, every_s), daemon=True)
    watcher.start()
    try:
        yield usage
    finally:
        ended.set()
        watcher.join()
        nvml.nvmlShutdown()


def _watch(nvml: Any, name: str, usage: GpuUsage, ended: threading.Event, every_s: float) -> None:
    sharers = int(os.environ.get(SHARERS_VARIABLE, "1"))
    try:
        handle = _handle(nvml, name)
        began, before = time.monotonic(), _energy(nvml, handle)
        while True:
            last = ended.is_set()
            _look(nvml, handle, usage)
            usage.seconds = (time.monotonic() - began) / sharers
            if before is not None and (energy := _energy(nvml, handle)) is not None:
                usage.joules = (energy - before) / 1000 / sharers
            if last:
                return
            ended.wait(every_s)
    except nvml.NVMLError:
        return


def _handle(nvml: Any, name: str) -> Any:
    """The driver's handle of a GPU, named by number or UUID."""
    if name.isdigit():
        return nvml.nvmlDeviceGetHandleByIndex(int(name))
    return nvml.nvmlDeviceGetHandleByUUID(name)


def _look(nvml: Any, handle: Any, usage: GpuUsage) -> None:
    usage.busy_percent += float(nvml.nvmlDeviceGetUtilizationRates(handle).gpu)
    usage.looks += 1
    taken = _own_memory(nvml, handle)
    if taken is not None:
        usage.memory_mb = taken / MEGABYTE
        usage.peak_memory_mb = max(usage.peak_memory_mb or 0.0, taken / MEGABYTE)


def _energy(nvml: Any, handle: Any) -> float | None:
    """Millijoules since the driver was loaded; None for a GPU that does not count them (before Volta)."""
    try:
        return float(nvml.nvmlDeviceGetTotalEnergyConsumption(handle))
    except nvml.NVMLError:
        return None


def _own_memory(nvml: Any, handle: Any) -> int | None:
    """Bytes of this process; in a container, which hides process numbers, those of all processes on an unshared GPU."""
    processes = nvml.nvmlDeviceGetComputeRunningProcesses(handle)
    own = [process.usedGpuMemory for process in processes if process.pid == os.getpid()]
    if own and own[0] is not None:
        return int(own[0])
    if os.environ.get(SHARERS_VARIABLE, "1") == "1":
        return int(nvml.nvmlDeviceGetMemoryInfo(handle).used)
    return None
