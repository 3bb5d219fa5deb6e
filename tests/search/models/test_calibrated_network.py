"""A temperature inside a network changes probabilities as dividing its logits would."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from apertune.datasets.base import Task
from apertune.search.export import export_model
from apertune.search.models.calibrated_network import with_temperature
from apertune.search.models.contract import ModelContract
from apertune.search.models.package import load_model, save_model

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")


def networks(task: Task, outputs: int) -> tuple[keras.Model, keras.Model]:
    """One network that yields probabilities, and the same one's logits."""
    keras.utils.set_random_seed(2)
    images = keras.Input((8, 8, 1), dtype="uint8")
    logits = keras.layers.Dense(outputs)(keras.layers.Flatten()(keras.layers.Rescaling(1 / 64)(images)))
    activation = "softmax" if task == "multiclass" else "sigmoid"
    return keras.Model(images, keras.layers.Activation(activation)(logits)), keras.Model(images, logits)


@pytest.mark.parametrize(("task", "outputs"), [("multiclass", 3), ("binary", 1), ("multilabel", 3)])
def test_logits_are_divided(task: Task, outputs: int) -> None:
    """For each task, the calibrated network equals the activation of logits over temperature."""
    network, logits = networks(task, outputs)
    pixels = np.random.default_rng(0).integers(0, 256, (9, 8, 8, 1), dtype=np.uint8)
    divided = keras.ops.convert_to_tensor(logits.predict_on_batch(pixels) / 2.5)
    activation = keras.ops.softmax if task == "multiclass" else keras.ops.sigmoid
    calibrated = with_temperature(network, task, 2.5).predict_on_batch(pixels)
    np.testing.assert_allclose(calibrated, keras.ops.convert_to_numpy(activation(divided)), atol=1e-5)


def test_calibrated_network_is_saved_and_exported(tmp_path: Path) -> None:
    """It passes the checks of a saved model, comes back with its answers, and exports with parity."""
    calibrated = with_temperature(networks("multiclass", 3)[0], "multiclass", 0.7)
    contract = ModelContract(("a", "b", "c"), "multiclass", (8, 8, 1), "toys", "ab" * 32, temperature=0.7)
    save_model(calibrated, contract, tmp_path / "model")
    pixels = np.random.default_rng(0).integers(0, 256, (4, 8, 8, 1), dtype=np.uint8)
    expected = calibrated.predict_on_batch(pixels)
    np.testing.assert_allclose(load_model(tmp_path / "model")[0].predict_on_batch(pixels), expected, atol=1e-6)
    report = export_model(tmp_path / "model", tmp_path / "out", formats=("onnx", "litert"))
    assert [row.problem for row in report.rows] == [None, None]


def test_temperature_of_one_changes_nothing() -> None:
    """At temperature 1 the network stays as it is."""
    network = networks("binary", 1)[0]
    assert with_temperature(network, "binary", 1.0) is network
