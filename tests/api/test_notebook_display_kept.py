"""The notebooks of docs/notebooks run as they stand, and are kept with outputs that can be shown."""

from __future__ import annotations

import re
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from notebooks import NOT_KEPT, PLOTLY, run_notebook
from programs import REPOSITORY

FOLDER = REPOSITORY / "docs" / "notebooks"
NAMES = ("fer2013", "from-keras-tuner", "own-pictures")
# An absolute path: not that of an address, a tag that ends, a unit such as MB/s, or a picture in base 64.
ABSOLUTE = re.compile(r"(?<![\w:/.<+*)}\]%-])/(?:[\w.-]+/)+[\w.-]+")


def read(name: str) -> Any:
    nbformat = pytest.importorskip("nbformat")
    return nbformat.read(FOLDER / f"{name}.ipynb", 4)


def write_faces(file: Path) -> None:
    """Writes a small table like fer2013.csv, in which the brightness of a picture tells its emotion."""
    random = np.random.default_rng(0)
    lines = ["emotion,pixels,Usage"]
    for usage, count in (("Training", 140), ("PublicTest", 70), ("PrivateTest", 70)):
        for row in range(count):
            pixels = random.integers(row % 7 * 30, row % 7 * 30 + 70, 48 * 48)
            lines.append(f"{row % 7},{' '.join(map(str, pixels))},{usage}")
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def test_these_are_all() -> None:
    """Each notebook of the folder is run below, and linked from the README's folder."""
    assert tuple(sorted(file.stem for file in FOLDER.glob("*.ipynb"))) == NAMES


@pytest.mark.parametrize("name", NAMES)
def test_it_is_kept_with_its_outputs(name: str) -> None:
    """No cell failed, results are there to be read, and no output names a folder of the machine that it ran on."""
    notebook = read(name)
    outputs = [output for cell in notebook.cells if cell.cell_type == "code" for output in cell.outputs]
    assert not [output for output in outputs if output.output_type == "error"]
    assert not [cell for cell in notebook.cells if NOT_KEPT in cell.metadata.get("tags", ()) and cell.outputs]
    assert any("text/html" in output.get("data", {}) for output in outputs)
    figures = [output["data"] for output in outputs if PLOTLY in output.get("data", {})]
    assert figures
    assert all("image/png" in data for data in figures)
    text = (FOLDER / f"{name}.ipynb").read_text(encoding="utf-8")
    assert len(text) < 1_000_000
    for word in ("/root", "/tmp/", "/home/", "site-packages"):
        assert word not in text, word
    assert not ABSOLUTE.search(text)


@pytest.mark.ci
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("name", NAMES)
def test_it_runs(name: str, tmp_path: Path, empty_store: Path) -> None:
    """Every cell of it runs in a kernel, in an empty folder."""
    folder = tmp_path / "work"
    (folder / "mlflow").mkdir()
    shutil.copy(empty_store, folder / "mlflow" / "mlflow.db")
    if name == "fer2013":
        write_faces(folder / "fer2013.csv")
    done = run_notebook(read(name), folder)
    assert not [o for c in done.cells for o in c.get("outputs", []) if o.output_type == "error"]
