"""The environment variables that give a worker process its device, its threads and its share of memory."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence

from ...datasets.cache.entries import cache_folder
from ...errors import SettingError
from ...keras_backend import keras_backend
from ...text import counted
from . import devices
from .memory_bound import SEARCH_MB, check_bound, most_workers
from .other_searches import fair_processors, other_searches, told_of_others
from .places import PlaceSettings

# Beyond that, workers wait for each other, and each takes its memory all the same.
MOST_WORKERS_PER_PROCESSOR = 4
_COMMON = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONSAFEPATH": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
_COMPILED_BYTES_AT_MOST = 2 * 10**9


def on_this_machine(environment: Mapping[str, str]) -> dict[str, str]:
    """Returns a worker's variables with those that name folders, which differ between the nodes of a cluster.

    JAX keeps compiled programs for later workers and searches, unless the user says where. So other seeds, folds and
    resumed trials, whose programs are the same, are not compiled anew.
    """
    if environment["KERAS_BACKEND"] != "jax" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return dict(environment)
    return {
        **environment,
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder() / "compiled"),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(_COMPILED_BYTES_AT_MOST),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }


def _common() -> dict[str, str]:
    return {**_COMMON, "KERAS_BACKEND": keras_backend()}


def worker_environments(
    workers: int, cards: Sequence[int] = (), per_card: int = 1, *, processors: int | None = None
) -> list[dict[str, str]]:
    """Returns the variables of each worker: its GPU, or its share of the processors.

    Args:
        workers: Number of workers on processors; used if there are no cards.
        cards: Numbers of the GPUs.
        per_card: Workers per GPU. The second on a GPU comes after the first on every other one, since a search with
            few trials fills the first slots alone.
        processors: Processors that workers share; all of this machine unless given.
    """
    if cards:
        made = [gpu_environment(str(card), per_card) for _ in range(per_card) for card in cards]
    else:
        threads = max(1, (processors or devices.processors()) // workers)
        made = [processor_environment(threads, workers) for _ in range(workers)]
    return [on_this_machine(environment) for environment in made]


def gpu_environment(card: str, workers: int) -> dict[str, str]:
    """Returns the variables of a worker on a GPU, which takes memory only as it needs it.

    Args:
        card: Number or UUID of the GPU.
        workers: Workers that share it.
    """
    return {
        **_common(),
        devices.SHARERS_VARIABLE: str(workers),
        "CUDA_VISIBLE_DEVICES": card,
        # Numbers as the driver and nvidia-smi count, where CUDA by itself would begin with the fastest.
        "CUDA_DEVICE_ORDER": "PCI_BUS_ID",
        "TF_FORCE_GPU_ALLOW_GROWTH": "true",
        "XLA_PYTHON_CLIENT_PREALLOCATE": "false",
    }


def processor_environment(threads: int, workers: int) -> dict[str, str]:
    """Returns the variables of a worker that sees no GPU.

    Args:
        threads: Threads it may use.
        workers: Workers that share the machine's memory.
    """
    return {
        **_common(),
        devices.SHARERS_VARIABLE: str(workers),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }


def check_counts(places: PlaceSettings) -> None:
    """Checks that this machine has the processors for so many workers.

    Raises:
        SettingError: It has not.
    """
    processors = devices.processors()
    most = MOST_WORKERS_PER_PROCESSOR * processors
    for flag, count in (("--workers", places.workers or 1), ("--per-gpu", places.per_gpu)):
        if count > most:
            why = f"{MOST_WORKERS_PER_PROCESSOR} per processor, and this machine has {processors}"
            raise SettingError(f"{flag} must be at most {most} ({why}), but got {count}")


def local_environments(places: PlaceSettings, *, at_most: int | None = None) -> list[dict[str, str]]:
    """Returns the environment variables of each worker on this machine.

    Args:
        places: Where trials run.
        at_most: The most workers to start on processors; as many as the settings say unless given.

    Raises:
        SettingError: A GPU that is named is not there, or `--memory` has no room for so many workers.
    """
    if places.workers is not None:
        return _bounded(places, min(places.workers, at_most or places.workers), "--workers")
    there = [] if places.gpus == () else [card.index for card in devices.gpus()]
    cards = there if places.gpus is None else list(places.gpus)
    missing = sorted(set(cards) - set(there))
    if missing:
        have = f"has {', '.join(map(str, there))}" if there else "shows no GPU"
        raise SettingError(f"--gpus names {', '.join(map(str, missing))}, but this machine {have}; see nvidia-smi")
    if cards:
        return _bounded(places, len(cards) * places.per_gpu, "", cards)
    if places.per_gpu > 1:
        raise SettingError(
            f"--per-gpu {places.per_gpu} shares GPUs, but this machine shows none; say --workers instead"
        )
    processors = fair_processors(devices.processors(), len(other_searches()))
    default = default_workers(places, processors)
    return _bounded(places, min(default, at_most or default), "", processors=processors)


def default_workers(places: PlaceSettings, processors: int) -> int:
    """Returns how many workers are started on so many processors, unless the user says: as many as memory allows."""
    if places.memory_mb is None:
        return min(processors, devices.default_cpu_workers())
    _, free_mb = devices.memory_mb()
    return max(1, min(most_workers(min(places.memory_mb, free_mb)), processors, devices.most_cpu_workers()))


def told_of_machine(places: PlaceSettings, environments: Sequence[Mapping[str, str]], at_most: int | None) -> list[str]:
    """Returns lines on why fewer workers start than there are processors, and on other searches.

    Args:
        places: Where trials run.
        environments: The variables of the workers, as `local_environments` returns them.
        at_most: The most that would start if nothing else counted, since there are no more trials; None for any.
    """
    others = other_searches()
    on_gpus = any(environment["CUDA_VISIBLE_DEVICES"] for environment in environments)
    choice = "gpus" if on_gpus else "workers" if places.workers is not None else "default"
    lines = [told_of_others(others, devices.processors(), choice)]
    if choice == "default":
        fair = min(devices.most_cpu_workers(), fair_processors(devices.processors(), len(others)))
        lines.append(_told_of_memory(places, len(environments), min(fair, at_most or fair)))
    return [line for line in lines if line]


def _told_of_memory(places: PlaceSettings, workers: int, wanted: int) -> str:
    """Returns a line on the memory that let fewer workers start than wanted; empty where it did not.

    Args:
        places: Where trials run.
        workers: The workers that start.
        wanted: The workers that would start if memory had room.
    """
    if workers >= wanted:
        return ""
    _, free_mb = devices.memory_mb()
    bound_mb = places.memory_mb
    if bound_mb is not None and bound_mb <= free_mb:
        return f"--memory {places.memory} has room for {counted(workers, 'worker')}."
    free = f"{free_mb * 2**20 / 1e9:.1f} GB"
    return f"Only {counted(workers, 'worker')}, since {free} of memory are free; --workers starts more."


def _bounded(
    places: PlaceSettings, workers: int, flag: str, cards: Sequence[int] = (), *, processors: int | None = None
) -> list[dict[str, str]]:
    """Returns the variables of so many workers, each with its share of the memory that the user allows.

    Args:
        places: Where trials run.
        workers: Number of workers.
        flag: The flag that starts fewer; empty where none does.
        cards: Numbers of the GPUs, if they train on some.
        processors: Processors that they share; all of this machine unless given.

    Raises:
        SettingError: The bound has no room for them.
    """
    made = worker_environments(workers, cards, places.per_gpu, processors=processors)
    bound_mb = places.memory_mb
    if places.memory is None or bound_mb is None:
        return made
    check_bound(places.memory, workers, flag, on_gpu=bool(cards))
    share = (bound_mb - SEARCH_MB) / workers
    return [{**environment, devices.MEMORY_VARIABLE: f"{share:.0f}"} for environment in made]
