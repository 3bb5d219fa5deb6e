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
    """The user says whether several labels of most images are all theirs."""
    path = table(make, tmp_path, [f"{number}.jpg,bird" for number in range(8)])
    with pytest.raises(
        DatasetError,
        match=r"8 images of 12 have several rows that contradict each other, such as 0\.jpg \(in 2 rows, with "
        r"different labels\); give --option labels=repeated if each row has one of its labels",
    ):
        load("table", path)
    dataset = repeated(path)
    assert (dataset.task, dataset.classes) == ("multilabel", ("bird", "cat", "dog"))
    assert len(dataset.images) == 12
    assert dataset.labels.sum(axis=0).tolist() == [8, 6, 6]


def test_few_contradictions_are_images_that_cannot_be_used(make: SimpleNamespace, tmp_path: Path) -> None:
    """They are told by line, and can be left out."""
    path = table(make, tmp_path, ["1.jpg,dog", "3.jpg,cat"])
    with pytest.raises(DatasetError, match=r"1 image cannot be used \(line 3: in 2 rows, with different labels\)"):
        load("table", path)
    assert len(load("table", path, LoadSettings(skip_bad=True)).images) == 11


def test_a_row_that_stands_twice_counts_once(make: SimpleNamespace, tmp_path: Path) -> None:
    """The same row again adds no image, and a line says so."""
    dataset = load("table", table(make, tmp_path, ["1.jpg,cat", "2.jpg,dog", "2.jpg,dog"]))
    assert (dataset.task, len(dataset.images)) == ("binary", 12)
    assert "left out 3 rows that name an image again" in dataset.notes


def test_several_splits_and_other_words_are_refused(make: SimpleNamespace, tmp_path: Path) -> None:
    """An image in two splits cannot be used, and another value of the option is refused."""
    path = table(make, tmp_path, ["1.jpg,cat,test"], "path,label,split")
    with pytest.raises(DatasetError, match=r"line 3: in 2 rows, in different splits"):
        load("table", path)
    with pytest.raises((DatasetError, SettingError), match="--option labels must be repeated, but got 'nested'"):
        repeated(path, "nested")
