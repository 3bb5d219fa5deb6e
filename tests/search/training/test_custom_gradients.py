"""Memory that a framework would keep of every traced model."""

from __future__ import annotations

import gc

import keras
import numpy as np
from tensorflow.python.framework.func_graph import FuncGraph

from apertune.search.training.custom_gradients import forgotten_gradients


def _train() -> keras.Model:
    # `silu` is a custom gradient in TensorFlow.
    model = keras.Sequential([keras.layers.Dense(3, activation="silu"), keras.layers.Dense(1)])
    optimizer = keras.optimizers.SGD(0.1)
    model.build((None, 2))
    optimizer.build(model.trainable_variables)
    model.compile(optimizer, loss="mse")
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    return model


def _graphs() -> int:
    keras.utils.clear_session()
    gc.collect()
    return sum(isinstance(kept, FuncGraph) for kept in gc.get_objects())


def test_a_traced_model_is_freed() -> None:
    """A model whose step was traced with custom gradients leaves no graph in the process."""
    before = _graphs()
    with forgotten_gradients():
        _train()
    assert _graphs() == before


def test_models_of_before_are_left_alone() -> None:
    """A model traced earlier still trains after another one was freed."""
    model = _train()
    with forgotten_gradients():
        _train()
    model.fit(np.ones((4, 2)), np.ones((4, 1)), verbose=0)
    assert np.isfinite(model.evaluate(np.ones((4, 2)), np.ones((4, 1)), verbose=0))
