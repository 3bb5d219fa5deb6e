"""Saved models: complete or absent, checked before they are loaded, never code."""

from __future__ import annotations

import io
import json
import pickle
import resource
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from apertune.errors import ModelError
from apertune.search.models import own_classes
from apertune.search.models.contract import ModelContract, read_contract
from apertune.search.models.package import MANIFEST_FILE, NETWORK_FILE, load_model, save_model, write_manifest

# TensorFlow's variables do not know NumPy 2's copy keyword, and NumPy warns of it at each save.
pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")

CONTRACT = ModelContract(
    classes=("cat", "dog", "owl"), task="multiclass", image_shape=(16, 16, 3), dataset="toys", fingerprint="ab" * 32
)


def small_network(outputs: int = 3) -> keras.Model:
    keras.utils.set_random_seed(1)
    images = keras.Input((16, 16, 3), dtype="uint8")
    features = keras.layers.Rescaling(1 / 255)(images)
    features = keras.layers.Conv2D(4, 3, activation="relu")(features)
    features = keras.layers.GlobalAveragePooling2D()(features)
    return keras.Model(images, keras.layers.Dense(outputs, activation="softmax")(features))


@pytest.fixture(scope="module")
def network() -> keras.Model:
    return small_network()


@pytest.fixture
def folder(network: keras.Model, tmp_path: Path) -> Path:
    save_model(network, CONTRACT, tmp_path / "model")
    return tmp_path / "model"


def pixels(count: int = 5) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, 16, 16, 3), dtype=np.uint8)


def test_saved_model_comes_back_with_its_contract(network: keras.Model, folder: Path) -> None:
    """A loaded model gives the same probabilities as the one saved, and the same contract."""
    loaded, contract = load_model(folder)
    np.testing.assert_allclose(loaded.predict(pixels(), verbose=0), network.predict(pixels(), verbose=0), atol=1e-6)
    assert contract == CONTRACT
    assert contract.keras_version == keras.__version__


def test_mlflow_reads_the_folder_itself(network: keras.Model, folder: Path) -> None:
    """MLflow's own loaders take the folder, as a Keras model and as a python function of uint8 pixels."""
    import mlflow

    expected = network.predict(pixels(), verbose=0)
    np.testing.assert_allclose(mlflow.keras.load_model(str(folder)).predict(pixels(), verbose=0), expected, atol=1e-6)
    np.testing.assert_allclose(mlflow.pyfunc.load_model(str(folder)).predict(pixels()), expected, atol=1e-6)


def test_model_is_never_overwritten(network: keras.Model, folder: Path) -> None:
    """Saving where a model already is raises, and leaves it and nothing else."""
    with pytest.raises(ModelError, match="already exists"):
        save_model(network, CONTRACT, folder)
    assert sorted(path.name for path in folder.parent.iterdir()) == ["model", "work"]


def test_network_must_fit_its_contract(network: keras.Model, tmp_path: Path) -> None:
    """A network whose outputs are not the contract's classes is not saved."""
    contract = ModelContract(("a", "b"), "multiclass", (16, 16, 3), "toys", "ab" * 32)
    with pytest.raises(ModelError, match=r"yields \(3,\), but its contract says"):
        save_model(network, contract, tmp_path / "model")
    assert [path.name for path in tmp_path.iterdir()] == ["work"]


@pytest.mark.parametrize("name", [NETWORK_FILE, "model.json", "MLmodel", "requirements.txt"])
def test_flipped_byte_is_named(folder: Path, name: str) -> None:
    """A byte changed in any file is noticed before the model is loaded, and the file named."""
    content = bytearray((folder / name).read_bytes())
    content[len(content) // 2] ^= 1
    (folder / name).write_bytes(bytes(content))
    with pytest.raises(ModelError, match=f"{name}"):
        load_model(folder)


@pytest.mark.parametrize("name", [NETWORK_FILE, MANIFEST_FILE, "model.json"])
def test_missing_file_is_named(folder: Path, name: str) -> None:
    """A file that is gone is named."""
    (folder / name).unlink()
    with pytest.raises(ModelError, match=Path(name).name):
        load_model(folder)


def test_manifest_cannot_point_outside(folder: Path) -> None:
    """A manifest that names a file outside its folder is refused."""
    (folder / MANIFEST_FILE).write_text(json.dumps({"../../secret": "00"}))
    with pytest.raises(ModelError, match="outside its folder"):
        load_model(folder)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"task": "regression"}, "'task' must be one of binary, multiclass, multilabel, but is regression"),
        ({"image_shape": [16, 16, 2]}, "'image_shape' must be"),
        ({"image_shape": [10**9, 10**9, 3]}, "'image_shape' must be"),
        ({"classes": ["cat", "cat"]}, "'classes' must be"),
        ({"thresholds": [0.5]}, "3 thresholds are needed, but 1 are given"),
        ({"temperature": float("nan")}, "'temperature' must be"),
        ({"minimum_probability": "high"}, "'minimum_probability' must be"),
    ],
)
def test_contract_is_checked(tmp_path: Path, change: dict[str, object], message: str) -> None:
    """A contract with a wrong entry is refused with the rule and the value."""
    CONTRACT.write(tmp_path)
    document = json.loads((tmp_path / "model.json").read_text())
    (tmp_path / "model.json").write_text(json.dumps(document | change))
    with pytest.raises(ModelError, match=message):
        read_contract(tmp_path)


