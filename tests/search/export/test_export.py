"""Exports: every format answers as the model does, in its own runtime, or nothing is left."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import keras
import numpy as np
import pytest

from apertune.errors import ApertuneError, SettingError, UnknownNameError
from apertune.search.export import FORMATS, ParityImages, export_model
from apertune.search.export.exporting import plan
from apertune.search.export.formats import FLOAT32, Tolerance, find_format, open_exported, prediction_files
from apertune.search.export.formats.onnx_format import OnnxFormat
from apertune.search.export.graph import in_float32, predict
from apertune.search.export.parity import generated_images
from apertune.search.models.contract import ModelContract, read_contract
from apertune.search.models.package import check_manifest, save_model

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONTRACT = ModelContract(
    ("cat", "dog", "owl"), "multiclass", (16, 16, 1), "toys", "ab" * 32, resize="pad", minimum_probability=0.4
)


def striped_images(count: int) -> tuple[np.ndarray, np.ndarray]:
    """Flat, horizontally and vertically striped grey images with noise, and which they are."""
    generator = np.random.default_rng(5)
    labels = generator.integers(0, 3, count).astype(np.int32)
    images = generator.integers(0, 60, (count, 16, 16, 1), dtype=np.uint8)
    images[labels == 1, ::2] += 180
    images[labels == 2, :, ::2] += 180
    return images, labels


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A small trained network, saved."""
    keras.utils.set_random_seed(1)
    pixels = keras.Input((16, 16, 1), dtype="uint8")
    features = keras.layers.Rescaling(1 / 255)(pixels)
    features = keras.layers.Conv2D(8, 3, activation="relu")(features)
    features = keras.layers.BatchNormalization()(features)
    features = keras.layers.Dropout(0.2)(features)
    features = keras.layers.Flatten()(features)
    network = keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(features))
    network.compile("adam", "sparse_categorical_crossentropy")
    network.fit(*striped_images(256), epochs=20, verbose=0)
    folder = tmp_path_factory.mktemp("trained") / "model"
    save_model(network, CONTRACT, folder)
    return folder


@pytest.mark.ci
def test_every_format_answers_as_the_model_does(model: Path, tmp_path: Path) -> None:
    """All formats, float and int8, pass in fresh processes; model.json, parity.json and a manifest lie beside them."""
    images, labels = striped_images(40)
    report = export_model(
        model,
        tmp_path / "out",
        quantize="int8",
        images=ParityImages(images, labels, "40 striped images"),
        calibration=striped_images(20)[0],
    )
    assert [(row.format, row.precision) for row in report.rows] == [
        *((name, "float32") for name in FORMATS),
        ("onnx", "int8"),
        ("litert", "int8"),
    ]
    for row in report.rows:
        assert row.problem is None
        assert row.ms > 0
        assert row.size_mb > 0
        assert row.accuracy is not None
        assert row.accuracy > 0.9
        assert row.largest_difference < (1e-5 if row.precision == "float32" else 0.25)
        if row.precision == "float32" and row.format != "keras":
            assert row.any_size_difference is not None
            assert row.any_size_difference < 0.02
    assert read_contract(tmp_path / "out") == CONTRACT
    check_manifest(tmp_path / "out")
    document = json.loads((tmp_path / "out" / "parity.json").read_text())
    assert document["compared_on"] == "40 striped images"
    assert [entry["file"] for entry in document["formats"]] == [row.file for row in report.rows]
    assert [path.name for path in tmp_path.iterdir() if path.name != "work"] == ["out"]


def test_batches_of_any_length(model: Path, tmp_path: Path) -> None:
    """Exported files take one image as well as many, and give each the same answer."""
    export_model(model, tmp_path / "out", formats=("onnx", "litert"), quantize="float16")
    images, _ = striped_images(7)
    for file, name in (
        ("model.onnx", "onnx"),
        ("model.tflite", "litert"),
        ("model_float16.tflite", "litert"),
    ):
        function = open_exported(find_format(name), tmp_path / "out" / file, CONTRACT)
        together = function(images)
        assert together.shape == (7, 3)
        np.testing.assert_allclose(np.concatenate([function(image[None]) for image in images]), together, atol=1e-5)


