"""A model with an ONNX file beside it answers as it does itself, without importing Keras."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest

from apertune.errors import ModelError
from apertune.search.export import quick_start
from apertune.search.export.graph import predict
from apertune.search.export.parity import ParityImages, generated_images
from apertune.search.export.quick_start import add_quick_start, open_quick_start
from apertune.search.models.contract import ModelContract
from apertune.search.models.package import load_model
from apertune.search.prediction import open_predictor

ANSWER = """
import json, sys
from pathlib import Path
from apertune.search.prediction import open_predictor
predictor = open_predictor(Path(sys.argv[1]))
(file,) = predictor.answer_files([Path(sys.argv[2])])
slow = sorted(name for name in ("keras", "tensorflow", "mlflow") if name in sys.modules)
print(json.dumps([file.answer.name, slow]))
"""


@pytest.fixture
def model(shades_model: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(shades_model, tmp_path / "model"))


def add(model: Path, images: ParityImages, tmp_path: Path) -> str:
    (tmp_path / "scratch").mkdir()
    return add_quick_start(model, images, tmp_path / "scratch")


def test_pictures_are_named_without_importing_keras(
    model: Path, pictures: Path, shades_contract: ModelContract, tmp_path: Path
) -> None:
    """In a fresh process a picture gets its name, and neither Keras nor TensorFlow nor MLflow is imported."""
    images = generated_images(shades_contract)
    assert add(model, images, tmp_path) == ""
    command = [sys.executable, "-c", ANSWER, str(model), str(pictures / "a dark.jpg")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == ["dark", []]
    network, _ = load_model(model)
    opened = open_quick_start(model)
    assert opened is not None
    quick, contract = opened
    assert contract == shades_contract
    np.testing.assert_allclose(quick(images.pixels), predict(network, images.pixels), atol=1e-4)


def test_an_altered_file_is_refused(model: Path, shades_contract: ModelContract, tmp_path: Path) -> None:
    """The file is part of the model's manifest."""
    assert add(model, generated_images(shades_contract), tmp_path) == ""
    (model / "model.onnx").write_bytes((model / "model.onnx").read_bytes() + b"\0")
    with pytest.raises(ModelError, match=r"model\.onnx was altered"):
        open_predictor(model)


def test_a_file_that_this_runtime_cannot_open_is_passed_over(
    model: Path, pictures: Path, shades_contract: ModelContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The network itself then answers, as it does where onnxruntime is not installed."""
    assert add(model, generated_images(shades_contract), tmp_path) == ""

    def fail(*arguments: object, **named: object) -> Any:
        raise ModelError("the opset is newer than this runtime")

    monkeypatch.setattr(quick_start, "open_exported", fail)
    (answered,) = open_predictor(model).answer_files([pictures / "a dark.jpg"])
    assert answered.answer is not None
    assert answered.answer.name == "dark"
    monkeypatch.setattr(quick_start, "find_spec", lambda name: None)
    assert open_quick_start(model) is None


def test_a_file_that_answers_otherwise_is_not_kept(
    model: Path, shades_contract: ModelContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The reason is told, and the model's folder stays as it was."""
    before = sorted(model.rglob("*"))
    monkeypatch.setattr(quick_start, "predict", lambda network, pixels: predict(network, 255 - pixels))
    assert "a probability differs by" in add(model, generated_images(shades_contract), tmp_path)
    assert sorted(model.rglob("*")) == before
    assert isinstance(load_model(model)[0], keras.Model)


def test_missing_packages_are_the_reason(
    model: Path, shades_contract: ModelContract, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Without the packages that write ONNX there is no such file, and the line says how to get them."""
    monkeypatch.setattr(quick_start, "find_spec", lambda name: None)
    assert "uv sync --extra export" in add(model, generated_images(shades_contract), tmp_path)
