"""Checkpoints: the last whole epoch of a trial on disk, from which a killed trial goes on as if nothing had happened.

That takes, beside the weights and the optimizer's variables, the state of every random generator in the layers and
of the callbacks. Imported in workers only, since it handles Keras variables.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any
from zipfile import BadZipFile

import keras
import numpy as np
from numpy.typing import NDArray

from ...files.replacing import replacing
from ...spaces.base import Candidate
from ..messages import EpochEnded

Arrays = list[NDArray[Any]]


@dataclass
class TrainingState:
    """The progress of a training."""

    epoch: int = 0
    best_epoch: int = 0
    best_value: float | None = None
    history: list[EpochEnded] = field(default_factory=list)
    """The epochs so far, as they were told."""

    best_weights: Arrays = field(default_factory=list)
    callbacks: list[dict[str, Any]] = field(default_factory=list)
    """Plain attributes of each callback."""


def save_checkpoint(path: Path, state: TrainingState, candidate: Candidate) -> None:
    """Writes the state and the variables of everything that is trained, safe against power loss.

    Raises:
        OSError: The disk is full; an earlier checkpoint is then still whole.
    """
    described = {**asdict(replace(state, best_weights=[])), "callbacks": plain_attributes(candidate)}
    arrays: dict[str, NDArray[Any]] = {"state": np.frombuffer(json.dumps(described).encode(), np.uint8)}
    for kind, values in (
        ("best", state.best_weights),
        ("network", candidate.network.get_weights()),
        ("optimizer", _numbers(candidate.optimizer.variables)),
        ("random", _numbers(_random_states(candidate))),
    ):
        arrays.update({f"{kind}_{index:05d}": value for index, value in enumerate(values)})
    with replacing(path, durable=True) as file:
        np.savez(file, allow_pickle=False, **arrays)


def load_checkpoint(path: Path, candidate: Candidate) -> TrainingState:
    """Puts the variables of a checkpoint into the candidate.

    Callbacks forget their state when a training begins, so `restore_callbacks` puts it back after that.

    Returns:
        The state of the checkpoint; a fresh one if there is no checkpoint that fits.
    """
    network, optimizer, random = candidate.network, candidate.optimizer, _random_states(candidate)
    try:
        with np.load(path) as arrays:
            saved = {kind: _numbered(arrays, kind) for kind in ("best", "network", "optimizer", "random")}
            described = json.loads(arrays["state"].tobytes())
    except (OSError, EOFError, ValueError, KeyError, BadZipFile):
        return TrainingState()
    if [value.shape for value in saved["network"]] != [value.shape for value in network.get_weights()]:
        return TrainingState()
    optimizer.build(network.trainable_variables)
    if len(saved["optimizer"]) != len(optimizer.variables) or len(saved["random"]) != len(random):
        return TrainingState()
    network.set_weights(saved["network"])
    restored = [*saved["optimizer"], *saved["random"]]
    for variable, value in zip([*optimizer.variables, *random], restored, strict=True):
        variable.assign(value)
    history = [EpochEnded(**entry) for entry in described["history"]]
    return TrainingState(**{**described, "history": history, "best_weights": saved["best"]})


def plain_attributes(candidate: Candidate) -> list[dict[str, Any]]:
    """Returns the plain attributes of each callback, such as how long `ReduceLROnPlateau` has waited."""
    return [
        {name: value for name, value in vars(callback).items() if isinstance(value, (bool, int, float, str))}
        for callback in candidate.callbacks
    ]


def restore_callbacks(state: TrainingState, candidate: Candidate) -> None:
    """Gives each callback the attributes that it had; does nothing for a fresh state."""
    for callback, attributes in zip(candidate.callbacks, state.callbacks, strict=False):
        # Keras changes the sign of `min_delta` at the first epoch's end of each training.
        vars(callback).update({name: value for name, value in attributes.items() if name != "min_delta"})


def _random_states(candidate: Candidate) -> list[Any]:
    """The state of every random generator in the layers: variables to Keras, but no weights."""
    states = []
    for layer in (candidate.network, candidate.augmentation):
        if layer is not None:
            weights = {id(weight) for weight in layer.weights}
            states += [variable for variable in layer.variables if id(variable) not in weights]
    return states


def _numbers(variables: list[Any]) -> Arrays:
    return [keras.ops.convert_to_numpy(variable) for variable in variables]


def _numbered(arrays: Any, kind: str) -> Arrays:
    return [arrays[name] for name in sorted(arrays.files) if name.startswith(f"{kind}_")]
