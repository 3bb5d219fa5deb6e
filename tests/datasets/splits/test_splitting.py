"""Splits: their shares, seeds, groups and leaks."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apertune.datasets import LoadSettings, load
from apertune.datasets.base import STATED
from apertune.datasets.splits.duplicates import find_duplicates
from apertune.datasets.splits.splitting import draw, limit_rows, make_splits
from apertune.errors import SettingError


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.integers(0, 4), min_size=1, max_size=200),
    st.sampled_from([(0.7, 0.15, 0.15), (0.8, 0.2, 0.0), (0.5, 0.25, 0.25)]),
    st.integers(0, 2**32 - 1),
)
def test_stratified(labels: list[int], shares: tuple[float, float, float], seed: int) -> None:
    """Each class has its share of each part to within two images, and each row is in exactly one part."""
    array = np.array(labels, np.int32)
    parts = draw(array, np.arange(len(array)), np.arange(len(array)), shares, seed)
    assert sorted(np.concatenate(parts).tolist()) == list(range(len(array)))
    for part, share in zip(parts, shares, strict=True):
        got = np.bincount(array[part], minlength=5)
        assert np.abs(got - np.bincount(array, minlength=5) * share).max() < 2
    again = draw(array, np.arange(len(array)), np.arange(len(array)), shares, seed)
    assert all(np.array_equal(one, other) for one, other in zip(parts, again, strict=True))


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 30)), min_size=30, max_size=120), st.integers(0, 99))
def test_groups_stay_together(rows: list[tuple[int, int]], seed: int) -> None:
    """Rows of one group are in one part, even when their labels differ."""
    labels, groups = np.array(rows).T
    parts = draw(labels.astype(np.int32), groups, np.arange(len(rows)), (0.7, 0.15, 0.15), seed)
    owners = [set(groups[part].tolist()) for part in parts]
    assert sum(map(len, owners)) == len(set(groups.tolist()))
    assert sum(map(len, parts)) == len(rows)


def test_multilabel() -> None:
    """Each label keeps its share where images carry several labels, and groups stay together."""
    random = np.random.default_rng(0)
    labels = (random.random((400, 5)) < (0.5, 0.3, 0.2, 0.1, 0.05)).astype(np.uint8)
    groups = np.arange(400) // 2
    parts = draw(labels, groups, np.arange(400), (0.7, 0.15, 0.15), seed=3)
    assert sorted(np.concatenate(parts).tolist()) == list(range(400))
    assert set(groups[parts[0]].tolist()).isdisjoint(groups[parts[1]].tolist())
    for part, share in zip(parts, (0.7, 0.15, 0.15), strict=True):
        assert np.abs(labels[part].sum(0) - labels.sum(0) * share).max() <= 6


def test_missing_test_split() -> None:
    """A missing test split is drawn from validation, and training stays as it is."""
    stated = np.array([STATED["train"]] * 40 + [STATED["validation"]] * 40, np.int8)
    labels = np.arange(80, dtype=np.int32) % 4
    splits = make_splits(labels, stated, np.arange(80), (0.7, 0.15, 0.15), seed=0)
    assert splits.train.tolist() == list(range(40))
    assert len(splits.validation) == len(splits.test) == 20
    assert splits.test.min() >= 40


def test_limit() -> None:
    """A limit keeps the share of each class; a limit above the number of rows changes nothing."""
    labels = np.repeat([0, 1], [30, 90]).astype(np.int32)
    rows = np.arange(120)
    assert np.bincount(labels[limit_rows(labels, rows, 40, seed=0)]).tolist() == [10, 30]
    assert limit_rows(labels, rows, 500, seed=0) is rows


@pytest.mark.parametrize("split", [(0.5, 0.5, 0.5), (0.0, 0.5, 0.5), (1.2, -0.1, -0.1)])
def test_refused_shares(split: tuple[float, float, float]) -> None:
    """Shares that do not sum to one, are negative, or leave nothing to train on are refused."""
    with pytest.raises(SettingError, match="--split must be three shares that sum to 1"):
        LoadSettings(split=split)


def test_near_duplicates(make: SimpleNamespace, tmp_path: Path) -> None:
    """Recompressed, resized and brightened copies count as one picture; other pictures do not."""
    from PIL import Image, ImageEnhance

    pixels = [make.picture(seed, 96, 96) for seed in range(12)]
    original = Image.fromarray(pixels[0])
    original.save(tmp_path / "x.jpg", quality=60)
    copies = [
        np.asarray(Image.open(tmp_path / "x.jpg")),
        np.asarray(original.resize((50, 50)).resize((96, 96))),
        np.asarray(ImageEnhance.Brightness(original).enhance(0.9)),
        pixels[0],
    ]
    found = find_duplicates(np.stack(pixels + copies))
    assert found.near.tolist() == [*range(12), 0, 0, 0, 0]
    assert found.exact.tolist() == [*range(15), 0]


def test_own_split_keeps_copies_together(make: SimpleNamespace, tmp_path: Path) -> None:
    """Copies of a picture are on one side of a generated split, whatever the seed."""
    root = make.folders(tmp_path / "a", count=12)
    for number in range(6):
        make.save(root / "Negative" / f"copy {number}.png", seed=number)
    for seed in range(4):
        dataset = load("folders", root, LoadSettings(seed=seed))
        side = {
            str(dataset.origins[row]): split for split in ("train", "validation", "test") for row in dataset.rows(split)
        }
        for number in range(6):
            assert side[f"Negative/copy {number}.png"] == side[f"Negative/photo {number}.JPG"]


def test_drop_leaks(make: SimpleNamespace, tmp_path: Path) -> None:
    """Leaks of a ready-made split are reported, and --drop-leaks leaves out the images on the training side."""
    for split, offset in (("train", 0), ("val", 100), ("test", 200)):
        for number, name in enumerate("ab"):
            for image in range(6):
                make.save(tmp_path / "s" / split / name / f"{image}.png", seed=1000 * number + offset + image)
    make.save(tmp_path / "s" / "test" / "a" / "leak.png", seed=0)
    plain = load("folders", tmp_path / "s")
    assert any("1 training image with a copy" in note and "--drop-leaks" in note for note in plain.notes)
    dropped = load("folders", tmp_path / "s", LoadSettings(drop_leaks=True))
    assert (len(plain.train), len(dropped.train)) == (12, 11)
    assert dropped.test.tolist() == plain.test.tolist()
    assert "train/a/0.png" not in dropped.origins[dropped.train]
