"""Simpsons, PASCAL VOC and tables in their original layouts, oddities included."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from apertune.datasets import LoadSettings, load
from apertune.datasets.adapters.voc_annotation import AnnotationError, read_annotation
from apertune.errors import DatasetError


def test_simpsons(make: SimpleNamespace, tmp_path: Path) -> None:
    """Characters come from folder names, in the flat test folder from file names; rare ones are left out and named."""
    dataset = load("simpsons", make.simpsons(tmp_path / "s"), LoadSettings(options={"min-images": "5"}))
    assert dataset.classes == ("bart_simpson", "homer_simpson")
    assert len(dataset.test) == 2
    assert any("lionel_hutz (2)" in note for note in dataset.notes)
    everyone = load("simpsons", tmp_path / "s", LoadSettings(options={"min-images": "1"}))
    assert len(everyone.classes) == 3
    assert len(everyone.test) == 3


def test_simpsons_in_split_folders(make: SimpleNamespace, tmp_path: Path) -> None:
    """Splits that folders above the characters state are kept, and images of one name and size are not all copies."""
    for number, name in enumerate(("bart_simpson", "homer_simpson")):
        for split, count in (("train", 12), ("test", 4)):
            for image in range(count):
                path = tmp_path / split / name / f"pic_{image:04}.bmp"
                make.save(path, seed=100 * number + 40 * len(split) + image)
    dataset = load("simpsons", tmp_path, LoadSettings(options={"min-images": "5"}))
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (24, 8)
    assert {origin.split("/")[0] for origin in dataset.origins[dataset.test].tolist()} == {"test"}


def test_simpsons_all_rare(make: SimpleNamespace, tmp_path: Path) -> None:
    """When no character has 100 images, the message names the most frequent one and the flag."""
    with pytest.raises(
        DatasetError, match=r"no character has 100 training images .* lower the number with --min-images N"
    ):
        load("simpsons", make.simpsons(tmp_path / "s"))


def test_voc(make: SimpleNamespace, tmp_path: Path) -> None:
    """Classes count once per image, difficult objects are ignored, lists state splits, the test split is drawn."""
    dataset = load("voc2012", make.voc(tmp_path / "v"))
    assert dataset.task == "multilabel"
    assert dataset.classes == ("cat", "dog", "person")
    by_origin = {str(o)[-10:]: label.tolist() for o, label in zip(dataset.origins, dataset.labels, strict=True)}
    assert by_origin["000000.jpg"] == [0, 1, 1]
    assert by_origin["000001.jpg"] == [1, 0, 0]
    assert len(dataset.train) == 8
    assert len(dataset.validation) + len(dataset.test) == 6
    assert len(dataset.test) == 3
    assert any("2 images are in no list" in note for note in dataset.notes)
    assert any("1 listed image is missing: 2007_999999" in note for note in dataset.notes)


def test_voc_options(make: SimpleNamespace, tmp_path: Path) -> None:
    """Options take all images, count difficult objects, and keep the class of the largest object."""
    root = make.voc(tmp_path / "v")
    every = load("voc2012", root, LoadSettings(options={"all-images": "yes"}))
    assert len(every.train) + len(every.validation) + len(every.test) == 16
    difficult = load("voc2012", root, LoadSettings(options={"difficult": "keep"}))
    assert difficult.labels[:, 1].all()
    largest = load("voc2012", root, LoadSettings(options={"objects": "largest"}))
    assert (largest.task, largest.classes) == ("binary", ("cat", "person"))


def test_voc_pairs(make: SimpleNamespace, tmp_path: Path) -> None:
    """Images without an annotation and annotations without an image are counted and named."""
    voc = make.voc(tmp_path / "v") / "VOCdevkit" / "VOC2012"
    make.save(voc / "JPEGImages" / "alone.jpg", seed=99)
    (voc / "Annotations" / "lost.xml").write_text(make.voc_xml("lost.jpg", (("cat", 0),)))
    notes = load("voc2012", voc).notes
    assert any("1 image has no annotation: VOC2012" in n or "1 image has no annotation: JPEG" in n for n in notes)
    assert "1 annotation has no image: lost" in notes


HOSTILE = {
    "DTD": '<!DOCTYPE a SYSTEM "file:///etc/passwd"><annotation/>',
    "entities": '<!DOCTYPE a [<!ENTITY b "ccc">]><annotation><filename>&b;</filename></annotation>',
    "depth": "<annotation>" + "<a>" * 200_000 + "</a>" * 200_000 + "</annotation>",
    "parent": "<annotation><filename>../../etc/passwd</filename></annotation>",
    "absolute": "<annotation><filename>/etc/passwd</filename></annotation>",
    "damaged": "<annotation><object>",
    "empty": "",
    "huge": "<annotation>" + " " * (5 << 20) + "</annotation>",
}


@pytest.mark.parametrize("kind", HOSTILE)
def test_hostile_xml(kind: str, tmp_path: Path) -> None:
    """DTDs, entities, great depth, outward file names, damage and huge files are all refused."""
    path = tmp_path / "x.xml"
    path.write_text(HOSTILE[kind])
    with pytest.raises(AnnotationError):
        read_annotation(path)


def test_voc_linked_image(make: SimpleNamespace, tmp_path: Path) -> None:
    """An image that is a link out of the folder is refused by name, and so is a hostile annotation."""
    voc = make.voc(tmp_path / "v") / "VOCdevkit" / "VOC2012"
    make.save(tmp_path / "private.jpg", seed=77)
    (voc / "JPEGImages" / "2007_000000.jpg").unlink()
    (voc / "JPEGImages" / "2007_000000.jpg").symlink_to(tmp_path / "private.jpg")
    (voc / "Annotations" / "2007_000001.xml").write_text(HOSTILE["parent"])
    with pytest.raises(DatasetError, match="2 images cannot be used") as caught:
        load("voc2012", voc)
    assert "2007_000000.jpg: a link that leads out of the folder" in str(caught.value)
    assert "points outside the image folder: '../../etc/passwd'" in str(caught.value)


def test_table(make: SimpleNamespace, tmp_path: Path) -> None:
    """Paths, labels and splits come from the usual columns."""
    dataset = load("table", make.table(tmp_path / "t" / "labels.csv"), LoadSettings(options={"positive": "a"}))
    assert dataset.classes == ("b", "a")
    assert (len(dataset.train), len(dataset.validation), len(dataset.test)) == (6, 3, 3)


def test_table_multilabel(make: SimpleNamespace, tmp_path: Path) -> None:
    """Labels separated by semicolons, and one column per label, make the same multilabel data set."""
    root = make.table(tmp_path / "t" / "labels.csv").parent
    marks = [(image % 2, image // 2 % 2, 1) for image in range(12)]
    sets = [";".join(name for name, mark in zip("xyz", each, strict=True) if mark) for each in marks]
    first, second = root / "sets.csv", root / "columns.csv"
    first.write_text("image,tags\n" + "\n".join(f"images/{i}.png,{names}" for i, names in enumerate(sets)))
    second.write_text("image,x,y,z\n" + "\n".join(f"images/{i}.png,{x},{y},{z}" for i, (x, y, z) in enumerate(marks)))
    by_sets = load("table", first)
    by_columns = load("table", second, LoadSettings(options={"label-columns": "x,y,z"}))
    assert by_sets.task == "multilabel"
    assert by_sets.classes == by_columns.classes == ("x", "y", "z")
    assert np.array_equal(by_sets.labels, by_columns.labels)


def test_table_parquet(make: SimpleNamespace, tmp_path: Path) -> None:
    """Parquet is read like CSV."""
    import pandas as pd

    path = make.table(tmp_path / "t" / "labels.csv")
    expected = load("table", path)
    pd.read_csv(path).to_parquet(path.with_suffix(".parquet"))
    assert load("table", path.with_suffix(".parquet")).fingerprint == expected.fingerprint


def test_table_refusals(make: SimpleNamespace, tmp_path: Path) -> None:
    """Rows that lead outside, name no file or have no label are named by line; an unknown column is asked for."""
    path = make.table(tmp_path / "t" / "labels.csv")
    make.save(tmp_path / "private.png", seed=7)
    rows = "../private.png,a,train\n/etc/passwd,a,train\nimages/none.png,a,train\n"
    path.write_text(path.read_text() + "\n" + rows + "images/0.png,,train\n")
    with pytest.raises(DatasetError, match=r"4 images cannot be used .*line 14.*leads out.*line 16: no such file"):
        load("table", path)
    path.write_text("where,what\nimages/0.png,a\n")
    with pytest.raises(
        DatasetError, match="no column is known to hold the paths; name it with --option path-column=NAME"
    ):
        load("table", path)
