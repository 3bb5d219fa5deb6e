"""An export folder explains itself: each code block of its README runs in it, and its server answers as the model."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import yaml
from model_server import free_port, wait_for
from PIL import Image

from apertune.datasets.base import Task
from apertune.search.export import export_model
from apertune.search.models.contract import ModelContract, read_contract
from apertune.search.models.package import CARD_FILE, SCORES_FILE, add_texts, save_model
from apertune.search.prediction import open_predictor

pytestmark = pytest.mark.ci

SCORES = {
    "test_images": 1234,
    "scores": [
        {"metric": "accuracy", "test": 0.91234, "low": 0.89, "high": 0.93},
        {"metric": "log_loss", "test": 0.3, "low": None, "high": None},
    ],
}


def network(task: Task, outputs: int) -> keras.Model:
    images = keras.Input((16, 16, 3), dtype="uint8")
    mean = keras.layers.GlobalAveragePooling2D()(keras.layers.Rescaling(1 / 255)(images))
    layer = keras.layers.Dense(outputs, activation="softmax" if task == "multiclass" else "sigmoid")
    made = keras.Model(images, layer(mean))
    layer.set_weights([np.linspace(-3, 3, 3 * outputs).reshape(3, outputs), np.linspace(-1, 1, outputs)])
    return made


@pytest.fixture(scope="module", params=["multiclass", "binary", "multilabel"])
def exported(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Returns the folder of a promoted model of each task, and its export in all formats with a picture in it."""
    task: Task = request.param
    classes = ("cat | dog", "<b>fish</b>") if task == "binary" else ("cat | dog", "<b>fish</b>", "new\nline")
    contract = ModelContract(
        classes, task, (16, 16, 3), "My Animals", "ab" * 32, resize="crop", licence="CC BY 4.0 (someone)",
        thresholds={"multiclass": (), "binary": (0.4,), "multilabel": (0.4, 0.5, 0.6)}[task],
    )  # fmt: skip
    base = tmp_path_factory.mktemp(task)
    save_model(network(task, contract.outputs), contract, base / "model", for_serving=True)
    add_texts(base / "model", {CARD_FILE: "# The card", SCORES_FILE: json.dumps(SCORES)})
    export_model(base / "model", base / "out")
    random = np.random.default_rng(0)
    Image.fromarray(random.integers(0, 255, (40, 60, 3), np.uint8)).save(base / "out" / "picture.png")
    return base / "model", base / "out"


def blocks(folder: Path, language: str) -> dict[str, str]:
    """Returns the first code block of a language below each heading."""
    text = (folder / "README.md").read_text(encoding="utf-8")
    parts = re.split(r"^### (.+)$", text, flags=re.MULTILINE)
    found = {}
    for heading, part in zip(parts[1::2], parts[2::2], strict=True):
        if code := re.search(rf"```{language}\n(.*?)```", part, re.DOTALL):
            found[heading] = code[1]
    return found


def shares(model: Path, picture: Path) -> dict[str, float]:
    (answered,) = open_predictor(model).answer_files([picture])
    assert answered.answer is not None
    return dict(answered.answer.probabilities)


def test_each_python_block_runs_and_answers_as_the_model(exported: tuple[Path, Path]) -> None:
    """The blocks for ONNX Runtime, LiteRT, TensorFlow and Keras print the model's own probabilities."""
    model, folder = exported
    expected = sorted(shares(model, folder / "picture.png").values(), reverse=True)
    found = blocks(folder, "python")
    assert list(found) == ["ONNX Runtime", "LiteRT", "TensorFlow and TensorFlow Serving", "Keras"]
    for heading, code in found.items():
        done = subprocess.run([sys.executable, "-c", code], cwd=folder, capture_output=True, text=True, check=False)
        assert done.returncode == 0, (heading, done.stderr)
        printed = [float(line.rpartition(": ")[2].rstrip("%")) / 100 for line in done.stdout.splitlines()]
        assert printed == pytest.approx(expected[: len(printed)], abs=0.03), heading
        assert len(printed) == min(3, len(expected)), heading


