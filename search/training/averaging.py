"""Moving averages of a network's weights, kept by Keras's optimizers, which are evaluated in place of the weights.

Source: Polyak and Juditsky, Acceleration of Stochastic Approximation by Averaging, SIAM J. Control Optim. 1992.
Keras's own callback, `SwapEMAWeights`, exchanges them after the epoch was scored here.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import keras


def keeps_averages(optimizer: Any) -> bool:
    """Returns whether an optimizer keeps averages and has built them."""
    return bool(getattr(optimizer, "use_ema", False) and optimizer.built)


@contextlib.contextmanager
def averaged_weights(network: keras.Model, optimizer: Any) -> Iterator[None]:
    """Gives a network the averages of its weights for a while; does nothing where the optimizer keeps none.

    Args:
        network: The network that the optimizer was built for.
        optimizer: A Keras optimizer, or None.
    """
    if not keeps_averages(optimizer):
        yield
        return
    raw = [keras.ops.copy(variable.value) for variable in network.weights]
    keep_averages(network, optimizer)
    try:
        yield
    finally:
        for variable, value in zip(network.weights, raw, strict=True):
            variable.assign(value)


def keep_averages(network: keras.Model, optimizer: Any) -> None:
    """Gives a network the averages of its weights for good; does nothing where the optimizer keeps none."""
    if keeps_averages(optimizer):
        optimizer.finalize_variable_values(network.trainable_variables)
