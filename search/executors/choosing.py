"""Which executor the settings ask for."""

from __future__ import annotations

from pathlib import Path

from ...errors import SettingError
from ..settings import SearchSettings
from . import devices
from .base import Executor
from .environments import worker_environments
from .local.executor import LocalExecutor

# Beyond that, workers wait for each other, and each takes its memory all the same.
MOST_WORKERS_A_PROCESSOR = 4


def check_places(settings: SearchSettings) -> None:
    """Raises SettingError for more workers than this machine's processors can feed, and for a GPU that is not there.

    Of a cluster nothing is known before it is reached.
    """
    if settings.cluster is None:
        _check_counts(settings)
        local_environments(settings)


def _check_counts(settings: SearchSettings) -> None:
    processors = devices.processors()
    most = MOST_WORKERS_A_PROCESSOR * processors
    for flag, count in (("--workers", settings.workers or 1), ("--per-gpu", settings.per_gpu)):
        if count > most:
            why = f"{MOST_WORKERS_A_PROCESSOR} a processor, and this machine has {processors}"
            raise SettingError(f"{flag} must be at most {most} ({why}), but got {count}")


def make_executor(settings: SearchSettings, logs: Path) -> Executor:
    """Workers on this machine, or on a Ray cluster. logs: the folder for their log files. Raises SettingError.

    On processors there are no more workers than trials, so that each has its share of the threads.
    """
    if settings.cluster is None:
        _check_counts(settings)
        return LocalExecutor(local_environments(settings, at_most=settings.trials), logs)
    from .ray.executor import RayExecutor

    return RayExecutor(
        settings.cluster,
        logs,
        workers=settings.workers,
        per_gpu=settings.per_gpu,
        use_gpus=settings.gpus != (),
    )


def local_environments(settings: SearchSettings, *, at_most: int | None = None) -> list[dict[str, str]]:
    """For each worker on this machine its variables. at_most: workers on processors; as many as the settings say unless
    given. Raises SettingError for a GPU that is not there."""
    if settings.workers is not None:
        return worker_environments(min(settings.workers, at_most or settings.workers))
    there = [] if settings.gpus == () else [card.index for card in devices.gpus()]
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
    default = devices.default_cpu_workers()
    return worker_environments(min(default, at_most or default))