class Gadget:
    """Unpickled, it creates a file."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> tuple[Callable[..., object], tuple[object, ...]]:
        return Path.touch, (self.trace,)


def test_pickle_is_refused_unread(folder: Path, tmp_path: Path) -> None:
    """An MLflow folder that holds a pickle is refused, and the pickle is not run."""
    (folder / "python_model.pkl").write_bytes(pickle.dumps(Gadget(tmp_path / "trace")))
    write_manifest(folder)
    with pytest.raises(ModelError, match=r"python_model\.pkl can run code"):
        load_model(folder)
    assert not (tmp_path / "trace").exists()


def test_foreign_loader_is_refused(folder: Path) -> None:
    """An MLmodel file that names another loader is refused."""
    text = (folder / "MLmodel").read_text().replace("loader_module: mlflow.keras", "loader_module: os")
    (folder / "MLmodel").write_text(text)
    write_manifest(folder)
    with pytest.raises(ModelError, match="names the loader 'os'"):
        load_model(folder)


def rewrite(folder: Path, change: Callable[[dict[str, bytes]], None]) -> None:
    """Changes the members of the `.keras` file, and signs the result, as an attacker could."""
    path = folder / NETWORK_FILE
    with zipfile.ZipFile(path) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    change(members)
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    write_manifest(folder)


def with_layer(layer: dict[str, object]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        config["config"]["layers"][1] = layer | {"name": "x", "inbound_nodes": []}
        members["config.json"] = json.dumps(config).encode()

    return change


@pytest.mark.parametrize(
    ("layer", "message"),
    [
        ({"module": "keras.layers", "class_name": "Lambda", "config": {}}, "kind Lambda, which runs code"),
        ({"module": "keras.layers", "class_name": "TFSMLayer", "config": {"filepath": "/x"}}, "kind TFSMLayer"),
        ({"module": "keras.layers", "class_name": "StringLookup", "config": {"vocabulary": "/etc/passwd"}}, "read fil"),
        ({"module": "os", "class_name": "function", "config": "system"}, "asks for os.function"),
        ({"module": "keras.utils", "class_name": "function", "config": "get_file"}, "asks for keras.utils.function"),
        ({"module": "keras.config", "class_name": "function", "config": "enable_unsafe_deserialization"}, "keras.conf"),
    ],
)
def test_code_in_a_network_is_refused(folder: Path, layer: dict[str, object], message: str) -> None:
    """A network with a layer that runs code, reads files or comes from another module is refused."""
    rewrite(folder, with_layer(layer))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def with_sizes(kind: str, **sizes: object) -> Callable[[dict[str, bytes]], None]:
    """A change that gives the first layer of a kind other sizes, and leaves the weights as they are."""

    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        layer = next(layer for layer in config["config"]["layers"] if layer["class_name"] == kind)
        layer["config"].update(sizes)
        members["config.json"] = json.dumps(config).encode()

    return change


def instead(layer: dict[str, object]) -> Callable[[dict[str, bytes]], None]:
    """A change that puts another layer in the place of the one that rescales."""

    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        old = next(old for old in config["config"]["layers"] if old["class_name"] == "Rescaling")
        old.pop("build_config", None)
        old.update({**layer, "module": "keras.layers", "config": {**layer["config"], "name": old["name"]}})  # type: ignore[dict-item]
        members["config.json"] = json.dumps(config).encode()

    return change


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (with_sizes("Dense", units=100_000_000), "declares 500,000,[0-9]{3} weights, but holds"),
        (with_sizes("Dense", units=100_000_000, kernel_initializer="orthogonal"), "declares 500,000,[0-9]{3} weights"),
        (with_sizes("Conv2D", kernel_size=[30_000, 30_000], padding="same"), "declares [0-9,]+ weights, but holds"),
        (instead({"class_name": "ZeroPadding2D", "config": {"padding": [100_000, 100_000]}}), "answers one image with"),
        (instead({"class_name": "UpSampling2D", "config": {"size": [5000, 5000]}}), "answers one image with"),
        # Layers that no longer fit those after them, which is noticed as late.
        (with_sizes("Conv2D", filters=100_000_000), "declares|cannot be loaded"),
        (instead({"class_name": "Dense", "config": {"units": 10**9}}), "declares|cannot be loaded"),
        (instead({"class_name": "Embedding", "config": {"input_dim": 10**9, "output_dim": 64}}), "cannot be loaded"),
    ],
)
def test_sizes_that_the_weights_do_not_have_are_refused_before_they_are_made(
    folder: Path, change: Callable[[dict[str, bytes]], None], message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A network that declares millions of times its weights takes neither memory nor time to refuse.

    That a class is trusted which the network does not use changes nothing.
    """
    monkeypatch.setattr(own_classes, "_trusted", {("theirs", "Unused"): type("Unused", (keras.layers.Layer,), {})})
    rewrite(folder, change)
    before, began = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss, time.process_time()
    with pytest.raises(ModelError, match=message):
        load_model(folder)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 400_000
    assert time.process_time() - began < 20


