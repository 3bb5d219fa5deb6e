"""The four published references, trained through the command on real images of the same kind.

APERTUNE_REAL_DATA names the folder that holds them. Takes some minutes: uv run pytest -m "slow and real_data"
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from pathlib import Path

import pytest

ROOT = Path(os.environ.get("APERTUNE_REAL_DATA", ""))
IMAGES_PER_CLASS = 12
pytestmark = [
    pytest.mark.slow,
    pytest.mark.real_data,
    pytest.mark.timeout(1200),
    pytest.mark.skipif("APERTUNE_REAL_DATA" not in os.environ, reason="APERTUNE_REAL_DATA is not set"),
]


def _some_of_each(source: Path, target: Path) -> Path:
    """Copies a few images of each class folder."""
    for folder in sorted(path for path in source.iterdir() if path.is_dir()):
        (target / folder.name).mkdir(parents=True)
        for image in sorted(folder.iterdir())[:IMAGES_PER_CLASS]:
            shutil.copy(image, target / folder.name)
    return target


@pytest.mark.parametrize(
    ("dataset", "path", "flags", "epochs", "parameters"),
    [
        ("folders", "pets", ["--image-size", "64"], 10, 1_165_441),
        ("simpsons", "simpsons_dataset", ["--min-images", "1"], 200, 6_493_738),
        ("fer2013", "fer2013_folders/train", [], 30, 5_810_183),
        ("voc2012", None, ["--space", "pretrained", "--space-option", "weights=none"], 5, 23_628_692),
    ],
)
def test_a_reference_is_trained_and_compared(
    dataset: str,
    path: str | None,
    flags: list[str],
    epochs: int,
    parameters: int,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`search --reference` trains the article's network to the end, and `compare` shows it beside the trial."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("APERTUNE_CACHE", str(tmp_path / "cache"))
    data = ROOT / "VOCdevkit" if path is None else _some_of_each(ROOT / path, tmp_path / "images")
    words = ["--data", str(data), "--trials", "1", "--epochs", "1", "--workers", "1", "--keep-models", "none"]
    searched = _run("search", dataset, *words, *flags, "--reference")
    assert [trial["state"] for trial in searched["trials"]] == ["complete"]
    compared = _run("compare", dataset)
    reference = compared["reference"]
    assert (reference["study"], reference["state"]) == (f"{dataset}-reference", "complete")
    assert reference["cost"]["parameters"] == parameters
    assert reference["epochs"] <= epochs


def _run(*words: str) -> dict:
    answer = subprocess.run(["apertune", *words, "--json"], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    return json.loads(answer.stdout)
