"""From images to a served model, as a user types it, on one real set of each kind.

`APERTUNE_REAL_DATA` names the folder that holds them. Each takes about two minutes on two cores:
APERTUNE_REAL_DATA=DIR uv run pytest -m "slow and real_data" tests/search/promotion/test_promotion_real_sets.py
"""

from __future__ import annotations

import base64
import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mlflow import MlflowClient
from model_server import ask, serving
from PIL import Image

from apertune.search.export import FORMATS

ROOT = Path(os.environ.get("APERTUNE_REAL_DATA", ""))
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.timeout(1200),
    pytest.mark.skipif("APERTUNE_REAL_DATA" not in os.environ, reason="APERTUNE_REAL_DATA is not set"),
]

SEARCH = ("--trials", "2", "--epochs", "2", "--workers", "1", "--pruner", "none", "--fix", "augmentation=none")
SMALL = ("--fix", "blocks=2", "--fix", "convolutions=1", "--fix", "filters=16")


@dataclass(frozen=True)
class Kind:
    """One kind of real data."""

    name: str
    """Name under which results are kept."""
    adapter: str
    data: str
    options: tuple[str, ...]
    held_back: str
    """A folder of its images."""
    quantize: str = "int8"
    """Format a network of two epochs can be quantized to; on the small VOC2012 sample it learns too little for int8."""

    @property
    def words(self) -> tuple[str, ...]:
        return (self.adapter, "--data", str(ROOT / self.data), *self.options)


KINDS = (
    Kind("fer2013", "fer2013", "fer2013/fer2013.csv", ("--limit", "1500"), "fer2013_folders/train"),
    Kind("simpsons", "simpsons", "simpsons_dataset", ("--limit", "1500", "--image-size", "32"), "simpsons_dataset"),
    Kind("voc2012", "voc2012", "VOCdevkit", ("--image-size", "48"), "VOCdevkit/VOC2012/JPEGImages", "float16"),
    Kind("pets", "folders", "pets", ("--name", "pets", "--image-size", "32"), "pets"),
)


@dataclass(frozen=True)
class Champion:
    """A folder in which a search was run and its winner promoted, by force, since two epochs win nothing."""

    kind: Kind
    folder: Path
    promoted: dict[str, Any]

    @property
    def model(self) -> str:
        return f"{self.kind.name}@champion"

    @property
    def environment(self) -> dict[str, str]:
        cleaned = {name: value for name, value in os.environ.items() if name != "MLFLOW_TRACKING_URI"}
        return {**cleaned, "APERTUNE_CACHE": str(self.folder / "cache")}

    def run(self, *words: str, status: int = 0) -> str:
        return apertune(self.folder, self.environment, words, status)

    def pictures(self) -> list[Path]:
        """Three images of the set, from different folders if there are any, and one file that is no image."""
        found = sorted(path for path in (ROOT / self.kind.held_back).rglob("*") if path.suffix in (".jpg", ".png"))
        held = self.folder / "held back"
        held.mkdir(exist_ok=True)
        for number in (0, len(found) // 2, -1):
            shutil.copy(found[number], held / f"{number % len(found):06d}{found[number].suffix}")
        (held / "broken.jpg").write_bytes(b"\xff\xd8 no picture")
        return sorted(held.iterdir())


def ended(folder: Path, environment: dict[str, str], words: tuple[str, ...]) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "apertune", *words]
    return subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)


def apertune(folder: Path, environment: dict[str, str], words: tuple[str, ...], status: int = 0) -> str:
    done = ended(folder, environment, words)
    assert done.returncode == status, done.stderr
    return done.stdout


