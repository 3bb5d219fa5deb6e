from __future__ import annotations

import keras
import pytest

from apertune.spaces.recipes.optimizers import LEARNING_RATES, OptimizerSettings


@pytest.mark.parametrize("name", LEARNING_RATES)
def test_optimizers_take_their_settings(name: str) -> None:
    """Every optimizer is built with its rate, decay and clipping, and decays no bias."""
    optimizer = OptimizerSettings(name, 0.01, 0.5, True, weight_decay=0.1, clip_norm=1.0).build(0.01)
    config = optimizer.get_config()
    assert config["learning_rate"] == pytest.approx(0.01)
    assert config["weight_decay"] == 0.1
    assert config["global_clipnorm"] == 1.0
    layer = keras.layers.Dense(2)
    layer.build((None, 2))
    assert [optimizer._use_weight_decay(variable) for variable in layer.weights] == [True, False]


def test_averages_look_back_on_so_many_epochs() -> None:
    """The momentum of the weights' average is measured in epochs, whatever their number of steps."""
    plain = OptimizerSettings("adam", 0.01).build(0.01, steps_per_epoch=50)
    averaged = OptimizerSettings("sgd", 0.01, 0.9, True, averaged_epochs=2.0).build(0.01, steps_per_epoch=50)
    assert not plain.use_ema
    assert averaged.use_ema
    assert averaged.ema_momentum == pytest.approx(0.99)
    assert OptimizerSettings("adam", 0.01, averaged_epochs=0.25).build(0.01).ema_momentum == pytest.approx(0.5)
