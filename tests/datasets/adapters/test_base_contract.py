"""The contract that every adapter keeps; a new one only joins CASES."""

from __future__ import annotations

import shutil
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import ADAPTERS, ImageDataset, LoadSettings, load


@dataclass(frozen=True)
class Case:
    """An adapter with data to read."""

    adapter: str
    maker: str | None
    """The function of the fixture `make` that writes the data; None when there is nothing to write."""
    task: str
    options: dict[str, str] = field(default_factory=dict)
    target: str = ""
    """The file to write, for a maker that writes one."""


CASES = [
    Case("arrays", "mnist", "multiclass", target="mnist.npz"),
    Case("cifar10", "cifar10", "multiclass"),
    Case("cifar100", "cifar100", "multiclass"),
    Case("fashion_mnist", "fashion_mnist", "multiclass"),
    Case("mnist", "mnist", "multiclass", target="mnist.npz"),
    Case("coco", "coco", "multilabel"),
    Case("yolo", "yolo", "multilabel"),
    Case("digits", None, "multiclass"),
    Case("fer2013", "fer2013", "multiclass", target="fer2013.csv"),
    Case("fer2013", "fer2013_folders", "multiclass"),
    Case("folders", "folders", "binary"),
    Case("binary", "folders", "binary"),
    Case("simpsons", "simpsons", "binary", {"min-images": "5"}),
    Case("voc2012", "voc", "multilabel"),
    Case("table", "table", "binary", target="labels.csv"),
]


@pytest.fixture(params=CASES, ids=lambda case: f"{case.adapter}-{case.maker}")
def case(request: pytest.FixtureRequest) -> Case:
    chosen: Case = request.param
    return chosen


@pytest.fixture
def dataset(case: Case, make: SimpleNamespace, tmp_path: Path) -> ImageDataset:
    return load(case.adapter, _data(case, make, tmp_path), LoadSettings(options=case.options))


def _data(case: Case, make: SimpleNamespace, folder: Path) -> Path | None:
    return getattr(make, case.maker)(folder / "data" / case.target) if case.maker else None


def test_all_listed() -> None:
    """Every adapter of the registry is tested against this contract."""
    assert {case.adapter for case in CASES} == set(ADAPTERS)


def test_arrays(case: Case, dataset: ImageDataset) -> None:
    """Pixels, labels and origins have the shapes and types that ImageDataset promises, and cannot be written to."""
    entry = ADAPTERS[case.adapter]
    n = len(dataset.images)
    assert dataset.images.dtype == np.uint8
    # Without a default, images keep their own size: MNIST's.
    size, channels = entry.image_size or 28, entry.channels or 1
    assert dataset.image_shape == (size, size, channels)
    assert not dataset.images.flags.writeable
    assert not dataset.labels.flags.writeable
    assert dataset.task == case.task
    if case.task == "multilabel":
        assert dataset.labels.dtype == np.uint8
        assert dataset.labels.shape == (n, len(dataset.classes))
    else:
        assert dataset.labels.dtype == np.int32
        assert set(dataset.labels.tolist()) <= set(range(len(dataset.classes)))
    assert len(set(dataset.origins.tolist())) == n
    assert len(set(dataset.classes)) == len(dataset.classes)
    assert len(np.unique(dataset.images.reshape(n, -1).std(axis=1))) > 1


def test_splits(dataset: ImageDataset) -> None:
    """The splits are sorted and disjoint, none is empty, and together they hold all rows."""
    splits = [dataset.rows(split) for split in ("train", "validation", "test")]
    for rows in splits:
        assert rows.dtype == np.int64
        assert len(rows)
        assert (np.diff(rows) > 0).all()
    assert sorted(np.concatenate(splits).tolist()) == list(range(len(dataset.images)))


def test_reload(case: Case, dataset: ImageDataset, make: SimpleNamespace, tmp_path: Path, own_cache: Path) -> None:
    """A data set opened again, from the cache or decoded anew, is the same."""
    settings = LoadSettings(options=case.options)
    data = tmp_path / "data" / case.target if case.maker else None
    assert load(case.adapter, data, settings).fingerprint == dataset.fingerprint
    shutil.rmtree(own_cache)
    again = load(case.adapter, data, settings)
    assert again.fingerprint == dataset.fingerprint
    assert again.origins.tolist() == dataset.origins.tolist()
