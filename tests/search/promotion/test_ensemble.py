"""Ensembles: the choice of networks, the gain of their average, and the average as one network."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from apertune.search.evaluation.metrics import METRICS
from apertune.search.models.calibrated_network import with_temperature
from apertune.search.models.contract import ModelContract
from apertune.search.models.package import load_model, save_model
from apertune.search.promotion.ensemble import averaged_network, choose_ensemble, greedy_selection

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

LABELS = np.random.default_rng(0).integers(0, 3, 300).astype(np.int32)
ACCURACY = METRICS["accuracy"]


def noisy(noise: float, seed: int) -> np.ndarray:
    """Returns probabilities that favour the right class, less so with more noise."""
    logits = np.eye(3)[LABELS] + np.random.default_rng(seed).normal(0, noise, (len(LABELS), 3))
    powers = np.exp(logits)
    return (powers / powers.sum(axis=1, keepdims=True)).astype(np.float32)


def test_independent_errors_are_averaged_out() -> None:
    """Several networks that err independently have an average that is significantly better."""
    candidates = [noisy(1.0, seed) for seed in range(5)]
    choice = choose_ensemble(ACCURACY, LABELS, candidates, candidates[0], 5, seed=0)
    assert choice.better
    assert choice.gain.low > 0
    assert 2 <= len(choice.picks) <= 5
    assert sum(choice.picks.values()) <= 5


def test_copies_are_not_worth_averaging() -> None:
    """Networks with the same answers gain nothing from averaging, so only one is picked."""
    same = noisy(1.0, 1)
    choice = choose_ensemble(ACCURACY, LABELS, [same, same.copy(), same.copy()], same, 4, seed=0)
    assert not choice.better
    assert choice.gain.value == 0
    assert len(choice.picks) == 1


def test_one_perfect_network_is_picked_alone() -> None:
    """The selection stops at the best average on the way, and ties keep the smaller one."""
    assert greedy_selection(ACCURACY, LABELS, [noisy(2.0, 1), np.eye(3, dtype=np.float32)[LABELS]], 5) == [1]


def test_a_candidate_may_be_picked_again() -> None:
    """The strongest network gets more weight by being picked more than once."""
    loss = METRICS["log_loss"]
    picks = greedy_selection(loss, LABELS, [noisy(0.5, 1), noisy(1.2, 2)], 6)
    assert picks.count(0) > picks.count(1)


def test_the_average_is_one_network_that_saves_and_loads(tmp_path: Path) -> None:
    """Networks of equal names become one, whose saved form yields the weighted mean of their probabilities."""
    networks = [small_network(seed) for seed in (1, 2)]
    pixels = np.random.default_rng(0).integers(0, 255, (7, 6, 6, 1), np.uint8)
    first, second = (network.predict(pixels, verbose=0) for network in networks)
    expected = 0.75 * first + 0.25 * second
    averaged = averaged_network(networks, [0.75, 0.25])
    np.testing.assert_allclose(averaged.predict(pixels, verbose=0), expected, rtol=1e-5)
    contract = ModelContract(("a", "b", "c"), "multiclass", (6, 6, 1), "toys", "ab" * 32)
    save_model(with_temperature(averaged, "multiclass", 1.5), contract, tmp_path / "model", for_serving=True)
    loaded, _ = load_model(tmp_path / "model")
    powers = expected ** (1 / 1.5)
    answered = loaded.predict(pixels, verbose=0)
    np.testing.assert_allclose(answered, powers / powers.sum(axis=1, keepdims=True), rtol=1e-4)


def small_network(seed: int) -> keras.Model:
    keras.utils.set_random_seed(seed)
    pixels = keras.Input((6, 6, 1), dtype="uint8", name="pixels")
    features = keras.layers.Flatten(name="flat")(keras.layers.Rescaling(1 / 255, name="scaled")(pixels))
    return keras.Model(pixels, keras.layers.Dense(3, activation="softmax", name="head")(features), name="same")
