"""A model folder or an export answers image files."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from apertune.errors import ModelError, SettingError
from apertune.search.export import export_model
from apertune.search.models.package import write_manifest
from apertune.search.prediction import open_predictor
from apertune.search.tracking.model_addresses import model_address, model_folder

FILES = ("a dark.jpg", "b middle.png", "c broken.jpg", "more pictures/light.PNG")


@pytest.fixture(scope="session")
def exported(shades_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("exported") / "out"
    export_model(shades_model, folder, formats=("onnx", "litert"))
    return folder


def names(folder: Path, pictures: Path) -> list[str | None]:
    answers = open_predictor(folder).answer_files([pictures / file for file in FILES])
    return [entry.answer.name if entry.answer else entry.problem for entry in answers]


def test_files_are_answered_in_order(shades_model: Path, pictures: Path) -> None:
    """Files of any size, colours and kind get their names, and a broken one its reason, in order."""
    assert names(shades_model, pictures) == [
        "dark",
        "middle",
        "not an image in a supported format",
        "light",
    ]


def test_many_files_keep_their_order(shades_model: Path, pictures: Path) -> None:
    """Over several batches, answers stay with their files, and progress counts every file."""
    files = [pictures / FILES[number % 2] for number in range(150)]
    counted: list[int] = []
    answers = list(open_predictor(shades_model).answer_files(files, counted.append))
    assert [entry.path for entry in answers] == files
    assert [entry.answer.name for entry in answers if entry.answer] == ["dark", "middle"] * 75
    assert sum(counted) == 150


@pytest.mark.parametrize("kept", ["model.onnx", "model.tflite"])
def test_exports_answer_alike(exported: Path, pictures: Path, tmp_path: Path, kept: str) -> None:
    """An export folder that holds one format answers with it."""
    folder = tmp_path / "one"
    folder.mkdir()
    for file in ("model.json", kept):
        shutil.copy(exported / file, folder / file)
    write_manifest(folder)
    assert names(folder, pictures)[0] == "dark"


def test_saved_model_alone_is_refused(exported: Path, tmp_path: Path) -> None:
    """A folder with nothing but a SavedModel, which can run operations of its own, is not predicted with."""
    shutil.copy(exported / "model.json", tmp_path / "model.json")
    (tmp_path / "saved_model").mkdir()
    write_manifest(tmp_path)
    with pytest.raises(ModelError, match="holds no model to predict with"):
        open_predictor(tmp_path)


def test_altered_export_is_refused(exported: Path, tmp_path: Path) -> None:
    """A flipped byte in an exported file is noticed before it is loaded."""
    folder = tmp_path / "altered"
    shutil.copytree(exported, folder)
    content = bytearray((folder / "model.onnx").read_bytes())
    content[100] ^= 1
    (folder / "model.onnx").write_bytes(bytes(content))
    with pytest.raises(ModelError, match=r"model\.onnx was altered"):
        open_predictor(folder)


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("fer2013@champion", "models:/apertune-fer2013@champion"),
        ("fer2013@3", "models:/apertune-fer2013/3"),
        ("fer2013@v12", "models:/apertune-fer2013/12"),
        ("models:/other/1", "models:/other/1"),
        ("runs:/0123/model", "runs:/0123/model"),
    ],
)
def test_names_of_models(name: str, address: str) -> None:
    """A data set with an alias or version names a registered model; MLflow's own addresses pass."""
    assert model_address(name) == address


@pytest.mark.parametrize("name", ["fer2013", "no/such/folder", "fer2013@", "../x@champion", ""])
def test_other_names_are_refused(name: str) -> None:
    """Anything else is refused with what would be right."""
    with pytest.raises(SettingError, match="give fer2013@champion"):
        model_address(name)


def test_model_comes_from_the_registry(shades_model: Path, tmp_path: Path) -> None:
    """A model registered in MLflow is fetched by data set and alias, checked, and answers."""
    import mlflow

    uri = f"sqlite:///{tmp_path / 'mlflow.db'}"
    client = mlflow.MlflowClient(uri, registry_uri=uri)
    client.create_registered_model("apertune-shades")
    client.create_model_version("apertune-shades", str(shades_model))
    client.set_registered_model_alias("apertune-shades", "champion", "1")
    with model_folder("shades@champion", uri) as folder:
        light = np.full((1, 16, 16, 3), 250, np.uint8)
        assert open_predictor(folder).answer(light)[0].name == "light"
    with (
        pytest.raises(ModelError, match="MLflow has no model 'models:/apertune-shades@rival'"),
        model_folder("shades@rival", uri),
    ):
        pass
