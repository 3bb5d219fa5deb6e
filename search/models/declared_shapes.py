"""Checks what a `.keras` file declares against the weights that it holds, before Keras makes anything of that size.

The network is built once from its configuration alone, in a scope in which Keras notes the shapes of variables and
makes none. That holds for every layer, while a list of settings to look at (`units`, `filters`, `input_dim`) would not.
"""

from __future__ import annotations

import json
import math
import zipfile
from collections.abc import Container, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...errors import ModelError
from ...text import first_line
from .own_classes import custom_objects

if TYPE_CHECKING:
    import keras

# Numbers that a network may declare beyond those stored: states that Keras does not save, such as those of seeds.
_UNSTORED = 2**20
# Numbers in one layer's answer to one image: 1 GB as float32.
_LARGEST_ANSWER = 2**28


def check_declared_shapes(path: Path, stored: int) -> None:
    """Checks the sizes that a `.keras` file declares, without making variables of them.

    Args:
        path: The file, which `check_keras_file` has passed.
        stored: Number of values in its weights.

    Raises:
        ModelError: The network declares far more than is stored, or answers too large to be computed; or it cannot be
            built.
    """
    with zipfile.ZipFile(path) as archive:
        config = json.loads(archive.read("config.json"))
    with _shapes_only():
        try:
            network = _built(config)
        # Keras raises anything from TypeError to KeyError on a configuration that is not its own.
        except Exception as error:
            if _names_any(config, custom_objects()):
                # A class that the user trusts may need variables with values in order to be made.
                return
            raise ModelError(f"{path} cannot be loaded: {first_line(error)}") from error
        declared = sum(math.prod(variable.shape) for variable in network.variables)
        if declared > stored + _UNSTORED:
            raise ModelError(
                f"{path} declares {declared:,} weights, but holds {stored:,}: it is not loaded, since it would take "
                f"{4 * declared / 1e9:,.1f} GB of memory"
            )
        for name, shape in _answers(network):
            if math.prod(size or 1 for size in shape) > _LARGEST_ANSWER:
                numbers = " x ".join(map(str, shape[1:]))
                raise ModelError(
                    f"{path}: the layer '{name[:80]}' answers one image with {numbers} numbers, "
                    f"more than {_LARGEST_ANSWER:,}: it is not loaded"
                )


def _built(config: Any) -> keras.Model:
    import keras

    network: keras.Model = keras.saving.deserialize_keras_object(config, custom_objects(), safe_mode=True)
    return network


def _names_any(config: Any, names: Container[str]) -> bool:
    """Returns whether a configuration holds one of these names of classes or functions anywhere."""
    if isinstance(config, dict):
        return any(_names_any(value, names) for value in config.values())
    if isinstance(config, list):
        return any(_names_any(value, names) for value in config)
    return isinstance(config, str) and config.rpartition(">")[2] in names


def _answers(network: keras.Model) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Yields the name of each layer and operation with the shape of what it answers, where it is known."""
    for part in (*network._flatten_layers(), *getattr(network, "operations", ())):
        for node in getattr(part, "_inbound_nodes", ()):
            for answer in node.output_tensors:
                yield part.name, tuple(answer.shape)


@contextmanager
def _shapes_only() -> Iterator[None]:
    """Has Keras note variables without making them, and forget them afterwards."""
    import keras
    from keras.src.backend.common import global_state

    waiting = global_state.get_global_attribute("uninitialized_variables", [])
    # A list of its own, since Keras adds to the one that is there, and later makes all that are on it.
    global_state.set_global_attribute("uninitialized_variables", [])
    try:
        with keras.StatelessScope(initialize_variables=False):
            yield
    finally:
        global_state.set_global_attribute("uninitialized_variables", waiting)
