"""Files beside the images of a class: masks of other images, and those that the user excludes."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import LoadSettings, load
from apertune.datasets.adapters.image_files import masks_among
from apertune.errors import DatasetError


@pytest.mark.parametrize(
    ("paths", "masks"),
    [
        pytest.param(
            ["b/b (1).png", "b/b (1)_mask.png", "b/b (1)_mask_1.png", "b/b (2).png"],
            {"b/b (1)_mask.png", "b/b (1)_mask_1.png"},
            id="beside their images",
        ),
        pytest.param(
            ["COVID/images/1.png", "COVID/masks/1.png", "Normal/images/1.png"], {"COVID/masks/1.png"}, id="in a folder"
        ),
        pytest.param(
            ["mask/1.png", "no_mask/1.png", "mask/person_mask.png", "mask_1.png"], set(), id="a class called mask"
        ),
        pytest.param(["a/x.jpg", "b/x_mask.jpg"], set(), id="of no image in the same folder"),
        pytest.param(
            ["images/a_1.jpg", "images/a_2.jpg", "annotations/trimaps/a_1.png", "annotations/trimaps/a_2.png"],
            {"annotations/trimaps/a_1.png", "annotations/trimaps/a_2.png"},
            id="pictures of annotations",
        ),
        pytest.param(
            ["images/1.jpg", "images/2.jpg", "train/cat/1.jpg", "other/9.png"], set(), id="copies, and other pictures"
        ),
        pytest.param(["x/ISIC_1.jpg", "x/ISIC_1_segmentation.png"], {"x/ISIC_1_segmentation.png"}, id="another word"),
    ],
)
def test_masks_are_told_by_their_images(paths: list[str], masks: set[str]) -> None:
    """A mask lies beside its image with a mark behind the name, or in a folder beside that of the images."""
    assert masks_among(paths) == masks


def test_masks_are_left_out_with_a_word(make: SimpleNamespace, tmp_path: Path) -> None:
    """Masks are no images of their class; the user can keep them, or exclude others."""
    for number in range(12):
        folder = tmp_path / ("benign" if number % 2 else "malignant")
        make.save(folder / f"{number}.png", seed=number)
        make.save(folder / f"{number}_mask.png", seed=100 + number)
    dataset = load("folders", tmp_path)
    assert len(dataset.images) == 12
    assert any(
        note.startswith("left out 12 masks of other images, such as benign/11_mask.png") for note in dataset.notes
    )

    def excluding(patterns: str) -> LoadSettings:
        return LoadSettings(options={"exclude": patterns})

    assert len(load("folders", tmp_path, excluding("none")).images) == 24
    some = load("folders", tmp_path, excluding("*_mask.png, benign/1.png"))
    assert len(some.images) == 11
    assert "left out 13 images by --option exclude" in some.notes
    with pytest.raises(DatasetError, match=r"'\*_masque.png' matches none of 24 images"):
        load("folders", tmp_path, excluding("*_mask.png,*_masque.png"))
