"""Mirrored, turned and cropped copies are found, across splits and classes, and other pictures are not."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from PIL import Image

from apertune.datasets import from_arrays, load
from apertune.datasets.audit.altered_copies import find_altered_copies
from apertune.datasets.audit.auditing import Finding, audit
from apertune.datasets.splits.duplicates import find_duplicates

Turn = Image.Transpose


def cut(left: float, top: float, right: float, bottom: float) -> Callable[[Image.Image], Image.Image]:
    """Cuts these shares of width and height off the sides, and resizes to the size before."""

    def change(image: Image.Image) -> Image.Image:
        width, height = image.size
        box = (width * left, height * top, width * (1 - right), height * (1 - bottom))
        return image.resize(image.size, Image.Resampling.BICUBIC, box=box)

    return change


CHANGES = {
    "mirrored": lambda image: image.transpose(Turn.FLIP_LEFT_RIGHT),
    "mirrored upside down": lambda image: image.transpose(Turn.FLIP_TOP_BOTTOM),
    "turned by half": lambda image: image.transpose(Turn.ROTATE_180),
    "turned by a quarter": lambda image: image.transpose(Turn.ROTATE_90),
    "turned by a quarter to the right": lambda image: image.transpose(Turn.ROTATE_270),
    "mirrored and turned": lambda image: image.transpose(Turn.TRANSPOSE),
    "cropped by 3 %": cut(0.03, 0.03, 0.03, 0.03),
    "cropped by 8 %": cut(0.08, 0.08, 0.08, 0.08),
    "cropped on the left": cut(0.1, 0, 0, 0),
    "cropped unevenly": cut(0.07, 0.02, 0.04, 0),
}


@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("change", CHANGES)
def test_copies_are_found(make: SimpleNamespace, change: str, channels: int) -> None:
    """At least 19 of 20 copies of each kind are found with their originals, and nothing else is."""
    originals = np.stack([make.picture(seed, 64, 64, channels) for seed in range(40)])
    copies = [np.asarray(CHANGES[change](Image.fromarray(each.squeeze()))) for each in originals[:20]]
    images = np.concatenate([originals, np.stack(copies).reshape(-1, *originals.shape[1:])])
    found = find_altered_copies(images, find_duplicates(images))
    assert (found.groups[:20] == found.groups[40:]).sum() >= 19
    assert len(np.unique(found.groups[:40])) == 40
    said = change.split(" to ")[0].split(" by 3")[0].split(" by 8")[0].split(" on ")[0].split(" unevenly")[0]
    assert set(found.changes.tolist()) == {said}


def test_no_copies(make: SimpleNamespace) -> None:
    """Different pictures are no copies, nor are flat ones, small ones, or a symmetric picture of itself."""
    pictures = np.stack([make.picture(seed, 32, 32) for seed in range(300)])
    symmetric = np.concatenate([pictures[:1], pictures[:1, :, ::-1]], axis=2)[:, :, ::2]
    images = np.concatenate([pictures, symmetric, np.full((3, 32, 32, 3), 90, np.uint8)])
    assert len(find_altered_copies(images, find_duplicates(images)).copies) == 0
    for few in (images[300:], images[:1], images[:, ::4, ::4]):
        assert len(find_altered_copies(few, find_duplicates(few)).copies) == 0


def one(images: np.ndarray, labels: np.ndarray, **settings: object) -> Finding:
    found = audit(from_arrays("mine", images, labels, ["no", "yes"], **settings))  # type: ignore[arg-type]
    (altered,) = [finding for finding in found if finding.kind == "altered_copy"]
    return altered


def test_across_classes(make: SimpleNamespace) -> None:
    """A mirrored copy under another label is named a matter of labels, and both files are given."""
    images = np.stack([make.picture(seed, 40, 40) for seed in range(30)])
    images[29] = images[3][:, ::-1]
    found = one(images, np.repeat([0, 1], [20, 10]), split=(1.0, 0.0, 0.0))
    assert found.files == ("image 3", "image 29")
    assert found.labels == ("no", "yes")
    assert found.suggestion == (
        "copies of one picture (mirrored) under different labels; correct the labels or remove the images"
    )


def test_across_splits(make: SimpleNamespace, tmp_path: Path) -> None:
    """Turned and cropped copies in other splits are one finding with their original, and the command says so."""
    root = tmp_path / "s"
    for split, offset in (("train", 0), ("val", 100), ("test", 200)):
        for number, name in enumerate("ab"):
            for image in range(6):
                make.save(root / split / name / f"{image}.png", seed=1000 * number + offset + image)
    with Image.open(root / "train" / "a" / "1.png") as image:
        image.transpose(Turn.ROTATE_90).save(root / "val" / "a" / "turned.png")
        cut(0.06, 0.06, 0.06, 0.06)(image.resize((160, 128))).save(root / "test" / "a" / "cropped.png")
    (found,) = [finding for finding in audit(load("folders", root)) if finding.kind == "altered_copy"]
    assert set(found.files) == {"train/a/1.png", "val/a/turned.png", "test/a/cropped.png"}
    assert set(found.splits) == {"train", "validation", "test"}
    assert found.suggestion == (
        "copies of one picture (cropped, turned by a quarter) in several splits; remove all but those of one split"
    )
    words = ["apertune", "datasets", "audit", "folders", "--data", str(root), "--json"]
    answer = subprocess.run(words, capture_output=True, text=True, check=False)
    assert (answer.returncode, json.loads(answer.stdout)["counts"]["altered_copy"]) == (1, 1)


def test_found_once(make: SimpleNamespace) -> None:
    """A second audit reads what the first one found."""
    images = np.stack([make.picture(seed, 40, 40) for seed in range(20)])
    images[9] = images[3][::-1]
    dataset = from_arrays("mine", images, np.arange(20) % 2, ["no", "yes"])
    first, again = audit(dataset), audit(dataset)
    assert first == again
    assert (dataset.folder / "altered.npz").is_file()
