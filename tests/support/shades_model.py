"""A model that needs no training: it tells dark, middle and light images apart."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest
from PIL import Image

if TYPE_CHECKING:
    import keras

    from apertune.search.models.contract import ModelContract

SIZE = 16


@pytest.fixture(scope="session")
def shades_network() -> keras.Model:
    """Probabilities by the mean of all pixels: dark near 0, middle near 127, light near 255."""
    import keras

    images = keras.Input((SIZE, SIZE, 3), dtype="uint8")
    colours = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    mean = keras.layers.Dense(1, use_bias=False, kernel_initializer=keras.initializers.Constant(1 / 3))(colours)
    dense = keras.layers.Dense(3, activation="softmax")
    network = keras.Model(images, dense(mean))
    dense.set_weights([np.array([[-40.0, 0.0, 40.0]]), np.array([10.0, 0.0, -30.0])])
    return network


@pytest.fixture(scope="session")
def shades_contract() -> ModelContract:
    from apertune.search.models.contract import ModelContract

    return ModelContract(("dark", "middle", "light"), "multiclass", (SIZE, SIZE, 3), "shades", "cd" * 32)


@pytest.fixture(scope="session")
def shades_model(
    shades_network: keras.Model, shades_contract: ModelContract, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The model's folder, packaged for serving."""
    from apertune.search.models.package import save_model

    folder = tmp_path_factory.mktemp("shades") / "model"
    save_model(shades_network, shades_contract, folder, for_serving=True)
    return folder


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    """Pictures of several sizes, kinds and colours, and one file that is not a picture."""
    folder = tmp_path / "pictures"
    (folder / "more pictures").mkdir(parents=True)
    Image.new("RGB", (40, 30), (5, 5, 5)).save(folder / "a dark.jpg")
    Image.new("L", (16, 16), 128).save(folder / "b middle.png")
    Image.new("RGBA", (200, 100), (255, 255, 255, 0)).save(folder / "more pictures" / "light.PNG")
    (folder / "c broken.jpg").write_bytes(b"\xff\xd8 no picture")
    (folder / "notes.txt").write_text("not meant for the model")
    return folder
