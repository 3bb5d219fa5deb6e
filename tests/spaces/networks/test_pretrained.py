from __future__ import annotations

import re
import urllib.error
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
from keras.src.legacy.saving import legacy_h5_format

from apertune import spaces
from apertune.errors import SettingError, SpaceError, UnknownNameError
from apertune.search.training.training_model import TrainingModel
from apertune.spaces.networks.pretrained import BACKBONES, backbone_features, colour_pixels
from apertune.spaces.networks.weights import weight_file
from apertune.spaces.search_space.parameters import Values

# Keras 3.15 reads TensorFlow's arrays in a way that NumPy 2 deprecates.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

SMALL = "mobilenet_v3_small"


@pytest.fixture(scope="module")
def weights(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A file of weights such as a download would leave."""
    path: Path = tmp_path_factory.mktemp("weights") / "small.weights.h5"
    keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3)).save_weights(path)
    return str(path)


def trained(spec: Any, batch: Any, weights: str, changes: Values) -> tuple[Any, list[int], list[float]]:
    """Returns the network after four epochs, and the trainable variables and learning rate of each epoch."""
    space = spaces.load("pretrained", spec, options={"weights": weights, "backbone": SMALL})
    search_space = spaces.discover(space)
    fixed = {name: str(value) for name, value in changes.items()}
    values = spaces.narrow(search_space, fixed).defaults()
    candidate = space.candidate(spaces.hyperparameters(search_space, values), epochs=4, seed=0)
    model = TrainingModel(candidate, spec.task, batch)
    model.compile(optimizer=candidate.optimizer, auto_scale_loss=False)
    counts: list[int] = []
    rates: list[float] = []

    def note(epoch: int, logs: Any) -> None:
        counts.append(len(model.trainable_variables))
        rates.append(float(np.asarray(candidate.optimizer.learning_rate)))

    callbacks = [*candidate.callbacks, keras.callbacks.LambdaCallback(on_epoch_end=note)]
    rows = np.arange(len(batch[0]), dtype=np.int32)
    model.fit(rows, batch_size=candidate.batch_size, epochs=4, verbose=0, callbacks=callbacks)
    return candidate.network, counts, rates


def test_the_backbone_is_frozen_and_then_tuned_at_a_lower_rate(spec_of: Any, batch_of: Any, weights: str) -> None:
    """Two epochs train the head alone; then the backbone's last layers follow, at the drawn share of the rate."""
    spec = spec_of("multiclass", (32, 32, 3))
    fresh = {"schedule": "constant", "frozen_share": 0.5, "tuned_depth": 0.2, "tuned_rate_factor": 0.1}
    network, counts, rates = trained(spec, batch_of(spec), weights, {**fresh, "augmentation": "none"})
    assert counts[:2] == [2, 2]
    assert counts[2] == counts[3] > 2
    assert rates == pytest.approx([1e-3, 1e-3, 1e-4, 1e-4])
    (backbone,) = (layer for layer in network.layers if isinstance(layer, keras.Model))
    before = keras.applications.MobileNetV3Small(include_top=False, weights=weights, input_shape=(32, 32, 3))
    changed = [
        any((new != old).any() for new, old in zip(layer.get_weights(), old_layer.get_weights(), strict=True))
        for layer, old_layer in zip(backbone.layers, before.layers, strict=True)
        if layer.weights
    ]
    assert not any(changed[: len(changed) // 2])
    assert any(changed[len(changed) // 2 :])


def test_without_fine_tuning_the_backbone_never_moves(spec_of: Any, batch_of: Any, weights: str) -> None:
    """Without fine-tuning only the head is trained to the end, and the rate stays."""
    spec = spec_of("multiclass", (32, 32, 3))
    _, counts, rates = trained(spec, batch_of(spec), weights, {"fine_tuning": "no", "schedule": "constant"})
    assert counts == [2] * 4
    assert rates == pytest.approx([1e-3] * 4)


@pytest.mark.parametrize("name", [SMALL, "resnet50"])
def test_grey_pixels_reach_a_backbone_in_colour(name: str, spec_of: Any, batch_of: Any) -> None:
    """A small greyscale image is enlarged and given three channels."""
    spec = spec_of("multiclass", (16, 16, 1))
    inputs, pixels = colour_pixels(spec, scale=2)
    assert pixels.shape == (None, 32, 32, 3)
    network = keras.Model(inputs, backbone_features(name, None, pixels, frozen=False))
    assert network(batch_of(spec)[0]).shape[1:3] == (1, 1)


def test_resnet_sees_what_its_weights_were_trained_on(spec_of: Any) -> None:
    """ResNet50 gets blue, green, red with ImageNet's means subtracted, as `keras.applications` prepares it."""
    inputs, pixels = colour_pixels(spec_of("multiclass", (32, 32, 3)), scale=1)
    network = keras.Model(inputs, backbone_features("resnet50", None, pixels, frozen=True))
    normalization = next(layer for layer in network.layers if isinstance(layer, keras.layers.Normalization))
    images = np.random.default_rng(0).integers(0, 256, (1, 32, 32, 3), dtype=np.uint8)
    prepared = keras.Model(inputs, normalization.output)(images)
    expected = keras.applications.resnet.preprocess_input(images.astype(np.float32))
    assert np.asarray(prepared) == pytest.approx(expected, abs=1e-3)


@pytest.mark.slow
@pytest.mark.parametrize("name", BACKBONES)
def test_every_backbone_trains_from_nothing_and_loads_again(
    name: str, spec_of: Any, batch_of: Any, tmp_path: Path
) -> None:
    """Each backbone, without weights, yields probabilities that are the same after saving and loading."""
    spec = spec_of("multilabel", (32, 32, 3))
    space = spaces.load("pretrained", spec, options={"weights": "none", "backbone": name})
    search_space = spaces.discover(space)
    hp = spaces.hyperparameters(search_space, search_space.defaults())
    network = space.candidate(hp, epochs=1, seed=0).network
    images, _ = batch_of(spec, 2)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    assert np.asarray(again(images)) == pytest.approx(np.asarray(network(images)), abs=1e-6)


def test_weights_that_cannot_be_had_are_explained(
    spec_of: Any, tmp_path: Path, weights: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Missing, foreign or ambiguous weights get one line that says what to do."""
    spec = spec_of("multiclass", (32, 32, 3))

    def build(**options: str) -> None:
        space = spaces.load("pretrained", spec, options=options)
        search_space = spaces.discover(space)
        space.candidate(spaces.hyperparameters(search_space, search_space.defaults()), epochs=1, seed=0)

    with pytest.raises(SpaceError, match="the weights must be imagenet, none, a file or a folder, but there is no"):
        build(weights=str(tmp_path / "none.h5"), backbone=SMALL)
    with pytest.raises(SpaceError, match="do not fit resnet50"):
        build(weights=weights, backbone="resnet50")
    with pytest.raises(SettingError, match="give the option backbone, too"):
        build(weights=weights)
    with pytest.raises(UnknownNameError, match="unknown backbone 'resnet5'; did you mean 'resnet50'"):
        build(backbone="resnet5")
    with pytest.raises(SpaceError, match="1 or 3 channels, but these images have 2"):
        colour_pixels(spec_of("multiclass", (32, 32, 2)), scale=1)


@pytest.mark.parametrize(
    "name", [SMALL, *(pytest.param(name, marks=pytest.mark.slow) for name in BACKBONES if name != SMALL)]
)
def test_without_network_a_download_says_where_to_put_the_file(
    name: str, spec_of: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A failed download of ImageNet's weights is told in one line: which file to put into which folder."""

    asked: list[str] = []

    def unreachable(address: str, *_: Any, **__: Any) -> None:
        asked.append(address)
        raise urllib.error.URLError("no route to host")

    monkeypatch.setattr("keras.src.utils.file_utils.urlretrieve", unreachable)
    monkeypatch.setenv("KERAS_HOME", str(tmp_path))
    _, pixels = colour_pixels(spec_of("multiclass", (32, 32, 3)), scale=1)
    with pytest.raises(SpaceError) as caught:
        backbone_features(name, "imagenet", pixels, frozen=True)
    told = re.match(
        r"the ImageNet weights of (\w+) are not on this machine and cannot be downloaded; put (\S+\.h5) from (\S+) "
        r"into a folder and give --space-option weights=FOLDER, or into (\S+); ",
        caught.value.message,
    )
    assert told is not None
    assert (told[1], Path(told[4])) == (name, tmp_path / "models")
    assert [told[3]] == asked[:1]
    assert told[3].endswith(f"/{told[2]}")


def test_a_folder_holds_the_weights_of_several_backbones(spec_of: Any, tmp_path: Path) -> None:
    """Each backbone takes the file of a folder that has its published name; one that lacks it says so."""
    small = keras.applications.MobileNetV3Small(include_top=False, weights=None, input_shape=(32, 32, 3))
    # The published files are of Keras's older format.
    with h5py.File(tmp_path / weight_file(SMALL), "w") as file:
        legacy_h5_format.save_weights_to_hdf5_group(file, small)
    _, pixels = colour_pixels(spec_of("multiclass", (32, 32, 3)), scale=1)
    backbone_features(SMALL, str(tmp_path), pixels, frozen=True)
    with pytest.raises(SpaceError, match=f"of resnet50 are not in {tmp_path}; put resnet50_weights"):
        backbone_features("resnet50", str(tmp_path), pixels, frozen=True)
    spaces.load("pretrained", spec_of("multiclass", (32, 32, 3)), options={"weights": str(tmp_path)})
