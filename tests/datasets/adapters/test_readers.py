"""Files given to a data set that does not read them."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import load
from apertune.errors import DatasetError


@pytest.mark.parametrize("given", ["folder", "file"])
@pytest.mark.parametrize(
    ("asked", "file", "reader"),
    [
        ("table", "x.npz", "arrays"),
        ("folders", "x.npz", "arrays"),
        ("folders", "x.csv", "table"),
        ("arrays", "x.csv", "table"),
        ("arrays", "data_batch_1", "cifar10"),
        ("folders", "data_batch_1", "cifar10"),
    ],
)
def test_the_one_that_reads_them_is_named(asked: str, file: str, reader: str, given: str, tmp_path: Path) -> None:
    """The error ends with the data set to take."""
    if file.endswith(".csv"):
        (tmp_path / file).write_text("path,label\n")
    elif file == "data_batch_1":
        (tmp_path / file).write_bytes(b"pixels")
    else:
        np.savez(tmp_path / file, x=np.zeros(3))
    with pytest.raises(DatasetError, match=f"; {file} is read by the data set {reader}$"):
        load(asked, tmp_path / file if given == "file" else tmp_path)


@pytest.mark.parametrize("asked", ["table", "arrays"])
def test_folders_of_pictures(asked: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """Pictures in folders are those of `folders`."""
    root = make.folders(tmp_path / "set", ("cat", "dog"), count=2)
    with pytest.raises(DatasetError, match=r"; cat/.* is read by the data set folders$"):
        load(asked, root)


@pytest.mark.parametrize("asked", ["table", "arrays", "folders"])
@pytest.mark.parametrize(
    ("file", "hint"),
    [
        ("labels.xlsx", r"; labels\.xlsx is a spreadsheet: save it as CSV$"),
        ("a.tfrecord", r"; a\.tfrecord holds records of TensorFlow: open them in Python, with from_tf_dataset$"),
        ("a.pkl", r"; a\.pkl is a pickle, which may run code: load it in Python, and give its arrays to from_arrays$"),
    ],
)
def test_files_that_nothing_reads(asked: str, file: str, hint: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """The error says what to do about them, alone or beside pictures."""
    (tmp_path / file).write_bytes(b"\xb1\x00")
    with pytest.raises(DatasetError, match=hint):
        load(asked, tmp_path / file)
    if asked != "folders":
        make.save(tmp_path / "images" / "1.png", seed=1)
    with pytest.raises(DatasetError, match=hint):
        load(asked, tmp_path)


@pytest.mark.parametrize(
    ("maker", "hint"),
    [
        ("yolo", r"; annotations such as labels/0\.txt are read by the data set yolo$"),
        ("voc", r"; annotations such as .*\.xml are read by the data set voc2012$"),
        ("coco", r"; annotations/instances_all2017\.json is read by the data set coco$"),
    ],
)
def test_annotations(maker: str, hint: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """The reader of annotations is named where they lie with images that no folder labels."""
    with pytest.raises(DatasetError, match=hint):
        load("folders", getattr(make, maker)(tmp_path / "set"))
