"""Makes the executor that the settings ask for."""

from __future__ import annotations

import importlib
from pathlib import Path

from ...keras_backend import check_backend, keras_backend
from .base import Executor
from .environments import check_counts, local_environments
from .places import PlaceSettings
from .registry import find_executor


def check_places(places: PlaceSettings) -> None:
    """Checks that this machine has the GPUs that are named, the processors for so many workers, and Keras's backend.

    Nothing is known about a cluster before it is reached.

    Raises:
        SettingError: It has not.
    """
    keras_backend()
    if places.cluster is None:
        check_backend()
        check_counts(places)
        local_environments(places)


def make_executor(
    places: PlaceSettings, logs: Path, *, at_most: int | None = None, only: int | None = None
) -> Executor:
    """Makes the executor that `--cluster` asks for in `registry.py`: without it, workers on this machine.

    Args:
        places: Where trials run.
        logs: The folder for the workers' log files.
        at_most: Number of trials. No more workers than that are started on processors of this machine, so that each
            has its share of the threads.
        only: Workers to start on this machine; each has the share of it that it would have among all of `places`.

    Raises:
        SettingError: This machine lacks a GPU that is named, or the processors for so many workers.
    """
    module, _, function = find_executor(places.cluster).target.partition(":")
    make = getattr(importlib.import_module(module, __package__), function)
    executor: Executor = make(places, logs, at_most=at_most, only=only)
    return executor
