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
