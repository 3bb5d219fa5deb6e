"""A space whose networks do not all fit into the memory of a device, for `benchmarks/gpu.py`."""

from __future__ import annotations

import keras
import keras_tuner

# A table of 2^20 x 2^20 float32 weights takes 4 TiB; what 2^25 units answer to each pixel of one face, 309 GB. Both are
# refused at once: what nearly fits would first fill the machine's memory.
ROWS = 2**20
UNITS = 2**25
CLASSES = 7


class Oversized(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A small network, one with too many weights, and one whose activations are too large."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        too_large = hp.Choice("too_large", ["nothing", "weights", "activations"], default="nothing")
        image = keras.Input((48, 48, 1), dtype="uint8")
        x = keras.layers.Rescaling(1 / 127.5, offset=-1)(image)
        x = keras.layers.Conv2D(8, 3, activation="relu")(x)
        if too_large == "activations":
            x = keras.layers.Dense(UNITS, activation="relu")(x)
        x = keras.layers.GlobalAveragePooling2D()(x)
        if too_large == "weights":
            x = keras.layers.Embedding(ROWS, ROWS)(keras.ops.argmax(x, axis=-1))
        return keras.Model(image, keras.layers.Dense(CLASSES, activation="softmax", dtype="float32")(x))
