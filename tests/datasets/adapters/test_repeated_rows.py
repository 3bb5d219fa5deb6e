"""Tables that name an image in several rows."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import ImageDataset, LoadSettings, load
from apertune.errors import DatasetError, SettingError


def table(make: SimpleNamespace, root: Path, again: list[str], header: str = "path,label") -> Path:
    """Makes twelve images of two labels, a row each, and further rows."""
    rest = ",train" * (header.count(",") - 1)
    rows = [f"{number}.jpg,{'cat' if number % 2 else 'dog'}{rest}" for number in range(12)]
    for number in range(12):
        make.save(root / f"{number}.jpg", seed=number)
    (root / "t.csv").write_text("\n".join([header, *rows, *again]) + "\n")
    return root / "t.csv"


def repeated(path: Path, way: str = "repeated") -> ImageDataset:
    return load("table", path, LoadSettings(options={"labels": way}))


def test_rows_that_contradict_each_other_are_asked_about(make: SimpleNamespace, tmp_path: Path) -> None:
    """An image with two labels is no image of either; the user says whether both are its labels."""
    path = table(make, tmp_path, ["1.jpg,dog", "3.jpg,bird", "5.jpg,bird"])
    with pytest.raises(
        DatasetError,
        match=r"3 images stand in several rows with different labels, such as 1\.jpg \('cat' and 'dog'\); give "
        "--option labels=repeated if",
    ):
        load("table", path)
    dataset = repeated(path)
    assert (dataset.task, dataset.classes) == ("multilabel", ("bird", "cat", "dog"))
    assert len(dataset.images) == 12
    assert dataset.labels.sum(axis=0).tolist() == [2, 6, 7]


def test_a_row_that_stands_twice_counts_once(make: SimpleNamespace, tmp_path: Path) -> None:
    """The same row again adds no image, and a line says so."""
    dataset = load("table", table(make, tmp_path, ["1.jpg,cat", "2.jpg,dog", "2.jpg,dog"]))
    assert (dataset.task, len(dataset.images)) == ("binary", 12)
    assert "left out 3 rows that name an image again, with the same label" in dataset.notes


def test_several_splits_and_other_words_are_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    """An image in two splits is refused, as is another value of the option."""
    path = table(make, tmp_path, ["1.jpg,cat,test", "0.jpg,dog,test"], "path,label,split")
    with pytest.raises(DatasetError, match=r"rows put (0|1)\.jpg into several splits; let each image have one row"):
        load("table", path)
    with pytest.raises((DatasetError, SettingError), match="--option labels must be repeated, but got 'nested'"):
        repeated(path, "nested")
