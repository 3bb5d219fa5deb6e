"""`apertune predict` and `apertune export` as a user types them."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from apertune.cli.export import export
from apertune.cli.predict import predict
from apertune.errors import SettingError
from apertune.search.prediction.sources import find_files
from apertune.search.settings import Home


def test_folder_is_named(shades_model: Path, pictures: Path) -> None:
    """A folder's pictures are named below each other; the broken one is named on standard error, with status 2."""
    run = CliRunner().invoke(predict, [str(shades_model), str(pictures), "--json"])
    assert run.exit_code == 2
    document = json.loads(run.stdout)
    assert [(Path(entry["file"]).name, entry["name"]) for entry in document["images"]] == [
        ("a dark.jpg", "dark"),
        ("b middle.png", "middle"),
        ("light.PNG", "light"),
    ]
    assert [Path(entry["file"]).name for entry in document["failed"]] == ["c broken.jpg"]
    assert "c broken.jpg: not an image" in run.stderr


def test_top_and_minimum(shades_model: Path, pictures: Path) -> None:
    """`--top` limits the classes shown, and `--min-probability` makes the unsure unknown."""
    run = CliRunner().invoke(
        predict, [str(shades_model), str(pictures / "b middle.png"), "--json", "--top", "1", "--min-probability", "1"]
    )
    (entry,) = json.loads(run.stdout)["images"]
    assert entry["name"] == "unknown"
    assert entry["names"] == []
    assert list(entry["probabilities"]) == ["middle"]


def test_csv(shades_model: Path, pictures: Path) -> None:
    """`--csv` prints a table that a csv reader reads, and nothing else."""
    run = CliRunner().invoke(predict, [str(shades_model), str(pictures / "*.jpg"), "--csv"])
    rows = list(csv.DictReader(io.StringIO(run.stdout)))
    assert [(Path(row["file"]).name, row["name"]) for row in rows] == [("a dark.jpg", "dark")]
    assert [rows[0][f"top{rank}"] for rank in (1, 2, 3)] == ["dark", "middle", "light"]
    assert float(rows[0]["top1_probability"]) == float(rows[0]["probability"]) > 0.9


def test_table(shades_model: Path, pictures: Path) -> None:
    """Without a flag, a table shows each file with its name, probability and best classes."""
    run = CliRunner().invoke(predict, [str(shades_model), str(pictures / "a dark.jpg")])
    assert run.exit_code == 0
    assert "dark 100%, middle 0%" in run.stdout


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["a.jpg"], "'a.jpg' is no file, folder or pattern"),
        (["empty"], "no images or videos in empty"),
        (["--csv", "--json", "empty"], "exclude each other"),
    ],
)
def test_mistakes(shades_model: Path, arguments: list[str], message: str) -> None:
    """A mistake of the user is named in one line."""
    Path("empty").mkdir()
    run = CliRunner().invoke(predict, [str(shades_model), *arguments])
    assert isinstance(run.exception, SettingError)
    assert message in str(run.exception)


def test_output_takes_one_video(shades_model: Path, pictures: Path) -> None:
    """`--to` with pictures is refused instead of being ignored."""
    run = CliRunner().invoke(predict, [str(shades_model), str(pictures), "--output", "out.mp4"])
    assert isinstance(run.exception, SettingError)
    assert "--to takes one video" in str(run.exception)


def test_files_are_found_once(pictures: Path) -> None:
    """Folders are walked by name, other files in them left out, and a file given twice is answered once."""
    found = find_files([str(pictures), str(pictures / "a dark.jpg")])
    assert [path.name for path in found.images] == ["a dark.jpg", "b middle.png", "c broken.jpg", "light.PNG"]
    assert found.videos == ()
    assert find_files([str(pictures / "notes.txt")]).images == (pictures / "notes.txt",)


def test_export_and_predict(shades_model: Path, pictures: Path) -> None:
    """`apertune export` writes a folder, relative to where one is, that `apertune predict` takes."""
    run = CliRunner().invoke(export, [str(shades_model), "--to", "new/out", "--formats", "onnx", "--json"])
    assert run.exit_code == 0, run.output
    document = json.loads(run.stdout)
    assert [row["file"] for row in document["rows"]] == ["model.onnx"]
    assert document["compared_on"] == "generated noise"
    named = CliRunner().invoke(predict, ["new/out", str(pictures / "a dark.jpg"), "--json"])
    assert json.loads(named.stdout)["images"][0]["name"] == "dark"


def test_a_model_that_was_not_promoted_is_exported(shades_model: Path, home: Home) -> None:
    """A run's model, which no promotion kept images with, is compared on generated noise."""
    import mlflow

    client = mlflow.MlflowClient(home.tracking_uri)
    run_id = client.create_run(client.create_experiment("shades", str(home.artifacts))).info.run_id
    client.log_artifacts(run_id, str(shades_model), "model")
    run = CliRunner().invoke(export, [f"runs:/{run_id}/model", "--to", "out", "--formats", "keras", "--json"])
    assert run.exit_code == 0, run.exception
    assert json.loads(run.stdout)["compared_on"] == "generated noise"
