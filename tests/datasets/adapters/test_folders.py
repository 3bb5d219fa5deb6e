"""One folder of images per class."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import LoadSettings, load
from apertune.errors import DatasetError, SettingError


def test_positive_class(make: SimpleNamespace, tmp_path: Path) -> None:
    """The alphabetically second class is positive, whatever its case, unless --positive names the other."""
    root = make.folders(tmp_path / "a", ("negative", "Positive"))
    assert load("folders", root).classes == ("negative", "Positive")
    chosen = load("folders", root, LoadSettings(options={"positive": "negative"}))
    assert chosen.classes == ("Positive", "negative")
    assert all(str(origin).startswith("negative/") for origin in chosen.origins[chosen.labels == 1])
    with pytest.raises(DatasetError, match="--positive must be 'negative' or 'Positive', but got 'maybe'"):
        load("folders", root, LoadSettings(options={"positive": "maybe"}))


def test_stratified_split(make: SimpleNamespace, tmp_path: Path) -> None:
    """A 4:1 split keeps the share of each class, and changes with the seed."""
    root = make.folders(tmp_path / "a", count=25)
    dataset = load("binary", root, LoadSettings(split=(0.8, 0.2, 0.0)))
    assert np.bincount(dataset.labels[dataset.train]).tolist() == [20, 20]
    assert len(dataset.test) == 0
    other = load("binary", root, LoadSettings(split=(0.8, 0.2, 0.0), seed=1))
    assert other.train.tolist() != dataset.train.tolist()
    assert other.folder == dataset.folder


def test_ready_made_splits(make: SimpleNamespace, tmp_path: Path) -> None:
    """Split folders above the classes are taken as they are, also under needless nesting and repeated folders."""
    for split, count, offset in (("Train/train", 6, 0), ("valid", 3, 100), ("test", 2, 200)):
        for number, name in enumerate(("cats and dogs", "birds")):
            for image in range(count):
                path = tmp_path / "set" / "archive" / split / name / f"{image}.jpg"
                make.save(path, seed=1000 * number + offset + image)
    dataset = load("folders", tmp_path / "set")
    assert dataset.classes == ("birds", "cats and dogs")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (12, 6, 4)


def test_train_and_test_only(make: SimpleNamespace, tmp_path: Path) -> None:
    """Without validation folders, validation is drawn from training and the test split stays as it is."""
    make.folders(tmp_path / "set" / "train", count=17)
    for number, name in enumerate(("Negative", "Positive")):
        make.save(tmp_path / "set" / "test" / name / "x.jpg", seed=5000 + number)
    dataset = load("folders", tmp_path / "set")
    assert len(dataset.test) == 2
    assert len(dataset.train) + len(dataset.validation) == 34
    assert 5 <= len(dataset.validation) <= 7
    note = f"no validation split is stated, so {len(dataset.validation)} of the 34 training images are it"
    assert f"{note}; --split sets the shares" in dataset.notes


def test_limit(make: SimpleNamespace, tmp_path: Path) -> None:
    """--limit takes a stratified part of the training rows and leaves the other splits as they are."""
    root = make.folders(tmp_path / "a", count=30)
    whole, part = load("folders", root), load("folders", root, LoadSettings(limit=10))
    assert np.bincount(part.labels[part.train]).tolist() == [5, 5]
    assert set(part.train) <= set(whole.train)
    assert part.validation.tolist() == whole.validation.tolist()
    assert part.fingerprint != whole.fingerprint


def test_classes(make: SimpleNamespace, tmp_path: Path) -> None:
    """--classes keeps the named classes and refuses one that is not there."""
    root = make.folders(tmp_path / "a", ("a", "b", "c"), count=8)
    assert load("folders", root, LoadSettings(options={"classes": "a, c"})).classes == ("a", "c")
    with pytest.raises(DatasetError, match="--classes has no class 'd' to keep; the classes are a, b, c"):
        load("folders", root, LoadSettings(options={"classes": "a,d"}))


def test_refusals(make: SimpleNamespace, tmp_path: Path) -> None:
    """A wrong path, no path, no images, one class and an unknown option are each refused with the way out."""
    with pytest.raises(DatasetError, match=r"--data must be an existing file or folder, but got .*nowhere"):
        load("folders", tmp_path / "nowhere")
    with pytest.raises(DatasetError, match=r"folders needs files; give them with --data PATH$"):
        load("folders")
    with pytest.raises(DatasetError, match="--data PATH; 'apertune datasets fetch simpsons' gets them"):
        load("simpsons")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DatasetError, match="holds no images"):
        load("folders", tmp_path / "empty")
    with pytest.raises(DatasetError, match="at least two class folders"):
        load("folders", make.folders(tmp_path / "one", ("only",)))
    with pytest.raises(SettingError, match="folders has no option --objects; its own options: --positive, --classes"):
        load("folders", tmp_path / "one", LoadSettings(options={"objects": "x"}))


def test_outward_link(make: SimpleNamespace, tmp_path: Path) -> None:
    """A link that leads out of the folder is named and never read."""
    root = make.folders(tmp_path / "a", count=4)
    make.save(tmp_path / "private.jpg", seed=77)
    (root / "Negative" / "linked.jpg").symlink_to(tmp_path / "private.jpg")
    with pytest.raises(DatasetError, match=r"Negative/linked\.jpg: a link that leads out of the folder"):
        load("folders", root)
    assert len(load("folders", root, LoadSettings(skip_bad=True)).images) == 8


def test_several_labels_by_folders(make: SimpleNamespace, tmp_path: Path) -> None:
    """A file in several class folders, or in folders inside each other, carries all their names."""
    for image in range(6):
        make.save(tmp_path / "copies" / "cat" / f"{image}.jpg", seed=image)
        make.save(tmp_path / "copies" / "dog" / f"other {image}.jpg", seed=image if image < 2 else 50 + image)
    dataset = load("folders", tmp_path / "copies", LoadSettings(options={"labels": "repeated"}))
    assert (dataset.task, dataset.classes, len(dataset.images)) == ("multilabel", ("cat", "dog"), 10)
    assert dataset.labels.sum(axis=0).tolist() == [6, 6]
    for number, folder in enumerate(("animal/cat", "animal/dog", "thing/cup")):
        for image in range(4):
            make.save(tmp_path / "nested" / folder / f"{image}.jpg", seed=100 * number + image)
    dataset = load("folders", tmp_path / "nested", LoadSettings(options={"labels": "nested"}))
    assert dataset.classes == ("animal", "cat", "cup", "dog", "thing")
    assert dataset.labels.sum(axis=0).tolist() == [8, 4, 4, 4, 4]
    with pytest.raises(DatasetError, match="option labels must be repeated or nested, but got 'x'"):
        load("folders", tmp_path / "nested", LoadSettings(options={"labels": "x"}))
