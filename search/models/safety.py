"""Checks a model's files before anything loads them, so that files from elsewhere cannot run code or read files.

Keras's safe mode prevents most of this in its newest releases. These checks hold for every release that apertune
allows, bound the size of what is read, and say in one line what is wrong.
"""

from __future__ import annotations

import json
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

from ...errors import ModelError
from ...text import first_line
from .own_classes import is_trusted

_LARGEST_CONFIG = 16 * 2**20  # bytes; the largest networks of keras.applications have 1 MB
_LARGEST_EXPANSION = 200  # times the stored size; trained weights hardly compress
_LARGEST_MLMODEL = 2**20  # bytes
_MOST_LAYERS = 5000  # the deepest networks of keras.applications have 1,000
_MEMBERS = {"metadata.json", "config.json", "model.weights.h5"}
_PICKLES = (".pkl", ".pickle", ".pt", ".pth", ".joblib", ".cloudpickle", ".dill", ".npy")
_RUNS_CODE = {"Lambda", "TFSMLayer", "TorchModuleWrapper", "JaxLayer", "FlaxLayer", "__lambda__", "__typespec__"}
_READS_FILES = {"StringLookup", "IntegerLookup", "IndexLookup", "TextVectorization"}
_KERAS_MODULES = {
    "keras.layers",
    "keras.models",
    "keras.activations",
    "keras.initializers",
    "keras.regularizers",
    "keras.constraints",
    "keras.dtype_policies",
    "keras.ops",
    "keras.optimizers",
    "keras.optimizers.schedules",
    "keras.losses",
    "keras.metrics",
}
_KERAS_INTERNALS = ("keras.src.models.", "keras.src.ops.", "keras.src.layers.")
# A layer of Keras's own ConvNeXt, which Keras defines beside that network.
_KERAS_OTHERS = {("keras.src.applications.convnext", "LayerScale")}


def check_mlmodel(folder: Path) -> None:
    """Raises ModelError unless the MLflow folder holds a Keras network, saved by apertune, and no pickle or code."""
    from .mlflow_format import SERVING_LOADER, read_flavors

    for path in folder.rglob("*"):
        if path.suffix.lower() in (*_PICKLES, ".py", ".pyc", ".so"):
            raise ModelError(f"{path} can run code when it is loaded: apertune loads models saved as .keras files only")
    path = folder / "MLmodel"
    if not path.is_file() or path.stat().st_size > _LARGEST_MLMODEL:
        raise ModelError(f"{folder} is no MLflow model folder: its file MLmodel is missing or over-large")
    flavors = read_flavors(folder)
    loader = flavors.get("python_function", {}).get("loader_module")
    if "keras" not in flavors or loader not in ("mlflow.keras", SERVING_LOADER):
        raise ModelError(f"{path} names the loader '{loader}'; apertune loads models that it saved itself")


def check_keras_file(path: Path) -> int:
    """Checks that a file is a `.keras` file of stock or registered layers and plain weights.

    Returns:
        The number of values in its weights.

    Raises:
        ModelError: It is not.
    """
    if path.suffix != ".keras" or not zipfile.is_zipfile(path):
        raise ModelError(f"{path} is not a .keras file, the only kind of network that apertune loads")
    try:
        with zipfile.ZipFile(path) as archive:
            _check_members(path, archive)
            _check_config(path, json.loads(archive.read("config.json")))
            with tempfile.TemporaryFile() as weights, archive.open("model.weights.h5") as member:
                while block := member.read(2**20):
                    weights.write(block)
                return _check_weights(path, weights)
    except (zipfile.BadZipFile, KeyError, ValueError, OSError, EOFError) as error:
        raise ModelError(f"{path} is damaged: {first_line(error)}") from None
    except RecursionError:
        raise ModelError(f"{path}: its config.json is nested too deeply") from None


def _check_members(path: Path, archive: zipfile.ZipFile) -> None:
    members = {entry.filename: entry for entry in archive.infolist()}
    if set(members) != _MEMBERS or len(archive.infolist()) != len(_MEMBERS):
        raise ModelError(f"{path} must hold {', '.join(sorted(_MEMBERS))} only, but holds {sorted(members)[:6]}")
    for name in ("config.json", "metadata.json"):
        if members[name].file_size > _LARGEST_CONFIG:
            raise ModelError(f"{path}: {name} must be at most {_LARGEST_CONFIG} bytes, not {members[name].file_size}")
    for entry in members.values():
        if entry.file_size > 2**20 and entry.file_size > _LARGEST_EXPANSION * max(entry.compress_size, 1):
            raise ModelError(f"{path}: {entry.filename} unpacks to {entry.file_size} bytes, which looks like a bomb")


def _check_config(path: Path, config: Any) -> None:
    if sum("inbound_nodes" in entry for entry in _objects(config)) > _MOST_LAYERS:
        raise ModelError(f"{path} has more than {_MOST_LAYERS:,} layers: it is not loaded")
    for entry in _objects(config):
        name, module = str(entry["class_name"]), entry.get("module")
        registered = str(entry.get("registered_name"))
        if name in _RUNS_CODE:
            raise ModelError(f"{path} has a layer of the kind {name}, which runs code of the file: it is not loaded")
        if name in _READS_FILES:
            raise ModelError(f"{path} has a layer of the kind {name}, which can read files: it is not loaded")
        known = module is None or _is_known(str(module), name) or _is_registered(registered)
        if not (known or is_trusted(str(module), name)):
            raise ModelError(
                f"{path} asks for {module}.{name}, which is not part of Keras: it is not loaded; if it is a class of "
                f"yours, name its module with --space {module}:{name}"
            )


def _objects(config: Any) -> Iterator[dict[str, Any]]:
    """Yields every part of a configuration from which Keras would make an object or a function."""
    waiting = [config]
    while waiting:
        entry = waiting.pop()
        if isinstance(entry, dict):
            if "class_name" in entry:
                yield entry
            waiting.extend(entry.values())
        elif isinstance(entry, list):
            waiting.extend(entry)


def _is_known(module: str, name: str) -> bool:
    if module == "keras":
        return name in ("Sequential", "Model", "Functional", "Variable", "DTypePolicy")
    if module == "builtins" or (module, name) in _KERAS_OTHERS:
        return True
    return module in _KERAS_MODULES or module.startswith(_KERAS_INTERNALS)


def _is_registered(name: str) -> bool:
    import keras

    return keras.saving.get_registered_object(name) is not None


def _check_weights(path: Path, file: IO[bytes]) -> int:
    """Returns the number of values that are stored."""
    import h5py

    stored = 0

    def linked(name: str, link: Any) -> str | None:
        return name if isinstance(link, h5py.ExternalLink | h5py.SoftLink) else None

    def fault(name: str, item: Any) -> str | None:
        nonlocal stored
        if not isinstance(item, h5py.Dataset):
            return None
        stored += int(item.size or 0)
        if item.external or item.is_virtual:
            return f"are kept in another file at '{name}': they are not loaded"
        if item.nbytes > 2**20 and item.nbytes > _LARGEST_EXPANSION * max(item.id.get_storage_size(), 1):
            return f"unpack at '{name}' to {item.nbytes} bytes, which looks like a bomb"
        return None

    with h5py.File(file, "r") as weights:
        # A visit ends at the first answer that is not None; an exception must not pass through h5py's C code.
        if (name := weights.visititems_links(linked)) is not None:
            raise ModelError(f"{path}: its weights link elsewhere at '{name}': they are not loaded")
        if message := weights.visititems(fault):
            raise ModelError(f"{path}: its weights {message}")
    return stored
