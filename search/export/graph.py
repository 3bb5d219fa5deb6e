"""The graph that gets exported: pixels in, probabilities out, for images of the network's size and of any size."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ...datasets.base import Images
from ...errors import SettingError
from ..evaluation.decisions import Probabilities
from ..models.contract import ModelContract
from .resizing import resize_images

if TYPE_CHECKING:
    import keras

FIXED_SIGNATURE = "serving_default"
ANY_SIZE_SIGNATURE = "any_size"
INPUT = "images"
OUTPUT = "probabilities"
_BATCH = 128


def in_float32(network: keras.Model) -> keras.Model:
    """Returns the same network computing in float32, which every runtime has; itself when it does already.

    A network trained with mixed precision keeps its weights in float32, so no precision is lost. Its own answers are
    rounded to three digits on the way, so exported files are compared with those of the network that this returns.
    """
    import keras

    if all(layer.compute_dtype in ("float32", "uint8", "int32") for layer in network._flatten_layers()):
        return network
    config = _with_float32_policies(keras.saving.serialize_keras_object(network))
    plain = keras.saving.deserialize_keras_object(config, safe_mode=True)
    plain.set_weights(network.get_weights())
    return plain


def has_any_size(contract: ModelContract) -> bool:
    """Returns whether images of any size can be resized to the network's: apertune resizes to squares only."""
    return contract.image_shape[0] == contract.image_shape[1]


def make_signatures(
    network: keras.Model, contract: ModelContract, *, frozen: bool, any_size: bool = True
) -> tuple[Any, dict[str, Any]]:
    """Makes a TensorFlow module of the graph, with a function per signature, each from `images` to `probabilities`.

    `serving_default` takes images of the network's shape, uint8 (n, height, width, channels). `any_size` takes RGB
    images of any one size, uint8 (n, any, any, 3), and converts and resizes them as the data set's images were; it
    is there only when the network's images are square.

    Args:
        network: uint8 pixels to probabilities, in float32.
        contract: The network's contract.
        frozen: Makes constants of the weights, which LiteRT needs.
        any_size: Makes `any_size`, too.

    Returns:
        The module, and its functions by signature.

    Raises:
        SettingError: Keras runs on another backend than TensorFlow.
    """
    import keras
    import tensorflow as tf

    if keras.backend.backend() != "tensorflow":
        raise SettingError(
            f"SavedModel, ONNX and LiteRT are written by TensorFlow, but KERAS_BACKEND is {keras.backend.backend()}; "
            "export with KERAS_BACKEND=tensorflow, or --formats keras"
        )
    call = _with_constant_weights(network) if frozen else lambda images: network(images, training=False)
    fixed = tf.TensorSpec((None, *contract.image_shape), tf.uint8, name=INPUT)
    functions = {FIXED_SIGNATURE: tf.function(lambda images: {OUTPUT: call(images)}, input_signature=[fixed])}
    if any_size and has_any_size(contract):
        rgb = tf.TensorSpec((None, None, None, 3), tf.uint8, name=INPUT)
        functions[ANY_SIZE_SIGNATURE] = tf.function(
            lambda images: {OUTPUT: call(resize_images(images, contract))}, input_signature=[rgb]
        )
    module = tf.Module()
    module.network = network
    # The random states of augmentation inside a network, which Keras does not let TensorFlow's writer find.
    module.states = [variable.value for variable in network.variables]
    module.functions = list(functions.values())
    return module, functions


def save_graph(network: keras.Model, contract: ModelContract, folder: Path, *, frozen: bool) -> list[str]:
    """Writes the graph of `make_signatures` as a SavedModel and returns the names of its signatures."""
    import tensorflow as tf

    module, functions = make_signatures(network, contract, frozen=frozen)
    tf.saved_model.save(module, str(folder), signatures=functions)
    return list(functions)


def _with_constant_weights(network: keras.Model) -> Any:
    import keras
    import tensorflow as tf

    trainable = [keras.ops.convert_to_numpy(variable) for variable in network.trainable_variables]
    others = [keras.ops.convert_to_numpy(variable) for variable in network.non_trainable_variables]

    def call(images: Any) -> Any:
        weights = [tf.constant(value) for value in trainable], [tf.constant(value) for value in others]
        probabilities, _ = network.stateless_call(*weights, images, training=False)
        return probabilities

    return call


def _with_float32_policies(config: Any) -> Any:
    if isinstance(config, list):
        return [_with_float32_policies(entry) for entry in config]
    if not isinstance(config, dict):
        return config
    if config.get("class_name") == "DTypePolicy" and str(config["config"].get("name")).startswith("mixed_"):
        return {**config, "config": {**config["config"], "name": "float32"}}
    return {key: _with_float32_policies(value) for key, value in config.items()}


def predict(network: keras.Model, images: Images) -> Probabilities:
    """Returns the probabilities, float32 (n, outputs), of images, uint8 (n, height, width, channels).

    Works batch by batch: Keras's `predict` starts a data pipeline at each call, which takes 100 ms for one image.
    """
    batches = [images[start : start + _BATCH] for start in range(0, len(images), _BATCH)]
    return np.concatenate([np.asarray(network.predict_on_batch(batch), np.float32) for batch in batches])
