"""YOLO's annotations as several labels per image."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import LoadSettings, load
from apertune.errors import DatasetError

BOX = "0.5 0.5 0.2 0.2"


def lay_out(make: SimpleNamespace, images: Path, labels: Path, count: int, seed: int = 0) -> None:
    """Writes images in turn of nothing, without a file; of a cat; and of two cats and a dog."""
    for number in range(count):
        name = f"{seed + number}"
        make.save(images / f"{name}.jpg", seed=seed + number)
        if numbers := ((), (0,), (0, 0, 1))[number % 3]:
            labels.mkdir(parents=True, exist_ok=True)
            (labels / f"{name}.txt").write_text("".join(f"{each} {BOX}\n" for each in numbers))


@pytest.mark.parametrize("inside", [False, True], ids=["images/train", "train/images"])
def test_both_orders_of_folders(inside: bool, make: SimpleNamespace, tmp_path: Path) -> None:
    """Ultralytics' own order and Roboflow's; splits are the folders', names those of data.yaml in their order."""
    for split, count, seed in (("train", 12, 0), ("valid", 6, 50), ("test", 6, 100)):
        kinds = [tmp_path / split / kind if inside else tmp_path / kind / split for kind in ("images", "labels")]
        lay_out(make, kinds[0], kinds[1], count, seed)
    (tmp_path / "data.yaml").write_text("train: images/train\nnames:\n  0: zebra\n  1: ant\n  2: yak\n")
    dataset = load("yolo", tmp_path)
    assert (dataset.task, dataset.classes) == ("multilabel", ("zebra", "ant"))
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 6, 6)
    assert sorted(map(tuple, dataset.labels[dataset.test].tolist())) == [(0, 0)] * 2 + [(1, 0)] * 2 + [(1, 1)] * 2
    assert "8 images without a file of objects: taken to show none of the classes" in dataset.notes
    assert "left out 1 class that no image shows" in dataset.notes
    assert load("yolo", tmp_path / "data.yaml").fingerprint == dataset.fingerprint


def test_darknet(make: SimpleNamespace, tmp_path: Path) -> None:
    """Texts lie beside the images, names in a list, and splits in others."""
    lay_out(make, tmp_path / "obj", tmp_path / "obj", 24)
    (tmp_path / "obj.names").write_text("cat\ndog\n")
    for split, numbers in (("train", range(15)), ("test", range(15, 24))):
        (tmp_path / f"{split}.txt").write_text("".join(f"data/obj/{number}.jpg\n" for number in numbers))
    dataset = load("yolo", tmp_path)
    assert dataset.classes == ("cat", "dog")
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (15, 9)


def test_classes_without_names(make: SimpleNamespace, tmp_path: Path) -> None:
    """Numbers are the names where nothing tells others, and outlines count as boxes do."""
    make.yolo(tmp_path / "set")
    (tmp_path / "set" / "data.yaml").unlink()
    (tmp_path / "set" / "labels" / "0.txt").write_text("11 0.1 0.1 0.2 0.2 0.3 0.1\n")
    assert load("yolo", tmp_path / "set").classes == ("0", "1", "11")


def test_damaged_annotations(make: SimpleNamespace, tmp_path: Path) -> None:
    """A line that is no object, and a class without a name, are told by image and line."""
    root = make.yolo(tmp_path / "set")
    (root / "labels" / "3.txt").write_text(f"0 {BOX}\ncat {BOX}\n")
    (root / "labels" / "4.txt").write_text(f"7 {BOX}\n")
    message = r"images/3\.jpg: labels/3\.txt: line 2 must be a class and a box, but is 'cat .*; images/4\.jpg: labels/4"
    with pytest.raises(DatasetError, match=message):
        load("yolo", root)
    assert len(load("yolo", root, LoadSettings(skip_bad=True)).images) == 22


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("names: {0: cat, 2: dog}", r"data\.yaml must number its names from 0 without a gap"),
        ("names: [cat", r"data\.yaml cannot be read"),
        ("names: [cat, Cat]", "differ only by case"),
    ],
)
def test_names_that_are_none(text: str, message: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """Names must be a list, or numbered from 0, and unlike."""
    root = make.yolo(tmp_path / "set")
    (root / "data.yaml").write_text(text)
    with pytest.raises(DatasetError, match=message):
        load("yolo", root)


def test_what_is_no_such_set(make: SimpleNamespace, tmp_path: Path) -> None:
    """Images without any annotation, and names that contradict each other, are refused in one line."""
    with pytest.raises(DatasetError, match=r"none of 4 images below .* has a file of objects, such as labels/1\.txt"):
        load("yolo", make.folders(tmp_path / "plain", ("cat", "dog"), count=2))
    root = make.yolo(tmp_path / "set")
    (root / "other.yaml").write_text("names: [dog, cat]")
    with pytest.raises(DatasetError, match=r"data\.yaml and other\.yaml name different classes"):
        load("yolo", root)
    assert load("yolo", root / "data.yaml").classes == ("cat", "dog")
