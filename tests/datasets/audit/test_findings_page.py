"""The page of the audit shows the pictures of each finding side by side."""

from __future__ import annotations

import subprocess
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import ImageDataset, LoadSettings, from_arrays, load
from apertune.datasets.audit.auditing import audit
from apertune.datasets.audit.findings_page import findings_page


def small(make: SimpleNamespace, copies: int, channels: int = 3) -> ImageDataset:
    """A data set of 20 pictures, one of which is there `copies` more times."""
    images = np.stack([make.picture(seed, 20, 20, channels) for seed in range(20)])
    images = np.concatenate([images, np.repeat(images[:1], copies, axis=0)])
    labels = np.arange(len(images)) % 2
    labels[20:] = 0
    return from_arrays("mine", images, labels, ["<no>", "yes"], split=(1.0, 0.0, 0.0))


@pytest.mark.parametrize("channels", [1, 3])
def test_pictures_side_by_side(make: SimpleNamespace, channels: int) -> None:
    """Each finding has its pictures, with file, split and label beside them as text."""
    dataset = small(make, 2, channels)
    html = findings_page(dataset, audit(dataset))
    assert html.count('<img src="data:image/png;base64,') == 3
    assert "The same pixels; keep one of them" in html
    for file in ("image 0", "image 20", "image 21"):
        assert f"<figcaption>{file}<br>train: <b>&lt;no&gt;</b>" in html
    assert dataset.fingerprint in html
    assert "http" not in html
    assert "<no>" not in html


def test_many_copies_are_cut(make: SimpleNamespace) -> None:
    """A finding of many copies shows the first, and says how many more there are."""
    dataset = small(make, 30)
    html = findings_page(dataset, audit(dataset))
    assert html.count("<img ") == 8
    assert "<p>23 more.</p>" in html


def test_files_without_pictures(make: SimpleNamespace, tmp_path: Path) -> None:
    """A file that cannot be read is named without a picture, and a class that a split lacks by its images."""
    root = make.folders(tmp_path / "a" / "train", ("cat", "dog"), count=4).parent
    make.folders(root / "val", ("cat", "dog"), count=3)
    make.save(root / "train" / "eel" / "only.png", seed=5)
    (root / "train" / "cat" / "broken.png").write_bytes(b"no picture")
    dataset = load("folders", root, LoadSettings(skip_bad=True))
    html = findings_page(dataset, audit(dataset))
    assert "<figcaption>train/cat/broken.png<br>" in html
    assert "eel: 1 image in all, none in validation" in html


def test_the_command_writes_the_page(make: SimpleNamespace, tmp_path: Path) -> None:
    """`audit --to` writes the page and says where; without it, the command says how to get one and writes none."""
    root = make.folders(tmp_path / "a", count=6)
    (root / "Negative" / "copy.JPG").write_bytes((root / "Negative" / "photo 0.JPG").read_bytes())
    words = ["apertune", "datasets", "audit", "folders", "--data", str(root)]
    with_page = subprocess.run(
        [*words, "--html", "x/p.html"], capture_output=True, text=True, check=False, cwd=tmp_path
    )
    assert (with_page.returncode, "Pictures: x/p.html" in with_page.stderr) == (1, True)
    assert "<img " in (tmp_path / "x" / "p.html").read_text()
    without = subprocess.run(words, capture_output=True, text=True, check=False, cwd=tmp_path)
    assert "--to FILE shows the pictures" in without.stderr
    assert not list(tmp_path.glob("*.html"))
