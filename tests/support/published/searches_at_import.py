"""A script of KerasTuner's guide, which searches when it is run, and so when it is imported."""

from typing import Any

import keras
import keras_tuner
import numpy as np


def build(hp: Any) -> keras.Model:
    units = hp.Int("units", 2, 4)
    model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(units), keras.layers.Dense(1)])
    model.compile("adam", "mse")
    return model


tuner = keras_tuner.RandomSearch(build, objective="loss", max_trials=1, directory="tuned_at_import")
tuner.search(np.zeros((4, 2)), np.zeros((4, 1)), epochs=1, verbose=0)
