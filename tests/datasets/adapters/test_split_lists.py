"""Splits that lists of images state beside class folders."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import pytest

from apertune.datasets import load


def lay_out(make: SimpleNamespace, root: Path) -> Path:
    """Makes ten images of each of two classes."""
    for number, name in enumerate(("pie", "ramen")):
        for image in range(10):
            make.save(root / "images" / name / f"{image}.jpg", seed=1000 * number + image)
    return root


def test_lists_state_the_splits(make: SimpleNamespace, tmp_path: Path) -> None:
    """Food-101's lists name images without suffix; images that none names are left out."""
    root = lay_out(make, tmp_path)
    meta = root / "meta"
    meta.mkdir()
    (meta / "classes.txt").write_text("pie\nramen\n")
    (meta / "train.txt").write_text("".join(f"{name}/{i}\n" for name in ("pie", "ramen") for i in range(6)))
    (meta / "test.txt").write_text("".join(f"{name}/{i}\n" for name in ("pie", "ramen") for i in range(6, 9)))
    dataset = load("folders", root)
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (12, 6)
    assert {
        "splits are those that meta/test.txt, meta/train.txt state",
        "left out 2 images that no list of a split names",
    } <= set(dataset.notes)


@pytest.mark.parametrize(
    ("train", "test"),
    [
        pytest.param(["pie/0", "pie/1"], ["pie/2", "pie/3"], id="few of the images"),
        pytest.param([f"pie/{i}" for i in range(8)], ["nobody/knows", "these"], id="names of nothing"),
        pytest.param(
            [f"{name}/{i}" for name in ("pie", "ramen") for i in range(8)], ["pie/1", "pie/2"], id="in two splits"
        ),
    ],
)
def test_lists_of_something_else_state_nothing(
    train: list[str], test: list[str], make: SimpleNamespace, tmp_path: Path
) -> None:
    """Text files that are no lists of splits, or that contradict each other, change nothing."""
    root = lay_out(make, tmp_path)
    (root / "train.txt").write_text("\n".join(train))
    (root / "test.txt").write_text("\n".join(test))
    dataset = load("folders", root)
    assert len(dataset.images) == 20
    assert not any("state" in note for note in dataset.notes)


def test_lists_that_contradict_each_other_are_told(make: SimpleNamespace, tmp_path: Path) -> None:
    """Images in two lists cannot be divided by them, and a line says so."""
    root = lay_out(make, tmp_path)
    every = [f"{name}/{i}" for name in ("pie", "ramen") for i in range(10)]
    (root / "train.txt").write_text("\n".join(every))
    (root / "test.txt").write_text("\n".join(every[:4]))
    notes = load("folders", root).notes
    assert "test.txt, train.txt list images in two splits, so splits are not taken from them" in notes


def test_the_first_of_several_divisions_counts(make: SimpleNamespace, tmp_path: Path) -> None:
    """DTD divides its images ten times; the division with the lowest number is taken, and a line says so."""
    root = lay_out(make, tmp_path)
    every = [f"{name}/{name}_{i}.jpg" for name in ("pie", "ramen") for i in range(10)]
    for name in ("pie", "ramen"):
        for image in range(10):
            (root / "images" / name / f"{image}.jpg").rename(root / "images" / name / f"{name}_{image}.jpg")
    for division in (2, 1, 10):
        shifted = every[division:] + every[:division]
        for part, names in (("train", shifted[:8]), ("val", shifted[8:14]), ("test", shifted[14:])):
            (root / f"{part}{division}.txt").write_text("\n".join(names))
    dataset = load("folders", root)
    assert [len(rows) for rows in (dataset.train, dataset.validation, dataset.test)] == [8, 6, 6]
    assert {dataset.origins[row] for row in dataset.train} == {f"images/{name}" for name in every[1:9]}
    assert {
        "splits are those that test1.txt, train1.txt, val1.txt state",
        "the images are divided 3 times; the division 1 counts",
    } <= set(dataset.notes)


def test_cub_200_2011(make: SimpleNamespace, tmp_path: Path) -> None:
    """A file has the number of each image and 1 for training; another one the images' paths."""
    root = lay_out(make, tmp_path)
    paths = [f"{name}/{i}.jpg" for name in ("pie", "ramen") for i in range(10)]
    (root / "images.txt").write_text("".join(f"{number} {path}\n" for number, path in enumerate(paths, 1)))
    (root / "train_test_split.txt").write_text("".join(f"{n} {int(n % 4 > 0)}\n" for n in range(1, 21)))
    dataset = load("folders", root)
    assert {dataset.origins[row] for row in dataset.test} == {f"images/{paths[n - 1]}" for n in (4, 8, 12, 16, 20)}
    assert "splits are those that train_test_split.txt states" in dataset.notes


@pytest.mark.parametrize("joint", ["trainval.txt", "train_val_list.txt"])
def test_lists_for_training_and_validation_together(joint: str, make: SimpleNamespace, tmp_path: Path) -> None:
    """They are training images, unless other lists tell those for validation apart."""
    root = lay_out(make, tmp_path)
    every = [f"{name}/{i}" for name in ("pie", "ramen") for i in range(10)]
    (root / joint).write_text("\n".join(every[::2]))
    (root / "test_list.txt").write_text("\n".join(every[1::2]))
    dataset = load("folders", root)
    assert (len(dataset.train) + len(dataset.validation), len(dataset.test)) == (10, 10)
    (root / "train.txt").write_text("\n".join(every[::4]))
    (root / "val.txt").write_text("\n".join(every[2::4]))
    parts = load("folders", root)
    assert [len(rows) for rows in (parts.train, parts.validation, parts.test)] == [5, 5, 10]


def test_names_that_begin_with_a_split(make: SimpleNamespace, tmp_path: Path) -> None:
    """Files that are all called like splits are divided by that; one that is not leaves them undivided."""
    for number in range(24):
        part = "test" if number % 3 == 0 else "train"
        make.save(tmp_path / ("pie" if number % 2 else "ramen") / f"{part}_{number}.jpg", seed=number)
    dataset = load("folders", tmp_path)
    assert len(dataset.test) == 8
    assert "splits are those that the names of the files begin with" in dataset.notes
    make.save(tmp_path / "pie" / "another.jpg", seed=99)
    assert not any("begin with" in note for note in load("folders", tmp_path).notes)