def test_the_page_is_a_model_card(exported: tuple[Path, Path]) -> None:
    """Its head is what the Hub reads; scores have intervals, names from data are harmless, and files are listed."""
    _, folder = exported
    page = (folder / "README.md").read_text(encoding="utf-8")
    _, head, body = page.split("---\n", 2)
    read = yaml.safe_load(head)
    assert (read["license"], read["pipeline_tag"]) == ("cc-by-4.0", "image-classification")
    (entry,) = read["model-index"]
    assert entry["results"][0]["metrics"][0] == {"type": "accuracy", "value": 0.9123}
    assert "| accuracy | 0.9123 | 0.8900 to 0.9300 |" in body
    assert "On 1,234 test images" in body
    assert "<b>" not in body
    assert "&lt;b&gt;fish" in body
    assert "cat \\| dog" in body
    for file in ("model.onnx", "model.tflite", "saved_model", "model.keras"):
        assert f"| `{file}` |" in body
        assert (folder / file).exists()
    assert (folder / CARD_FILE).read_text() == "# The card"
    labels = (folder / "labels.txt").read_text(encoding="utf-8").splitlines()
    assert labels[:2] == ["cat | dog", "<b>fish</b>"]
    assert len(labels) == (2 if "binary" in str(folder) else 3)


def outputs(model: Path, picture: Path) -> list[float]:
    """Returns a model's own probabilities, in the order of its outputs."""
    contract, given = read_contract(model), shares(model, picture)
    listed = [given[name] for name in contract.classes]
    return listed[1:] if contract.task == "binary" else listed


def node_modules() -> Path | None:
    """Returns the folder where Node finds onnxruntime-web: the one that the environment names, or the global one."""
    if shutil.which("node") is None:
        return None
    named = os.environ.get("APERTUNE_NODE_MODULES")
    if named is None and shutil.which("npm"):
        named = subprocess.run(["npm", "root", "-g"], capture_output=True, text=True, check=False).stdout.strip()
    return Path(named) if named and (Path(named) / "onnxruntime-web").is_dir() else None