def test_a_check_of_shapes_leaves_nothing_behind(folder: Path) -> None:
    """After a refused network, another is made whole, and answers."""
    whole = load_model(folder)[0].predict(pixels(), verbose=0)
    changed = folder.with_name("changed")
    shutil.copytree(folder, changed)
    rewrite(changed, with_sizes("Dense", units=100_000_000))
    with pytest.raises(ModelError, match="declares"):
        load_model(changed)
    np.testing.assert_array_equal(load_model(folder)[0].predict(pixels(), verbose=0), whole)
    keras.layers.Dense(3)(np.zeros((1, 4)))


def test_countless_layers_are_refused(folder: Path) -> None:
    """A configuration may be small and still list more layers than could be built in a day."""

    def change(members: dict[str, bytes]) -> None:
        config = json.loads(members["config.json"])
        config["config"]["layers"] += [{"class_name": "Dropout", "inbound_nodes": []}] * 6000
        members["config.json"] = json.dumps(config).encode()

    rewrite(folder, change)
    with pytest.raises(ModelError, match="has more than 5,000 layers"):
        load_model(folder)


def test_huge_config_is_refused_unread(folder: Path) -> None:
    """A configuration of 2 GB (here its small beginning: 20 MB) is refused before it is read."""
    rewrite(folder, lambda members: members.update({"config.json": b" " * (20 * 2**20)}))
    with pytest.raises(ModelError, match=r"config\.json must be at most 16777216 bytes"):
        load_model(folder)


def test_deep_config_is_refused(folder: Path) -> None:
    """A configuration nested 100,000 levels deep is refused with a line, not a crash."""
    rewrite(folder, lambda members: members.update({"config.json": b"[" * 100_000 + b"]" * 100_000}))
    with pytest.raises(ModelError, match="nested too deeply"):
        load_model(folder)


def weights(write: Callable[[h5py.File], None]) -> Callable[[dict[str, bytes]], None]:
    def change(members: dict[str, bytes]) -> None:
        buffer = io.BytesIO(members["model.weights.h5"])
        with h5py.File(buffer, "a") as file:
            write(file)
        members["model.weights.h5"] = buffer.getvalue()

    return change


@pytest.mark.parametrize(
    ("write", "message"),
    [
        (lambda file: file.create_dataset("x", (4,), "u1", external=[("/etc/passwd", 0, 4)]), "kept in another file"),
        (lambda file: file.__setitem__("x", h5py.ExternalLink("/tmp/other.h5", "/x")), "link elsewhere"),
        (lambda file: file.create_dataset("x", (10**9,), "f4", chunks=(10**6,)), "looks like a bomb"),
    ],
)
def test_weights_outside_the_file_are_refused(folder: Path, write: Callable[[h5py.File], None], message: str) -> None:
    """Weights that are kept in another file, linked, or declared far larger than stored, are refused."""
    rewrite(folder, weights(write))
    with pytest.raises(ModelError, match=message):
        load_model(folder)


def test_extra_member_is_refused(folder: Path) -> None:
    """A `.keras` file with anything but its three members is refused."""
    rewrite(folder, lambda members: members.update({"assets/x.txt": b"x"}))
    with pytest.raises(ModelError, match=r"must hold config\.json, metadata\.json, model\.weights\.h5 only"):
        load_model(folder)


def test_old_format_is_refused(tmp_path: Path, folder: Path) -> None:
    """An HDF5 file under the network's name is refused: that format can carry code."""
    with h5py.File(folder / NETWORK_FILE, "w") as file:
        file.attrs["model_config"] = "{}"
    write_manifest(folder)
    with pytest.raises(ModelError, match=r"is not a \.keras file"):
        load_model(folder)
