"""Puts a temperature inside a network, so that every export and server answers calibrated probabilities.

Source: Guo et al. 2017, On Calibration of Modern Neural Networks, section 4.2.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...datasets.base import Task

if TYPE_CHECKING:
    import keras

_SMALLEST = 1e-7  # a probability of 0 has no logarithm


def with_temperature(network: keras.Model, task: Task, temperature: float) -> keras.Model:
    """Divides a network's logits by a temperature.

    A softmax ignores a constant added to all logits, so the logarithms of its probabilities serve as logits.

    Args:
        network: A network that yields probabilities.
        task: Its task.
        temperature: Above 1 makes answers less sure, below 1 surer; the order of classes stays.

    Returns:
        A network that yields the calibrated probabilities; the given one for a temperature of 1.
    """
    import keras

    if temperature == 1.0:
        return network
    images = keras.Input(network.input_shape[1:], dtype=network.input_dtype)
    probabilities = keras.ops.clip(network(images), _SMALLEST, 1 - _SMALLEST)
    logits = keras.ops.log(probabilities)
    if task == "multiclass":
        calibrated = keras.layers.Softmax(dtype="float32")(logits / temperature)
    else:
        logits = logits - keras.ops.log(1 - probabilities)
        calibrated = keras.layers.Activation("sigmoid", dtype="float32")(logits / temperature)
    return keras.Model(images, calibrated, name=f"{network.name}_calibrated")
