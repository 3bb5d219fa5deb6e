"""The pixels that a user's model is made for."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from apertune.datasets.base import DataSpec
from apertune.errors import SpaceError
from apertune.spaces.foreign.adaptation import adapted

SPEC = DataSpec((8, 8, 1), "multiclass", ("a", "b", "c"), (4, 4, 4), 12)


def network(dtype: str) -> keras.Model:
    """Returns a model that converts its input itself, as those that are served with pictures do."""
    images = keras.Input((8, 8, 1), dtype=dtype)
    x = keras.layers.Flatten()(keras.ops.cast(images, "float32"))
    return keras.Model(images, keras.layers.Dense(3, activation="softmax")(x))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_an_input_of_whole_numbers_gets_whole_pixels(dtype: str) -> None:
    """Pixels from 0 to 1 would be rounded to black and white before such a model sees them."""
    model = network(dtype)
    made = adapted(model, SPEC, name="ours")
    assert made.pixels.words == "0 to 255"
    assert dtype in made.pixels.reason
    dark = np.random.default_rng(0).integers(0, 100, (4, 8, 8, 1)).astype(np.uint8)
    answers = keras.ops.convert_to_numpy(made.network(dark))
    np.testing.assert_allclose(answers, keras.ops.convert_to_numpy(model(dark)), atol=1e-6)
    with pytest.raises(SpaceError, match=f"rescale is yes, but its input takes whole numbers \\({dtype}\\)"):
        adapted(network(dtype), SPEC, name="ours", rescale=True)
    assert adapted(network(dtype), SPEC, name="ours", rescale=False).pixels.scale == 1


def test_an_input_of_any_other_type_is_judged_by_what_arrives() -> None:
    """A model that scales nothing gets pixels from 0 to 1."""
    assert adapted(network("float32"), SPEC, name="ours").pixels.words == "0 to 1"
