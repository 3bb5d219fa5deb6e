"""Moving averages of the weights: evaluated in place of the weights, which then go on as they were."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from apertune.search.training.averaging import averaged_weights, keep_averages


def trained(*, use_ema: bool) -> tuple[keras.Model, keras.optimizers.Optimizer]:
    keras.utils.set_random_seed(0)
    network = keras.Sequential([keras.Input((4,)), keras.layers.Dense(3), keras.layers.BatchNormalization()])
    optimizer = keras.optimizers.SGD(0.1, use_ema=use_ema, ema_momentum=0.5)
    optimizer.build(network.trainable_variables)
    for _ in range(3):
        optimizer.apply([keras.ops.ones_like(variable) for variable in network.trainable_variables])
    return network, optimizer


def test_averages_stand_in_for_a_while() -> None:
    """Inside, the kernel is the average of its past; outside it is what the last step made of it."""
    network, optimizer = trained(use_ema=True)
    last = [np.array(weight) for weight in network.get_weights()]
    with averaged_weights(network, optimizer):
        inside = network.get_weights()[0]
    # Steps of 0.1 with momentum 0.5: the average lags behind by 0.1 * (1 - 0.5 ** 2) steps.
    assert inside == pytest.approx(last[0] + 0.1 * 0.75, abs=1e-6)
    for before, after in zip(last, network.get_weights(), strict=True):
        assert np.array_equal(before, after)


def test_averages_can_stay() -> None:
    """At the end of a training with a fixed number of epochs the averages are the model."""
    network, optimizer = trained(use_ema=True)
    with averaged_weights(network, optimizer):
        inside = network.get_weights()
    keep_averages(network, optimizer)
    assert all(np.array_equal(one, other) for one, other in zip(inside, network.get_weights(), strict=True))


@pytest.mark.parametrize("optimizer", [None, "sgd"])
def test_an_optimizer_without_averages_changes_nothing(optimizer: str | None) -> None:
    """Optimizers that keep no averages, or a user's loop that keeps its optimizer to itself, leave weights alone."""
    network, plain = trained(use_ema=False)
    before = network.get_weights()
    with averaged_weights(network, plain if optimizer else None):
        assert all(np.array_equal(one, other) for one, other in zip(before, network.get_weights(), strict=True))
