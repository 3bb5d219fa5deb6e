"""Saves and loads models: MLflow model folders that can be checked before anything in them is loaded.

    MLmodel, requirements.txt, …   MLflow's own, so that `mlflow.keras.load_model` and `mlflow models serve` work
    data/model.keras               the network: uint8 pixels in, probabilities out
    model.json                     its contract (see `contract.py`)
    model_card.md, scores.json     what a promotion measured, in words and in numbers
    manifest.json                  the SHA-256 of every other file

Nothing in it is a pickle or code, and `load_model` refuses a folder that brings any.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import ModelError
from ...files.staging import staging
from ...quiet import import_keras_quietly
from ...text import first_line
from .contract import ModelContract, read_contract
from .declared_shapes import check_declared_shapes
from .own_classes import custom_objects
from .safety import check_keras_file, check_mlmodel

if TYPE_CHECKING:
    import keras

MANIFEST_FILE = "manifest.json"
NETWORK_FILE = "data/model.keras"
CARD_FILE, SCORES_FILE = "model_card.md", "scores.json"
_LARGEST_MANIFEST = 2**20  # bytes


def save_model(network: keras.Model, contract: ModelContract, folder: Path, *, for_serving: bool = False) -> None:
    """Saves a model to a folder, which is there complete or not at all.

    Args:
        network: A network from uint8 (n, height, width, channels) to probabilities float32 (n, outputs).
        contract: Its contract.
        folder: The folder to make; it must not exist.
        for_serving: As MLflow's python function, the model then takes image files and pixels of any size and answers
            with names (see `apertune.search.serving`); otherwise it takes pixels of the network's shape only and
            answers with probabilities.

    Raises:
        ModelError: The folder exists, or the network does not fit its contract.
    """
    from .mlflow_format import write_keras_model

    if folder.exists():
        raise ModelError(f"{folder} already exists: a model is never overwritten")
    _check_fit(network, contract)
    with staging(folder) as unfinished:
        with _no_compile_state(network):
            write_keras_model(network, contract, unfinished / "model", for_serving=for_serving)
        contract.write(unfinished / "model")
        write_manifest(unfinished / "model")
        (unfinished / "model").rename(folder)


@contextmanager
def _no_compile_state(network: keras.Model) -> Iterator[None]:
    """Hides how models inside the network were compiled: a loss or a metric of the user's could not be loaded."""
    compiled = [layer for layer in network._flatten_layers() if getattr(layer, "compiled", False)]
    for model in compiled:
        model.compiled = False
    try:
        yield
    finally:
        for model in compiled:
            model.compiled = True


def load_model(folder: Path) -> tuple[keras.Model, ModelContract]:
    """Loads a folder that `save_model` wrote, after checking it; nothing in it is run.

    Raises:
        ModelError: A file is missing, altered or a pickle, or asks Keras to run code (Lambda, TFSMLayer, classes from
            elsewhere) or to read files outside the folder.
    """
    contract = read_contract(folder)
    check_manifest(folder)
    check_mlmodel(folder)
    return load_network(folder / NETWORK_FILE, contract), contract


def load_network(path: Path, contract: ModelContract) -> keras.Model:
    """Loads a `.keras` file in safe mode, after checking its content.

    Raises:
        ModelError: The file is damaged or unsafe, or does not fit the contract.
    """
    stored = check_keras_file(path)
    import_keras_quietly()
    import keras

    check_declared_shapes(path, stored)

    try:
        network = keras.saving.load_model(path, custom_objects(), compile=False, safe_mode=True)
    except Exception as error:
        # Keras raises anything from TypeError to KeyError on a file that is not its own.
        raise ModelError(f"{path} cannot be loaded: {first_line(error)}") from error
    _check_fit(network, contract)
    return network


def add_texts(folder: Path, texts: Mapping[str, str]) -> None:
    """Adds text files to a folder that `save_model` wrote, by their names, and to its manifest."""
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")
    write_manifest(folder)


def write_manifest(folder: Path) -> None:
    """Writes the SHA-256 of every file in the folder, by its relative path."""
    names = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    sums = {name: _sha256(folder / name) for name in names if name != MANIFEST_FILE}
    (folder / MANIFEST_FILE).write_text(json.dumps(sums, indent=2), encoding="utf-8")


def check_manifest(folder: Path) -> None:
    """Raises ModelError when a file is missing, altered, or a link out of the folder, and names it."""
    root = folder.resolve()
    for name, expected in _read_manifest(folder).items():
        path = folder / name
        if not path.resolve().is_relative_to(root):
            raise ModelError(f"{folder / MANIFEST_FILE} names a file outside its folder: {name}")
        if not path.is_file():
            raise ModelError(f"{path} is missing: the model is not complete; fetch or save it again")
        if _sha256(path) != expected:
            raise ModelError(f"{path} was altered: its SHA-256 is not the one in {MANIFEST_FILE}; fetch it again")


def _read_manifest(folder: Path) -> dict[str, str]:
    path = folder / MANIFEST_FILE
    if not path.is_file():
        raise ModelError(f"{path} is missing: without it the model cannot be checked; fetch or save it again")
    try:
        sums = json.loads(path.read_text(encoding="utf-8")) if path.stat().st_size <= _LARGEST_MANIFEST else None
    except (ValueError, RecursionError):
        sums = None
    if not isinstance(sums, dict) or not all(isinstance(value, str) for value in sums.values()):
        raise ModelError(f"{path} is damaged: it must hold the SHA-256 of each file; fetch or save the model again")
    return sums


def _sha256(path: Path) -> str:
    digest = hashlib.sha256()
    with path.open("rb") as file:
        while block := file.read(2**20):
            digest.update(block)
    return digest.hexdigest()


def _check_fit(network: keras.Model, contract: ModelContract) -> None:
    shapes = (tuple(network.input_shape or ())[1:], tuple(network.output_shape or ())[1:])
    if shapes != (contract.image_shape, (contract.outputs,)):
        raise ModelError(
            f"the network takes {shapes[0]} and yields {shapes[1]}, but its contract says "
            f"{contract.image_shape} and ({contract.outputs},)"
        )
