"""COCO's annotations as several labels per image."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from apertune.datasets import load
from apertune.errors import DatasetError

CATEGORIES = [{"id": 1, "name": "cat"}, {"id": 5, "name": "dog"}, {"id": 9, "name": "yak"}]


def lay_out(make: SimpleNamespace, root: Path, split: str, images: int, first: int = 0) -> None:
    """Writes one annotation file: image 0 shows nothing, image 1 a cat, image 2 a cat and a dog, and so on."""
    document: dict[str, Any] = {"images": [], "annotations": [], "categories": CATEGORIES}
    for number in range(images):
        name = f"{first + number:012d}.jpg"
        make.save(root / f"{split}2017" / name, seed=first + number)
        document["images"].append({"id": first + number, "file_name": name})
        for category in ((), (1,), (1, 5))[number % 3]:
            document["annotations"] += [{"image_id": first + number, "category_id": category, "iscrowd": 0}] * 2
    document["annotations"].append({"image_id": first, "category_id": 5, "iscrowd": 1})
    document["images"].append({"id": 999, "file_name": "gone.jpg"})
    (root / "annotations").mkdir(exist_ok=True)
    (root / "annotations" / f"instances_{split}2017.json").write_text(json.dumps(document))


def test_categories_become_labels(make: SimpleNamespace, tmp_path: Path) -> None:
    """Each category that an image shows is a label; files of train and val state splits; what is missing is told."""
    lay_out(make, tmp_path, "train", 12)
    lay_out(make, tmp_path, "val", 6, first=100)
    dataset = load("coco", tmp_path)
    assert (dataset.task, dataset.classes) == ("multilabel", ("cat", "dog"))
    assert len(dataset.train) == 12
    assert dataset.labels[dataset.train].sum(axis=0).tolist() == [8, 4]
    assert "left out 2 annotated images that are not there" in dataset.notes
    assert "left out 1 category that no image shows" in dataset.notes
    assert np.all(dataset.labels[[str(origin).endswith("000000.jpg") for origin in dataset.origins]] == 0)


def test_other_documents_are_refused_in_one_line(tmp_path: Path) -> None:
    """JSON of another form is named with what it lacks, and never printed."""
    (tmp_path / "a.json").write_text(json.dumps({"rows": ["x" * 50] * 1000}))
    with pytest.raises(DatasetError, match=r"coco: a\.json lacks the lists images, annotations, categories") as caught:
        load("coco", tmp_path)
    assert len(str(caught.value)) < 200
    (tmp_path / "a.json").write_text("[1, 2")
    with pytest.raises(DatasetError, match=r"coco: a\.json cannot be read"):
        load("coco", tmp_path)


def test_splits_that_number_their_images_alike_are_told_apart(make: SimpleNamespace, tmp_path: Path) -> None:
    """An annotation file beside its images means those, though another split has images of the same names."""
    for split, shift in (("train", 0), ("valid", 1), ("test", 2)):
        images = [{"id": number, "file_name": f"{number}.jpg"} for number in range(9)]
        shown = [{"image_id": number, "category_id": (1, 5, 9)[(number + shift) % 3]} for number in range(9)]
        for number in range(9):
            make.save(tmp_path / split / f"{number}.jpg", seed=100 * shift + number)
        document = {"images": images, "annotations": shown, "categories": CATEGORIES}
        (tmp_path / split / "_annotations.coco.json").write_text(json.dumps(document))
    dataset = load("coco", tmp_path)
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (9, 9, 9)
    for row, origin in enumerate(dataset.origins.tolist()):
        split, name = origin.split("/")
        shift = {"train": 0, "valid": 1, "test": 2}[split]
        assert int(dataset.labels[row].argmax()) == (int(name.removesuffix(".jpg")) + shift) % 3


def test_a_name_of_several_files_is_left_out(make: SimpleNamespace, tmp_path: Path) -> None:
    """An image is never taken for another of the same name."""
    lay_out(make, tmp_path, "train", 12)
    make.save(tmp_path / "other" / f"{3:012d}.jpg", seed=500)
    make.save(tmp_path / "another" / f"{4:012d}.jpg", seed=501)
    (tmp_path / "train2017" / f"{4:012d}.jpg").rename(tmp_path / "elsewhere.jpg")
    make.save(tmp_path / "third" / f"{4:012d}.jpg", seed=502)
    dataset = load("coco", tmp_path)
    assert "left out 1 annotated image with the name of several files" in dataset.notes
    assert len(dataset.images) == 11
    assert f"train2017/{3:012d}.jpg" in dataset.origins
