"""Layouts of split folders that people publish: recognised, left out with a word, or refused."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import ImageDataset, load
from apertune.errors import DatasetError


def lay_out(make: SimpleNamespace, root: Path, folders: dict[str, int]) -> Path:
    """Makes folders of images, each image another."""
    for number, (folder, count) in enumerate(folders.items()):
        for image in range(count):
            make.save(root / folder / f"{image}.jpg", seed=1000 * number + image)
    return root


def sizes(dataset: ImageDataset) -> tuple[int, int, int]:
    return len(dataset.train), len(dataset.validation), len(dataset.test)


@pytest.mark.parametrize(
    ("folders", "classes", "images", "note"),
    [
        pytest.param(
            {"seg_train/seg_train/sea": 8, "seg_train/seg_train/ice": 8, "seg_test/seg_test/sea": 3,
             "seg_test/seg_test/ice": 3, "seg_pred/seg_pred": 4},
            ("ice", "sea"), (13, 3, 6), "left out 4 images of seg_pred, which holds images without class folders",
            id="prefixes and an unlabelled folder",
        ),
        pytest.param(
            {"train/A": 8, "train/B": 8, "val/A": 2, "val/B": 2, "test/A": 3, "test/B": 3,
             "chest/train/A": 8, "chest/train/B": 8, "chest/val/A": 2, "chest/test/A": 3},
            ("A", "B"), (16, 4, 6), "left out 21 images of chest, which is no split with classes of its own",
            id="nested in itself",
        ),
        pytest.param(
            {"train/cat": 10, "train/dog": 10, "test1": 5},
            ("cat", "dog"), (14, 3, 3), "left out 5 images of test1, which holds images without class folders",
            id="a flat test folder",
        ),
        pytest.param(
            {"Train/0": 8, "Train/1": 8, "Train/2": 8, "Test": 6, "Meta": 3},
            ("0", "1", "2"), None, "left out 9 images of Meta, Test, which hold images without class folders",
            id="GTSRB",
        ),
        pytest.param(
            {"train/cat": 8, "train/dog": 8, "test/cat": 3, "test/dog": 3, "sample/cat": 2, "sample/dog": 2},
            ("cat", "dog"), (13, 3, 6), "left out 4 images of sample, which is no split with classes of its own",
            id="a sample beside",
        ),
        pytest.param(
            {"Training/Happy": 8, "Training/Sad": 8, "PublicTest/Happy": 3, "PublicTest/Sad": 3,
             "PrivateTest/Happy": 4, "PrivateTest/Sad": 4},
            ("Happy", "Sad"), (16, 6, 8), "",
            id="FER2013's names",
        ),
        pytest.param(
            {"cat/train": 8, "cat/test": 3, "dog/train": 8, "dog/test": 3}, ("cat", "dog"), (13, 3, 6), "",
            id="splits below classes",
        ),
        pytest.param(
            {"training-set/cat": 8, "training-set/dog": 8, "Test_2/cat": 3, "Test_2/dog": 3},
            ("cat", "dog"), (13, 3, 6), "", id="other words",
        ),
        pytest.param(
            {"bus/city": 8, "train/steam": 5, "train/diesel": 5, "car/red": 8},
            ("bus", "car", "train"), None, "", id="a class called train",
        ),
        pytest.param({"train": 8, "bus": 8, "test": 8}, ("bus", "test", "train"), None, "", id="flat folders"),
    ],
)  # fmt: skip
def test_splits_are_told_from_classes(
    folders: dict[str, int],
    classes: tuple[str, ...],
    images: tuple[int, int, int] | None,
    note: str,
    make: SimpleNamespace,
    tmp_path: Path,
) -> None:
    """Split folders give splits, class folders classes, and what is neither is left out and counted."""
    dataset = load("folders", lay_out(make, tmp_path, folders))
    assert dataset.classes == classes
    if images is not None:
        assert sizes(dataset) == images
    assert not note or note in dataset.notes


def test_folders_that_cannot_be_told_are_refused_and_shown(make: SimpleNamespace, tmp_path: Path) -> None:
    """Beside splits, a folder with classes of its own is named, with the folders that were seen."""
    folders = {"train/cat": 4, "train/dog": 4, "test/cat": 4, "test/dog": 4, "extra/cow": 4, "extra/pig": 4}
    with pytest.raises(DatasetError, match=r"'extra' like neither a split nor a class \(train: cat, dog; extra: cow"):
        load("folders", lay_out(make, tmp_path, folders))