def test_unequal_export_is_not_kept(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A format that differs by more than its tolerance fails the export, says by how much, and leaves nothing."""
    (variant, *_) = OnnxFormat.variants
    monkeypatch.setattr(OnnxFormat, "variants", (replace(variant, tolerance=Tolerance(-1.0, 0.0)),))
    with pytest.raises(ApertuneError, match=r"model\.onnx: a probability differs by .*, more than -1"):
        export_model(model, tmp_path / "out", formats=("onnx",))
    assert not (tmp_path / "out").exists()
    assert not [path for path in tmp_path.iterdir() if path.name.startswith(".out")]


def test_existing_folder_is_left_alone(model: Path, tmp_path: Path) -> None:
    """An export never overwrites a folder."""
    (tmp_path / "out").mkdir()
    with pytest.raises(SettingError, match="already exists"):
        export_model(model, tmp_path / "out", formats=("keras",))
    assert list((tmp_path / "out").iterdir()) == []


@pytest.mark.parametrize(
    ("formats", "quantize", "error", "message"),
    [
        (("onx",), None, UnknownNameError, "did you mean 'onnx'"),
        ((), None, SettingError, "--formats must name at least one"),
        (("keras",), "int8", SettingError, "--quantize int8 needs one of the formats onnx, litert; got keras"),
        (("onnx",), "float16", SettingError, "--quantize float16 needs one of the formats litert; got onnx"),
    ],
)
def test_settings_are_checked(
    formats: tuple[str, ...], quantize: str | None, error: type[Exception], message: str
) -> None:
    """A wrong format, or a quantization that would do nothing, is refused before anything is written."""
    with pytest.raises(error, match=message):
        plan(formats, quantize)  # type: ignore[arg-type]


def test_predict_prefers_precise_files_then_quick_ones() -> None:
    """`predict` looks for float32 files first, then for the format that starts quickest, and never for a SavedModel."""
    assert [file for file, _ in prediction_files()] == [
        "model.onnx",
        "model.tflite",
        "model.keras",
        "model_float16.tflite",
        "model_int8.onnx",
        "model_int8.tflite",
    ]


def test_int8_needs_training_images(model: Path, tmp_path: Path) -> None:
    """int8 without images to calibrate on is refused, with the flag that brings them."""
    with pytest.raises(SettingError, match="--data"):
        export_model(model, tmp_path / "out", quantize="int8")


def test_mixed_precision_becomes_float32() -> None:
    """A network trained in bfloat16 is exported in float32 with the same weights."""
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        pixels = keras.Input((8, 8, 1), dtype="uint8")
        features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
        mixed = keras.Model(pixels, keras.layers.Dense(3, activation="softmax", dtype="float32")(features))
    finally:
        keras.config.set_dtype_policy("float32")
    plain = in_float32(mixed)
    assert {layer.compute_dtype for layer in plain.layers} <= {"float32", "uint8"}
    for ours, theirs in zip(plain.get_weights(), mixed.get_weights(), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert in_float32(plain) is plain


def test_a_model_of_mixed_precision_is_exported(tmp_path: Path) -> None:
    """Its own answers are rounded to bfloat16; files in float32 answer as its weights do in float32, and are kept."""
    keras.utils.set_random_seed(1)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        pixels = keras.Input((16, 16, 1), dtype="uint8")
        features = keras.layers.Conv2D(8, 3, activation="relu")(keras.layers.Rescaling(1 / 16)(pixels))
        features = keras.layers.Flatten()(features)
        network = keras.Model(pixels, keras.layers.Dense(3, activation="softmax", dtype="float32")(features))
    finally:
        keras.config.set_dtype_policy("float32")
    images = striped_images(8)[0]
    rounded = np.abs(predict(network, images) - predict(in_float32(network), images)).max()
    assert rounded > FLOAT32.largest_difference
    save_model(network, CONTRACT, tmp_path / "model")
    report = export_model(tmp_path / "model", tmp_path / "out", formats=("keras",))
    assert [row.problem for row in report.rows] == [None]


def test_generated_images_repeat() -> None:
    """Without data, the comparison's images are the same in every run."""
    first, second = generated_images(CONTRACT), generated_images(CONTRACT)
    np.testing.assert_array_equal(first.pixels, second.pixels)
    assert first.pixels.shape == (32, 16, 16, 1)
