"""A module that sets Keras's dtype policy when it is imported, as scripts for mixed precision do."""

from typing import Any

import keras
from keras import layers

keras.mixed_precision.set_global_policy("mixed_float16")


def build(hp: Any) -> keras.Model:
    hidden = layers.Dense(hp.Int("units", 8, 16, step=8), activation="relu")
    parts = [keras.Input((8, 8, 1)), layers.Flatten(), hidden, layers.Dense(10, activation="softmax", dtype="float32")]
    model = keras.Sequential(parts)
    model.compile("adam", "sparse_categorical_crossentropy", metrics=["accuracy"])
    return model