@pytest.fixture(scope="module", params=KINDS, ids=[kind.name for kind in KINDS])
def champion(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Champion:
    kind: Kind = request.param
    made = Champion(kind, tmp_path_factory.mktemp(kind.name), {})
    made.run("search", *kind.words, *SEARCH, *SMALL)
    words = ("promote", *kind.words, "--top", "2", "--seeds", "2", "--minimum-probability", "0.05", "--force", "--json")
    return Champion(kind, made.folder, json.loads(made.run(*words)))


@pytest.fixture(scope="module")
def exported(champion: Champion) -> dict[str, Any]:
    """The report of an export in all formats, in float and int8, without the data at hand."""
    report = champion.run("export", champion.model, "--to", "exported", "--quantize", champion.kind.quantize, "--json")
    document: dict[str, Any] = json.loads(report)
    return document


def test_it_is_promoted(champion: Champion) -> None:
    """The winner is confirmed with fresh seeds, tested once, and registered; every score has its interval."""
    document = champion.promoted
    assert document["alias"] == "champion"
    assert document["openings"] == 1
    assert all(len(entry["values"]) == 2 for entry in document["confirmations"])
    tested = [score for score in document["scores"] if score["low"] is not None]
    assert len(tested) >= len(document["scores"]) - 3
    # Resamples of a few images lack whole classes, so that their scores differ from the whole set's.
    if document["test_images"] > 50:
        assert all(score["low"] <= score["test"] <= score["high"] for score in tested)


def test_it_is_exported_in_all_formats(champion: Champion, exported: dict[str, Any]) -> None:
    """Each format was compared on test images in a process of its own, within tolerance, with time, size and score."""
    rows = exported["rows"]
    assert [row["format"] for row in rows if row["precision"] == "float32"] == list(FORMATS)
    assert "test images of" in exported["compared_on"]
    for row in rows:
        assert row["problem"] is None
        assert row["equal_answers"] >= (0.99 if row["precision"] == "float32" else 0.9)
        assert 0 < row["ms"] < 100
        assert row["accuracy"] is not None
    parity = json.loads((champion.folder / "exported" / "parity.json").read_text())
    assert len(parity["formats"]) == len(rows)


def test_it_predicts(champion: Champion, exported: dict[str, Any]) -> None:
    """Held-back images get the same names from the registry, the run and the export; a broken file is named."""
    pictures = [str(path) for path in champion.pictures()]
    answers = []
    for model in (champion.model, f"runs:/{champion.promoted['run_id']}/model", "exported"):
        document = json.loads(champion.run("predict", model, *pictures, "--json", status=2))
        assert [Path(entry["file"]).name for entry in document["failed"]] == ["broken.jpg"]
        assert len(document["images"]) == 3
        answers.append([(entry["name"], pytest.approx(entry["probability"], abs=1e-3)) for entry in document["images"]])
    assert answers[0] == answers[1] == answers[2]
    rows = list(csv.DictReader(io.StringIO(champion.run("predict", champion.model, *pictures, "--csv", status=2))))
    assert [row["name"] for row in rows] == [name for name, _ in answers[0]]


@pytest.fixture(scope="module")
def server(champion: Champion) -> Iterator[str]:
    """The address of a real MLflow server of the champion, loaded from the registry by its alias."""
    uri = f"sqlite:///{champion.folder / 'mlflow' / 'mlflow.db'}"
    address = f"models:/apertune-{champion.kind.name}@champion"
    with serving(address, champion.folder / "server.log", {**champion.environment, "MLFLOW_TRACKING_URI": uri}) as url:
        yield url


def test_it_is_served(champion: Champion, server: str) -> None:
    """The server names files of any size as `apertune predict` does, and pixels; bad input gets 400 and a reason."""
    pictures = [path for path in champion.pictures() if path.stem != "broken"]
    words = [str(path) for path in pictures]
    predicted = json.loads(champion.run("predict", champion.model, *words, "--json"))["images"]
    files = [base64.b64encode(path.read_bytes()).decode() for path in pictures]
    status, answers = ask(server, {"inputs": files})
    assert status == 200
    assert [answer["name"] for answer in answers] == [entry["name"] for entry in predicted]
    with Image.open(pictures[0]) as picture:
        enlarged = picture.convert("RGB").resize((301, 199))
    assert ask(server, {"inputs": [np.asarray(enlarged).tolist()]})[0] == 200
    for content, reason in (("bm8gcGljdHVyZQ==", "not an image"), ([[[999, 0, 0]]], "0 to 255")):
        status, reply = ask(server, {"inputs": [content]})
        assert status == 400
        assert reason in reply


def test_promoted_again_it_stays_the_champion(champion: Champion) -> None:
    """The same study promoted again, without force, changes no champion: where two epochs won nothing that class
    frequencies do not, it stops before the test set; else its equal loses, at the second opening.
    """
    words = ("promote", *champion.kind.words, "--top", "2", "--seeds", "2", "--json")
    done = ended(champion.folder, champion.environment, words)
    if done.returncode:
        assert "so the promotion stops before the test set is opened" in done.stderr
    else:
        again = json.loads(done.stdout)
        assert again["alias"] == "challenger"
        assert again["openings"] == 2
        assert "not really better" in again["reason"]
    uri = f"sqlite:///{champion.folder / 'mlflow' / 'mlflow.db'}"
    version = MlflowClient(uri).get_model_version_by_alias(f"apertune-{champion.kind.name}", "champion").version
    assert str(version) == str(champion.promoted["version"])
