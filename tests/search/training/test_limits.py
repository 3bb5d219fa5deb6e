"""Limits kept before training, on real small networks: of the shipped spaces, and of a user's HyperModel."""

from __future__ import annotations

import keras
import keras_tuner
import numpy as np
import pytest

from apertune import spaces
from apertune.datasets import from_arrays
from apertune.datasets.base import TrainingView
from apertune.search.messages import DiscoveryTask, LimitsTask, SpaceReference
from apertune.search.training import limits
from apertune.search.training.network_cost import measure_cost
from apertune.search.training.worker import discover
from apertune.spaces.portfolio import portfolio_of
from apertune.spaces.search_space.parameters import SearchSpace, Values


@pytest.fixture(scope="module")
def view() -> TrainingView:
    images = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 1), np.uint8)
    return from_arrays("tiny", images, np.arange(60, dtype=np.int32) % 3, tuple("abc")).training_view()


class Odd(keras_tuner.HyperModel):  # type: ignore[misc]  # KerasTuner ships no types
    """A network whose parameters have names that nobody could guess."""

    def build(self, hp: keras_tuner.HyperParameters) -> keras.Model:
        x = inputs = keras.Input((8, 8, 1))
        x = keras.layers.Flatten()(x)
        for _ in range(hp.Int("floors", 1, 4, default=3)):
            x = keras.layers.Dense(
                hp.Int("rooms", 8, 128, step=8, default=96), activation=hp.Choice("roof", ["relu", "gelu"])
            )(x)
        x = keras.layers.Dropout(hp.Float("draught", 0.0, 0.5, step=0.1, default=0.3))(x)
        model = keras.Model(inputs, keras.layers.Dense(3, activation="softmax")(x))
        model.compile(
            keras.optimizers.SGD(hp.Float("pace", 1e-3, 1e-1, sampling="log", default=2e-2)), "categorical_crossentropy"
        )
        return model


def parameters_of(space: spaces.base.Space, search_space: SearchSpace, values: Values) -> float:
    candidate = space.candidate(spaces.hyperparameters(search_space, values), epochs=2, seed=0)
    return measure_cost(candidate.network, (8, 8, 1), latency=False)["parameters"]


@pytest.mark.parametrize("name", ["convnet", "residual"])
def test_the_default_and_the_portfolio_are_made_to_fit(
    view: TrainingView, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each keeps its recipe, holds no more than the limit when it is built in earnest."""
    # Without an end, since a slow machine is to find the same.
    monkeypatch.setattr(limits, "MOST_SECONDS", 600.0)
    space = spaces.load(name, view.spec())
    found = spaces.discover(space)
    default = found.defaults()
    limit = parameters_of(space, found, default) / 4
    given = [
        default,
        *(found.configuration(lambda p, v=v: p.nearest(v.get(p.name, p.default))) for v in portfolio_of("convnet")[:2]),
    ]
    task = DiscoveryTask(view, SpaceReference(name), within=LimitsTask(found, {"parameters": limit}, tuple(given)))
    answer = discover(task)
    assert isinstance(answer, limits.Discovered)
    assert len(answer.shrunk) == len(given)
    recipe = {"optimizer", "learning_rate", "schedule", "augmentation", "batch_size"}
    for before, shrunk in zip(given, answer.shrunk, strict=True):
        assert shrunk.fits
        real = parameters_of(space, found, shrunk.values)
        assert real <= limit
        assert real == pytest.approx(shrunk.ratios["parameters"] * limit)
        assert {n: before[n] for n in recipe & before.keys()} == {
            n: shrunk.values[n] for n in recipe & shrunk.values.keys()
        }
    again = discover(task)
    assert isinstance(again, limits.Discovered)
    assert again.shrunk == answer.shrunk


def test_a_users_own_network_is_shrunk_by_its_measured_cost(view: TrainingView) -> None:
    """Only the numbers that make it smaller go down; rate, dropout and activation stay."""
    space = spaces.load(f"{__name__}:Odd", view.spec())
    found = spaces.discover(space)
    task = LimitsTask(found, {"parameters": 6000.0, "flops": 9000.0}, (found.defaults(),), (found.defaults(),))
    answer = limits.bring_within(space, view, task)
    (shrunk,) = answer.shrunk
    assert shrunk.fits
    assert shrunk.given["flops"] > 1
    assert (shrunk.values["pace"], shrunk.values["draught"], shrunk.values["roof"]) == (2e-2, 0.3, "relu")
    assert shrunk.values["rooms"] < 96 or shrunk.values["floors"] < 3
    ((measured, ratios),) = answer.measured
    assert measured == found.defaults()
    assert ratios == shrunk.given


def test_a_limit_on_latency_is_kept_by_measuring(view: TrainingView) -> None:
    """Latency is measured with weights; networks that count the same are timed once."""
    space = spaces.load("convnet", view.spec())
    found = spaces.narrow(spaces.discover(space), {"convolutions": "1"}, {"blocks": "1..2"})
    task = LimitsTask(found, {"latency_ms": 1e-6}, (found.defaults(),))
    (shrunk,) = limits.bring_within(space, view, task).shrunk
    assert not shrunk.fits
    assert shrunk.given["latency_ms"] > 1


def test_what_takes_too_long_is_left_out(view: TrainingView, monkeypatch: pytest.MonkeyPatch) -> None:
    """The user waits for no more than some seconds: without time, nothing is measured."""
    monkeypatch.setattr(limits, "MOST_SECONDS", -1.0)
    space = spaces.load("convnet", view.spec())
    found = spaces.discover(space)
    answer = limits.bring_within(
        space, view, LimitsTask(found, {"flops": 1.0}, (found.defaults(),), (found.defaults(),))
    )
    assert not answer.shrunk[0].fits
    assert answer.measured == ()
