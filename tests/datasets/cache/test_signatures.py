"""Pictures known by their first bytes."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from apertune.datasets import LoadSettings, load
from apertune.datasets.cache.signatures import picture_kind
from apertune.errors import DatasetError


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "TIFF", "WEBP", "PPM", "AVIF"])
def test_pillows_formats_are_known_by_their_first_bytes(kind: str, tmp_path: Path) -> None:
    """A picture of each format that Pillow writes is recognised without a suffix; text is not."""
    if kind not in Image.SAVE and Image.init() and kind not in Image.SAVE:
        pytest.skip(f"this Pillow writes no {kind}")
    Image.new("RGB", (9, 7)).save(tmp_path / "picture", kind)
    assert picture_kind(tmp_path / "picture") == kind
    (tmp_path / "text").write_text("P is the first letter")
    assert picture_kind(tmp_path / "text") is None
    assert picture_kind(tmp_path / "absent") is None


def test_a_picture_without_a_suffix_is_read(make: SimpleNamespace, tmp_path: Path) -> None:
    """Files without suffix, or with an unknown one, count as images by their content."""
    for number, name in enumerate(("cat", "dog")):
        for image in range(6):
            path = make.save(tmp_path / name / f"{image}.jpg", seed=10 * number + image)
            (tmp_path / name / f"{image}.jpg").rename(tmp_path / name / (f"{image}" if image % 2 else f"{image}.dat"))
            del path
    assert len(load("folders", tmp_path).images) == 12


def test_a_class_of_heic_pictures_is_named(make: SimpleNamespace, tmp_path: Path) -> None:
    """Pictures that need a further package are named with it, and a class without any other is no class."""
    root = make.folders(tmp_path, ("birds", "cats"), count=8)
    (root / "dogs").mkdir()
    for image in range(4):
        (root / "dogs" / f"IMG_{image}.HEIC").write_bytes(b"\0\0\0\x18ftypheic" + os.urandom(99))
    with pytest.raises(DatasetError, match=r"4 images cannot be used \(dogs/IMG_0\.HEIC: .*"):
        load("folders", root)
    with pytest.raises(DatasetError, match="no image of the class 'dogs' can be used"):
        load("folders", root, LoadSettings(skip_bad=True))
    kept = load("folders", root, LoadSettings(skip_bad=True, options={"classes": "birds,cats"}))
    assert kept.classes == ("birds", "cats")


def test_broken_links_are_told(make: SimpleNamespace, tmp_path: Path) -> None:
    """A link to nothing is a file that cannot be used."""
    root = make.folders(tmp_path / "a", count=4)
    (root / "Negative" / "gone.jpg").symlink_to(tmp_path / "nowhere.jpg")
    with pytest.raises(DatasetError, match=r"Negative/gone\.jpg: a link to nothing"):
        load("folders", root)
