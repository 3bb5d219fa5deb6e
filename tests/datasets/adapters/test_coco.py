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
