"""Which executor the settings ask for."""

from __future__ import annotations

from pathlib import Path

from ...errors import SettingError
from .. import devices
from ..settings import SearchSettings
from .base import Executor
from .environments import worker_environments
from .local import LocalExecutor


def make_executor(settings: SearchSettings, logs: Path) -> Executor:
    """Workers on this machine, or on a Ray cluster. logs: the folder for their log files. Raises SettingError."""
    if settings.cluster is None:
        return LocalExecutor(local_environments(settings), logs)
    from .ray import RayExecutor

    return RayExecutor(
        settings.cluster,
        logs,
        workers=settings.workers,
        per_gpu=settings.per_gpu,
        use_gpus=settings.gpus != (),
    )


def local_environments(settings: SearchSettings) -> list[dict[str, str]]:
    """For each worker on this machine its variables. Raises SettingError for a GPU that is not there."""
    if settings.workers is not None:
        return worker_environments(settings.workers)
    there = [card.index for card in devices.gpus()]
    cards = there if settings.gpus is None else list(settings.gpus)
    missing = sorted(set(cards) - set(there))
    if missing:
        have = f"has {', '.join(map(str, there))}" if there else "shows no GPU"
        raise SettingError(f"--gpus names {', '.join(map(str, missing))}, but this machine {have}; see nvidia-smi")
    if cards:
        return worker_environments(0, cards, settings.per_gpu)
    if settings.per_gpu > 1:
        raise SettingError(
            f"--per-gpu {settings.per_gpu} shares GPUs, but this machine shows none; say --workers instead"
        )
    return worker_environments(devices.default_cpu_workers())
