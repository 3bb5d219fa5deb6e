"""Every network that a search may find can be exported: each option of each shipped space, in every format."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from apertune import spaces
from apertune.datasets.base import DataSpec, Task
from apertune.search.export.exporting import plan
from apertune.search.export.formats import FORMATS, ExportJob, find_format, open_exported
from apertune.search.export.graph import predict
from apertune.search.export.parity import generated_images, other_sizes
from apertune.search.models.calibrated_network import with_temperature
from apertune.search.models.contract import ModelContract
from apertune.search.models.package import load_model, save_model
from apertune.spaces.networks.pretrained import BACKBONES
from apertune.spaces.search_space.parameters import Values

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CLASSES = ("a", "b", "c")


def network_of(space: str, task: Task, size: int, turn: int = 0, **options: str) -> keras.Model:
    """The network whose every parameter takes its option number `turn`, counted round."""
    spec = DataSpec((size, size, 3), task, CLASSES, (10, 10, 10), 30)
    loaded = spaces.load(space, spec, options=options)
    discovered = spaces.discover(loaded)
    values: Values = {}
    for parameter in discovered.active(values):
        choices = parameter.options
        values[parameter.name] = parameter.default if choices is None else choices[turn % len(choices)]
    keras.utils.set_random_seed(turn)
    return loaded.candidate(spaces.hyperparameters(discovered, values), epochs=2, seed=0).network


def check_formats(network: keras.Model, task: Task, size: int, folder: Path) -> None:
    """Saves and loads the network, writes every format in every precision, and compares them in this process."""
    contract = ModelContract(CLASSES, task, (size, size, 3), "toys", "ab" * 32)
    save_model(with_temperature(network, task, 1.3), contract, folder / "model")
    loaded, _ = load_model(folder / "model")
    images = generated_images(contract, 8)
    expected = predict(loaded, images.pixels)
    sizes, resized = other_sizes(images, contract)
    expected_any = predict(loaded, resized)
    job = ExportJob(loaded, contract, folder, images.pixels)
    every = [*plan(tuple(FORMATS), "int8"), *plan(("litert",), "float16")]
    for (name, _), (form, variant) in {(name, variant): (form, variant) for name, form, variant in every}.items():
        form.write(job, variant)
        function = open_exported(form, folder / variant.file, contract)
        answered = np.concatenate([function(images.pixels[:3]), function(images.pixels[3:])])
        # With weights never trained, int8 keeps little more than the form of the answer.
        tolerance = {"float32": 1e-4, "float16": 2e-2, "int8": 0.5}[variant.precision]
        np.testing.assert_allclose(answered, expected, atol=tolerance, err_msg=f"{name} {variant.precision}")
        if variant.any_size_file is not None:
            sized = open_exported(form, folder / variant.any_size_file, contract, any_size=True)
            together = np.concatenate([sized(image[None]) for image in sizes])
            np.testing.assert_allclose(together, expected_any, atol=2e-2, err_msg=f"{name}, other sizes")


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize(
    ("space", "turns", "task"),
    [("convnet", 5, "multiclass"), ("residual", 3, "multilabel"), ("fer2013-cnn", 1, "multiclass"),
     ("simpsons-cnn", 1, "multiclass"), ("emotion-cnn", 1, "multiclass")],
)  # fmt: skip
def test_every_option_of_a_space_is_exported(space: str, turns: int, task: Task, tmp_path: Path) -> None:
    """Whatever a search takes for activation, normalization, head and so on, all formats answer as Keras does."""
    size = 48 if space.endswith("-cnn") else 32
    for turn in range(turns):
        folder = tmp_path / str(turn)
        folder.mkdir()
        check_formats(network_of(space, task, size, turn), task, size, folder)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("backbone", BACKBONES)
def test_every_backbone_is_exported(backbone: str, tmp_path: Path) -> None:
    """A backbone of Keras's under a head of ours is saved, loaded in safe mode, and exported in all formats."""
    check_formats(
        network_of("pretrained", "multiclass", 32, backbone=backbone, weights="none"), "multiclass", 32, tmp_path
    )


def test_gelu_is_exported_to_onnx(tmp_path: Path) -> None:
    """The exact GELU, which tf2onnx has no operation for, reaches ONNX."""
    pixels = keras.Input((4, 4, 3), dtype="uint8")
    features = keras.layers.Dense(5, activation="gelu")(keras.layers.Flatten()(keras.layers.Rescaling(1 / 64)(pixels)))
    network = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(features))
    contract = ModelContract(CLASSES, "multiclass", (4, 4, 3), "toys", "ab" * 32)
    images = generated_images(contract, 8).pixels
    form = find_format("onnx")
    form.write(ExportJob(network, contract, tmp_path), form.variants[0])
    answered = open_exported(form, tmp_path / form.variants[0].file, contract)(images)
    np.testing.assert_allclose(answered, predict(network, images), atol=1e-5)
