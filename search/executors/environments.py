"""The variables that give a worker process its device, its threads and its share of memory."""

from __future__ import annotations

import os
from collections.abc import Sequence

from ...datasets.cache import cache_folder
from .. import devices

_COMMON = {"TF_CPP_MIN_LOG_LEVEL": "2", "PYTHONSAFEPATH": "1", "MLFLOW_DISABLE_TELEMETRY": "true"}
_COMPILED_BYTES_AT_MOST = 2 * 10**9


def _common() -> dict[str, str]:
    """For every worker. With JAX, what is compiled is kept for later workers and searches, unless the user says where.

    So seeds, folds and a resumed trial, whose programs are the same, are not compiled anew.
    """
    if os.environ.get("KERAS_BACKEND") != "jax" or "JAX_COMPILATION_CACHE_DIR" in os.environ:
        return _COMMON
    return {
        **_COMMON,
        "JAX_COMPILATION_CACHE_DIR": str(cache_folder() / "compiled"),
        "JAX_COMPILATION_CACHE_MAX_SIZE": str(_COMPILED_BYTES_AT_MOST),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2",
    }


def worker_environments(workers: int, cards: Sequence[int] = (), per_card: int = 1) -> list[dict[str, str]]:
    """Variables for each worker: its one GPU, or its share of the processors so that workers do not fight.

    workers: how many on processors, used when `cards` is empty. cards: GPU numbers. per_card: workers on each.
    """
    if cards:
        return [gpu_environment(str(card), per_card) for card in cards for _ in range(per_card)]
    return [processor_environment(max(1, devices.processors() // workers), workers) for _ in range(workers)]


def gpu_environment(card: str, workers: int) -> dict[str, str]:
    """For a worker on a GPU that it may share: it takes memory as it needs it. card: number or UUID."""
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
    """For a worker that sees no GPU. threads: how many it may use; workers: how many share the machine's memory."""
    return {
        **_common(),
        devices.SHARERS_VARIABLE: str(workers),
        "CUDA_VISIBLE_DEVICES": "",
        "OMP_NUM_THREADS": str(threads),
        "TF_NUM_INTRAOP_THREADS": str(threads),
        "TF_NUM_INTEROP_THREADS": "1",
    }
