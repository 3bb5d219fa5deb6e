"""A trial's last completed epoch on disk, so that a killed trial goes on where it was.

Imported in workers only, since it handles Keras variables.
"""

from __future__ import annotations

import json
import os
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from ..messages import EpochEnded

Arrays = list[NDArray[Any]]


@dataclass
class TrainingState:
    """Where training stands. history: each epoch as it was told."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    history: list[EpochEnded] = field(default_factory=list)
    best_weights: Arrays = field(default_factory=list)


def save_checkpoint(
    path: Path, state: TrainingState, network: keras.Model, optimizer: keras.optimizers.Optimizer
) -> None:
    """Writes the state, the network's and the optimizer's variables under a temporary name, then renames.

    Raises OSError when the disk is full; an earlier checkpoint is then still whole.
    """
    described = {**asdict(state), "best_weights": None}
    arrays: dict[str, NDArray[Any]] = {"state": np.frombuffer(json.dumps(described).encode(), np.uint8)}
    for kind, values in (
        ("best", state.best_weights),
        ("network", network.get_weights()),
        ("optimizer", [keras.ops.convert_to_numpy(variable) for variable in optimizer.variables]),
    ):
        arrays.update({f"{kind}_{index:05d}": value for index, value in enumerate(values)})
    temporary = path.with_suffix(".writing")
    try:
        with temporary.open("wb") as file:
            np.savez(file, allow_pickle=False, **arrays)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    finally:
        temporary.unlink(missing_ok=True)


def load_checkpoint(path: Path, network: keras.Model, optimizer: keras.optimizers.Optimizer) -> TrainingState:
    """Puts a checkpoint's variables into network and optimizer; a fresh state where there is none that fits."""
    try:
        with np.load(path) as arrays:
            saved = {kind: _numbered(arrays, kind) for kind in ("best", "network", "optimizer")}
            described = json.loads(arrays["state"].tobytes())
    except (OSError, ValueError, KeyError, BadZipFile):
        return TrainingState()
    if [value.shape for value in saved["network"]] != [value.shape for value in network.get_weights()]:
        return TrainingState()
    optimizer.build(network.trainable_variables)
    if len(saved["optimizer"]) != len(optimizer.variables):
        return TrainingState()
    network.set_weights(saved["network"])
    for variable, value in zip(optimizer.variables, saved["optimizer"], strict=True):
        variable.assign(value)
    history = [EpochEnded(**entry) for entry in described["history"]]
    return TrainingState(**{**described, "history": history, "best_weights": saved["best"]})


def _numbered(arrays: Any, kind: str) -> Arrays:
    return [arrays[name] for name in sorted(arrays.files) if name.startswith(f"{kind}_")]
