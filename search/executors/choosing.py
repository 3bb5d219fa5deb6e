"""Makes the executor that the settings ask for."""

from __future__ import annotations

from pathlib import Path

from ...errors import SettingError
from ..settings import PlaceSettings
from . import devices
from .base import Executor
from .environments import worker_environments
from .local.executor import LocalExecutor

# Beyond that, workers wait for each other, and each takes its memory all the same.
MOST_WORKERS_A_PROCESSOR = 4


def check_places(places: PlaceSettings) -> None:
    """Checks that this machine has the GPUs that are named, and the processors for so many workers.

    Nothing is known about a cluster before it is reached.

    Raises:
        SettingError: it does not.
    """
    if places.cluster is None:
        _check_counts(places)
        local_environments(places)


def _check_counts(places: PlaceSettings) -> None:
    processors = devices.processors()
    most = MOST_WORKERS_A_PROCESSOR * processors
    for flag, count in (("--workers", places.workers or 1), ("--per-gpu", places.per_gpu)):
        if count > most:
            why = f"{MOST_WORKERS_A_PROCESSOR} a processor, and this machine has {processors}"
            raise SettingError(f"{flag} must be at most {most} ({why}), but got {count}")


def make_executor(places: PlaceSettings, logs: Path, *, at_most: int | None = None) -> Executor:
    """Makes workers on this machine, or on a Ray cluster.

    Args:
        places: where trials run.
        logs: the folder for the workers' log files.
        at_most: the number of trials; no more workers than that are started on processors, so that each has its
            share of the threads.

    Raises:
        SettingError: this machine lacks a GPU that is named, or the processors for so many workers.
    """
    if places.cluster is None:
        _check_counts(places)
        return LocalExecutor(local_environments(places, at_most=at_most), logs)
    from .ray.executor import RayExecutor

    return RayExecutor(
        places.cluster,
        logs,
        workers=places.workers,
        per_gpu=places.per_gpu,
        use_gpus=places.gpus != (),
    )


def local_environments(places: PlaceSettings, *, at_most: int | None = None) -> list[dict[str, str]]:
    """Returns the environment variables of each worker on this machine.

    Args:
        places: where trials run.
        at_most: the most workers to start on processors; as many as the settings say unless given.

    Raises:
        SettingError: a GPU that is named is not there.
    """
    if places.workers is not None:
        return worker_environments(min(places.workers, at_most or places.workers))
    there = [] if places.gpus == () else [card.index for card in devices.gpus()]
    cards = there if places.gpus is None else list(places.gpus)
    missing = sorted(set(cards) - set(there))
    if missing:
        have = f"has {', '.join(map(str, there))}" if there else "shows no GPU"
        raise SettingError(f"--gpus names {', '.join(map(str, missing))}, but this machine {have}; see nvidia-smi")
    if cards:
        return worker_environments(0, cards, places.per_gpu)
    if places.per_gpu > 1:
        raise SettingError(
            f"--per-gpu {places.per_gpu} shares GPUs, but this machine shows none; say --workers instead"
        )
    default = devices.default_cpu_workers()
    return worker_environments(min(default, at_most or default))
