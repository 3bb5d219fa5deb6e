"""A user's own model under mixed precision."""

from __future__ import annotations

from collections.abc import Iterator

import keras
import numpy as np
import pytest

from apertune.datasets.base import DataSpec
from apertune.spaces.foreign.adaptation import adapted


@pytest.fixture
def mixed_precision() -> Iterator[None]:
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    yield
    keras.config.set_dtype_policy(before)


@pytest.mark.usefixtures("mixed_precision")
@pytest.mark.parametrize("last", ["softmax", None])
@pytest.mark.parametrize("nested", [False, True])
def test_probabilities_have_all_their_bits(last: str | None, nested: bool) -> None:
    """The last layer computes in float32, even inside a nested model, and the others in 16 bits as asked for."""
    hidden = keras.layers.Dense(8, activation="relu")
    layers = [keras.layers.Flatten(), hidden, keras.layers.Dense(4, activation=last)]
    model = keras.Sequential([keras.Input((8, 8, 1)), *([keras.Sequential(layers)] if nested else layers)])
    spec = DataSpec((8, 8, 1), "multiclass", ("a", "b", "c", "d"), (4, 4, 4, 4), 16)
    network = adapted(model, spec, name="ours").network
    images = np.random.default_rng(0).integers(0, 256, (16, 8, 8, 1), np.uint8)
    probabilities = keras.ops.convert_to_numpy(network(images))
    assert probabilities.dtype == np.float32
    np.testing.assert_allclose(probabilities.sum(axis=1), 1.0, atol=1e-6)
    assert hidden.compute_dtype == "bfloat16"
