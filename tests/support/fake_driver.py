"""A stand-in for the driver of two NVIDIA GPUs, as the module `pynvml` shows it."""

from __future__ import annotations

import os
from types import SimpleNamespace

MB = 2**20


class DriverError(Exception):
    pass


class FakeDriver:
    """Two GPUs of 1000 MB: this process holds the values of `held` on the second, another 700 MB of the first."""

    NVMLError = DriverError

    def __init__(self, held: list[int], own_process: int | None = None) -> None:
        self.held = held
        self.own_process = os.getpid() if own_process is None else own_process
        self.opened = 0

    def nvmlInit(self) -> None:  # noqa: N802  (the driver's name)
        self.opened += 1

    def nvmlShutdown(self) -> None:  # noqa: N802  (the driver's name)
        self.opened -= 1

    def nvmlDeviceGetCount(self) -> int:  # noqa: N802  (the driver's name)
        return 2

    def nvmlDeviceGetHandleByIndex(self, index: int) -> int:  # noqa: N802  (the driver's name)
        return index

    def nvmlDeviceGetHandleByUUID(self, uuid: str) -> int:  # noqa: N802  (the driver's name)
        return int(uuid.removeprefix("GPU-"))

    def nvmlDeviceGetUUID(self, handle: int) -> str:  # noqa: N802  (the driver's name)
        return f"GPU-{handle}"

    def nvmlDeviceGetName(self, handle: int) -> str:  # noqa: N802  (the driver's name)
        return "a GPU"

    def nvmlDeviceGetMemoryInfo(self, handle: int) -> SimpleNamespace:  # noqa: N802  (the driver's name)
        used = (700 if handle == 0 else max(self.held)) * MB
        return SimpleNamespace(used=used, free=1000 * MB - used, total=1000 * MB)

    def nvmlDeviceGetUtilizationRates(self, handle: int) -> SimpleNamespace:  # noqa: N802  (the driver's name)
        return SimpleNamespace(gpu=90 if handle == 0 else 40)

    def nvmlDeviceGetTotalEnergyConsumption(self, handle: int) -> int:  # noqa: N802  (the driver's name)
        raise DriverError("not supported")

    def nvmlDeviceGetComputeRunningProcesses(self, handle: int) -> list[SimpleNamespace]:  # noqa: N802
        if handle == 0:
            return [SimpleNamespace(pid=1, usedGpuMemory=700 * MB)]
        held = self.held.pop(0) if len(self.held) > 1 else self.held[0]
        return [
            SimpleNamespace(pid=1, usedGpuMemory=5 * MB),
            SimpleNamespace(pid=self.own_process, usedGpuMemory=held * MB),
        ]
