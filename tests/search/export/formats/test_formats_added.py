"""The export format that CONTRIBUTING.md adds."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import keras
import pytest
from guide import examples

from apertune.errors import ApertuneError
from apertune.search.export import FORMATS, export_model
from apertune.search.models.contract import ModelContract
from apertune.search.models.package import save_model

# Keras says that HDF5 is its older format; NumPy warns of TensorFlow's variables at each save.
pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__ implementation:DeprecationWarning", "ignore:.*HDF5:UserWarning"
)

CONTRACT = ModelContract(("cat", "dog", "owl"), "multiclass", (8, 8, 1), "toys", "ab" * 32)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A small network, saved."""
    pixels = keras.Input((8, 8, 1), dtype="uint8")
    features = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(pixels))
    save_model(keras.Model(pixels, keras.layers.Dense(3, activation="softmax")(features)), CONTRACT, tmp_path / "model")
    return tmp_path / "model"


def add_format(folder: Path, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Adds the format of the guide, found in a folder by this process and by those it starts."""
    folder.mkdir()
    (folder / "hdf5_format.py").write_text(code, encoding="utf-8")
    monkeypatch.syspath_prepend(str(folder))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH")))))
    monkeypatch.setitem(FORMATS, "hdf5", "hdf5_format:HDF5Format")
    monkeypatch.delitem(sys.modules, "hdf5_format", raising=False)


def test_the_format_of_the_guide_is_exported(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's format is written, opened in a fresh process, and answers as the model does."""
    (code,) = examples("An export format")
    add_format(tmp_path / "site", code, monkeypatch)
    report = export_model(model, tmp_path / "out", formats=("hdf5",))
    assert [(row.format, row.file, row.problem) for row in report.rows] == [("hdf5", "model.h5", None)]
    assert (tmp_path / "out" / "model.h5").is_file()


def test_a_wrong_format_is_found_out(model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The guide's format with answers turned round fails the export, and nothing is kept."""
    (code,) = examples("An export format")
    turned = code.replace("predict(network, images)", "predict(network, images)[:, ::-1]")
    assert turned != code
    add_format(tmp_path / "site", turned, monkeypatch)
    with pytest.raises(ApertuneError, match=r"model\.h5: a probability differs by"):
        export_model(model, tmp_path / "out", formats=("hdf5",))
    assert not (tmp_path / "out").exists()
