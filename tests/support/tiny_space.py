"""A space of one dense layer, built in a moment, for real trainings in the test's own process."""

from __future__ import annotations

from typing import Any

import keras

from apertune.spaces.search_space.parameters import Parameter, SearchSpace

# The space that discovery would find in `build`, in about a second.
SPACE = SearchSpace(
    (
        Parameter("rate", "float", 1e-2, low=1e-4, high=1e-1, sampling="log"),
        Parameter("factor", "choice", "1", values=("1", "nan", "inf")),
    )
)


class FactorOutsideTraining(keras.layers.Layer):
    """Multiplies its input by a factor, except in training."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self._factor = factor

    def call(self, inputs: Any, training: bool | None = None) -> Any:
        return inputs if training else inputs * self._factor


def build(hp: Any) -> keras.Model:
    """Builds the network; its answers outside training are multiplied by `factor`, which may be "nan" or "inf"."""
    rate = hp.Float("rate", 1e-4, 1e-1, default=1e-2, sampling="log")
    factor = float(hp.Choice("factor", ["1", "nan", "inf"]))
    layers = [keras.Input((8, 8, 1)), keras.layers.Rescaling(1 / 255), keras.layers.Flatten()]
    layers += [keras.layers.Dense(3, activation="softmax"), FactorOutsideTraining(factor)]
    model = keras.Sequential(layers)
    model.compile(keras.optimizers.Adam(rate), "categorical_crossentropy")
    return model
