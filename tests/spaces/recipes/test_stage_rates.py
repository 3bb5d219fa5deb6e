"""Learning rates that fall from stage to stage: the same networks are trained as with one optimizer per stage."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

from apertune import spaces
from apertune.spaces.networks.pretrained import BACKBONES
from apertune.spaces.recipes.optimizers import CLASSES
from apertune.spaces.recipes.stage_rates import stage_factors, stages, use_factors

FACTOR = 0.5


def network() -> keras.Model:
    keras.utils.set_random_seed(0)
    inputs = keras.Input((8, 8, 1))
    x = keras.layers.Conv2D(4, 3, padding="same", name="first")(inputs)
    x = keras.layers.Conv2D(4, 3, padding="same", strides=2, name="second")(x)
    squeezed = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    x = keras.layers.Multiply()([x, keras.layers.Dense(4, activation="sigmoid", name="squeeze")(squeezed)])
    x = keras.layers.Conv2D(4, 3, padding="same", name="third")(x)
    backbone = keras.Model(inputs, keras.layers.Conv2D(4, 3, padding="same", strides=2, name="last")(x))
    outer = keras.Input((8, 8, 1))
    x = keras.layers.GlobalAveragePooling2D()(backbone(outer))
    return keras.Model(outer, keras.layers.Dense(3, activation="softmax", name="head")(x))


def backbone_of(model: keras.Model) -> keras.Model:
    (backbone,) = (layer for layer in model.layers if isinstance(layer, keras.Model))
    return backbone


def steps(model: keras.Model, optimizer: keras.optimizers.Optimizer) -> list[np.ndarray[Any, Any]]:
    """Returns by how much each variable moves in three steps."""
    random = np.random.default_rng(0)
    images = random.normal(size=(8, 8, 8, 1)).astype(np.float32)
    targets = np.eye(3, dtype=np.float32)[random.integers(0, 3, 8)]
    before = [np.asarray(keras.ops.convert_to_numpy(one)) for one in model.trainable_variables]
    model.compile(optimizer, "categorical_crossentropy")
    model.fit(images, targets, batch_size=8, epochs=3, verbose=0)
    after = [np.asarray(keras.ops.convert_to_numpy(one)) for one in model.trainable_variables]
    return [new - old for new, old in zip(after, before, strict=True)]


def test_stages_end_where_the_resolution_falls() -> None:
    """Layers on means, as of squeeze-and-excitation, belong to the stage around them."""
    found = [[layer.name for layer in stage if layer.weights] for stage in stages(backbone_of(network()))]
    assert found == [["first"], ["second", "squeeze", "third"], ["last"]]


@pytest.mark.parametrize("name", CLASSES)
def test_a_first_step_is_as_long_as_its_stage_lets_it(name: str) -> None:
    """With every optimizer, decay included, the first step of a stage is its factor's share of what it would be."""

    def first_step(factor: float) -> list[np.ndarray[Any, Any]]:
        model = network()
        optimizer = CLASSES[name](1e-2, weight_decay=0.1)
        if factor != 1.0:
            use_factors(optimizer, stage_factors(backbone_of(model), factor))
        optimizer.build(model.trainable_variables)
        gradients = [keras.ops.full(one.shape, 0.3) for one in model.trainable_variables]
        before = [keras.ops.convert_to_numpy(one) for one in model.trainable_variables]
        optimizer.apply(gradients, model.trainable_variables)
        after = [keras.ops.convert_to_numpy(one) for one in model.trainable_variables]
        return [new - old for new, old in zip(after, before, strict=True)]

    model = network()
    factors = {"first": FACTOR**3, "second": FACTOR**2, "squeeze": FACTOR**2, "third": FACTOR**2, "last": FACTOR}
    shares = [factors.get(one.path.split("/")[-2], 1.0) for one in model.trainable_variables]
    assert sorted(set(shares)) == [0.125, 0.25, 0.5, 1.0]
    for lowered, whole, share in zip(first_step(FACTOR), first_step(1.0), shares, strict=True):
        # Decay and update are taken one after the other, which is of second order.
        np.testing.assert_allclose(lowered, whole * share, rtol=2e-3, atol=1e-7)


def test_compiled_trainings_lower_rates_too() -> None:
    """In `fit`, where the step is compiled, lower stages move less and the head as before."""

    def moved(factor: float) -> dict[str, float]:
        model = network()
        optimizer = keras.optimizers.Adam(1e-3, use_ema=True)
        if factor != 1.0:
            use_factors(optimizer, stage_factors(backbone_of(model), factor))
        names = [one.path.split("/")[-2] for one in model.trainable_variables]
        return {name: float(np.abs(step).mean()) for name, step in zip(names, steps(model, optimizer), strict=True)}

    lowered, whole = moved(FACTOR), moved(1.0)
    assert lowered["first"] < 0.2 * whole["first"]
    assert lowered["last"] < 0.7 * whole["last"]
    assert lowered["head"] == pytest.approx(whole["head"], rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_has_stages(name: str, spec_of: Any) -> None:
    """Each has four to six, and every variable of it has a factor."""
    space = spaces.load("pretrained", spec_of("multiclass", (64, 64, 3)), options={"weights": "none", "backbone": name})
    search_space = spaces.discover(space)
    hp = spaces.hyperparameters(search_space, search_space.defaults())
    backbone = backbone_of(space.candidate(hp, epochs=1, seed=0).network)
    factors = stage_factors(backbone, FACTOR)
    assert 4 <= len(stages(backbone)) <= 6
    assert factors.keys() == {id(one) for one in backbone.trainable_variables}
    assert max(factors.values()) == FACTOR