def in_javascript(folder: Path, picture: Image.Image) -> list[float]:
    """Runs the JavaScript block of an export's README in Node, on a canvas that shows a picture."""
    modules = node_modules()
    if modules is None:
        pytest.skip("Node.js with onnxruntime-web is not installed (npm install -g onnxruntime-web)")
    (folder / "node_modules").unlink(missing_ok=True)
    (folder / "node_modules").symlink_to(modules)
    pixels = json.dumps(list(picture.convert("RGBA").tobytes()))
    canvas = (
        "const context = { getImageData: (x, y, width, height) => {\n"
        f"  if (width !== {picture.width} || height !== {picture.height}) throw new Error('another size');\n"
        f"  return {{ data: Uint8ClampedArray.from({pixels}) }};\n}} }};\n"
    )
    code = blocks(folder, "javascript")["ONNX Runtime"]
    assert code.count("console.log(probabilities.data)") == 1
    shown = code.replace("console.log(probabilities.data)", "console.log(JSON.stringify([...probabilities.data]))")
    (folder / "page.mjs").write_text(canvas + shown, encoding="utf-8")
    done = subprocess.run(["node", "page.mjs"], cwd=folder, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return [float(share) for share in json.loads(done.stdout)]


def test_the_javascript_block_answers_as_the_model(exported: tuple[Path, Path], tmp_path: Path) -> None:
    """A canvas of the model's size gets the model's own probabilities from ONNX Runtime Web."""
    model, folder = exported
    picture = Image.open(folder / "picture.png").resize((16, 16))
    picture.save(tmp_path / "small.png")
    assert in_javascript(folder, picture) == pytest.approx(outputs(model, tmp_path / "small.png"), abs=1e-4)


def test_the_javascript_block_of_a_grey_model_answers_as_the_model(tmp_path: Path) -> None:
    """Colours become grey as in training, to within their rounding."""
    images = keras.Input((12, 12, 1), dtype="uint8")
    grey = keras.layers.Flatten()(keras.layers.Rescaling(1 / 255)(images))
    layer = keras.layers.Dense(3, activation="softmax")
    made = keras.Model(images, layer(grey))
    layer.set_weights([np.random.default_rng(1).normal(size=(144, 3)), np.zeros(3)])
    save_model(made, ModelContract(("a", "b", "c"), "multiclass", (12, 12, 1), "greys", "ab" * 32), tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "out", formats=("onnx",))
    picture = Image.fromarray(np.random.default_rng(2).integers(0, 255, (12, 12, 3), np.uint8))
    picture.save(tmp_path / "picture.png")
    expected = outputs(tmp_path / "model", tmp_path / "picture.png")
    assert in_javascript(tmp_path / "out", picture) == pytest.approx(expected, abs=0.02)


def test_tensorflow_serving_finds_a_version_and_the_documented_signature(
    exported: tuple[Path, Path], tmp_path: Path
) -> None:
    """The folder that the README mounts is a version as TensorFlow Serving looks for them, and takes what it says."""
    import tensorflow as tf

    model, folder = exported
    page = (folder / "README.md").read_text(encoding="utf-8")
    (name,) = re.findall(r"-e MODEL_NAME=(\S+)", page)
    (source, mounted) = re.findall(r'-v "\$PWD/(\S+):/models/(\S+)"', page)[0]
    assert mounted == f"{name}/1"
    assert f"/v1/models/{name}:predict" in page
    shutil.copytree(folder / source, tmp_path / "models" / mounted)
    (version,) = (tmp_path / "models" / name).iterdir()
    assert version.name.isdigit()
    (signature,) = re.findall(r'"signature_name": "(\w+)"', page)
    served = tf.saved_model.load(str(version)).signatures[signature]
    ((_, taken),) = served.structured_input_signature[1].items()
    # One input alone, so that `instances` may hold its values; of images that may have any size.
    assert (taken.name, taken.dtype, taken.shape.as_list()) == ("images", tf.uint8, [None, None, None, 3])
    assert list(served.structured_outputs) == ["probabilities"]
    instances = np.asarray(Image.open(folder / "picture.png")).tolist()
    (row,) = served(images=tf.constant([instances], tf.uint8))["probabilities"].numpy()
    assert list(row) == pytest.approx(outputs(model, folder / "picture.png"), abs=0.03)


@pytest.fixture
def server(exported: tuple[Path, Path], tmp_path: Path) -> Iterator[tuple[Path, str]]:
    """Runs the server of an export folder in a copy that holds what the Dockerfile copies, and no more."""
    model, folder = exported
    recipe = (folder / "Dockerfile").read_text(encoding="utf-8")
    patterns = [word for line in re.findall(r"^COPY (.+) \.(?:/)?$", recipe, re.MULTILINE) for word in line.split()]
    assert "--chown=model" in patterns
    for pattern in (word for word in patterns if not word.startswith("--")):
        files = list(folder.glob(pattern))
        assert files, pattern
        for file in files:
            shutil.copy(file, tmp_path / file.name)
    (command,) = re.findall(r"^CMD (\[.+\])$", recipe, re.MULTILINE)
    port = free_port()
    words = [{"0.0.0.0": "127.0.0.1", "8080": str(port)}.get(word, word) for word in json.loads(command)]
    process = subprocess.Popen([sys.executable, "-m", *words], cwd=tmp_path, stderr=subprocess.PIPE)
    address = f"http://127.0.0.1:{port}"
    try:
        wait_for(f"{address}/health", process, lambda: process.communicate()[1])
        with urllib.request.urlopen(f"{address}/health") as reply:
            assert json.load(reply)["dataset"] == "My Animals"
        yield model, address
    finally:
        process.kill()
        process.communicate()


def ask(address: str, body: bytes) -> tuple[int, Any]:
    try:
        with urllib.request.urlopen(urllib.request.Request(f"{address}/predict", body)) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        with error:
            return error.code, json.load(error)


def test_the_server_answers_as_the_model(server: tuple[Path, str], exported: tuple[Path, Path], tmp_path: Path) -> None:
    """It gives the model's names and probabilities, also of a transparent picture, and refuses what is no picture."""
    model, address = server
    clear = Image.new("RGBA", (30, 20), (200, 10, 10, 60))
    clear.save(tmp_path / "clear.png")
    for picture in (exported[1] / "picture.png", tmp_path / "clear.png"):
        (answered,) = open_predictor(model).answer_files([picture])
        assert answered.answer is not None
        status, given = ask(address, picture.read_bytes())
        assert status == 200
        assert given["names"] == list(answered.answer.names)
        assert given["probabilities"] == pytest.approx(dict(answered.answer.probabilities), abs=0.02)
    assert ask(address, b"no picture") == (400, {"error": "the body is not a picture that Pillow can read"})
    assert ask(address, bytes(21 * 2**20))[0] == 413


def test_a_model_that_was_not_promoted_says_so(shades_model: Path, tmp_path: Path) -> None:
    """Without a promotion there is no score, and without ONNX no server."""
    export_model(shades_model, tmp_path / "out", formats=("keras",))
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "Not measured on test images: this model was not promoted." in page
    assert "model-index" not in page
    assert not (tmp_path / "out" / "serve.py").exists()
    assert "ONNX" not in page


def test_many_classes_are_cut_in_the_page_alone(tmp_path: Path) -> None:
    """The page shows the first forty of many classes; the labels have all."""
    classes = tuple(f"class {number}" for number in range(60))
    contract = replace(ModelContract(classes, "multiclass", (16, 16, 3), "many", "ab" * 32), licence=None)
    save_model(network("multiclass", 60), contract, tmp_path / "model")
    export_model(tmp_path / "model", tmp_path / "out", formats=("keras",))
    page = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert "class 39 and 20 more" in page
    assert "license_name: not known" in page
    assert len((tmp_path / "out" / "labels.txt").read_text(encoding="utf-8").splitlines()) == 60
