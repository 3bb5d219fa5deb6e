"""Groups of images are dealt so that each label has its share in each part."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from apertune.datasets.splits.balancing import balance, collect_groups
from apertune.datasets.splits.splitting import draw, limit_rows

SHARES = (0.7, 0.15, 0.15)


def deviation(labels: np.ndarray, parts: list[np.ndarray], shares: tuple[float, ...] = SHARES) -> float:
    """The largest number of images by which any label misses its share of any part."""
    carried = labels if labels.ndim == 2 else np.eye(int(labels.max()) + 1)[labels]
    wanted = carried.sum(axis=0)
    off = [carried[part].sum(axis=0) - wanted * share for part, share in zip(parts, shares, strict=True)]
    return float(np.abs(off).max())


def copied(labels: np.ndarray, copies: int) -> np.ndarray:
    """Groups in which each of the last rows is a copy of one of the first."""
    return np.concatenate([np.arange(len(labels) - copies), np.arange(copies)])


@pytest.mark.parametrize("seed", range(8))
def test_copies_in_another_class(seed: int) -> None:
    """Both classes have their shares, 67/14/14 or so of 96, though pictures of one were copied into the other."""
    labels = np.repeat([0, 1, 1], [120, 80, 16]).astype(np.int32)
    parts = draw(labels, copied(labels, 16), np.arange(216), SHARES, seed)
    assert deviation(labels, parts) < 1
    assert [len(part) for part in parts] == [151, 33, 32]


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 2**32 - 1), st.integers(2, 5), st.integers(0, 60), st.booleans())
def test_copies_anywhere(seed: int, classes: int, copies: int, several_labels: bool) -> None:
    """Pairs of copies with any labels cost no class more than rounding, with one label per image or several."""
    random = np.random.default_rng(seed)
    if several_labels:
        labels = (random.random((300, classes)) < 0.4).astype(np.uint8)
    else:
        labels = random.integers(0, classes, 300).astype(np.int32)
    groups = copied(labels, copies)
    parts = draw(labels, groups, np.arange(300), SHARES, seed)
    assert deviation(labels, parts) < 1.5
    assert max(abs(len(part) - 300 * share) for part, share in zip(parts, SHARES, strict=True)) < 2
    assert sum(len(set(groups[part].tolist())) for part in parts) == 300 - copies


@pytest.mark.parametrize("several_labels", [False, True])
def test_persons_with_many_images(*, several_labels: bool) -> None:
    """With 150 persons of 20 images each, every class is within 3 images of its share."""
    random = np.random.default_rng(1)
    persons = random.integers(0, 150, 3000)
    labels = random.choice(6, 3000, p=[0.4, 0.25, 0.15, 0.1, 0.06, 0.04]).astype(np.int32)
    if several_labels:
        labels = np.eye(6, dtype=np.uint8)[labels] | (random.random((3000, 6)) < 0.1).astype(np.uint8)
    parts = draw(labels, persons, np.arange(3000), SHARES, 0)
    assert deviation(labels, parts) < 3
    assert not set(persons[parts[0]].tolist()) & set(persons[parts[1]].tolist())


def test_only_groups_of_several_labels() -> None:
    """Classes that occur only together are shared out as well."""
    labels = np.tile([0, 1], 100).astype(np.int32)
    parts = draw(labels, np.arange(200) // 2, np.arange(200), SHARES, 0)
    assert [len(part) for part in parts] == [140, 30, 30]


@pytest.mark.parametrize("shares", [(0.8, 0.2, 0.0), (0.5, 0.0, 0.5), (1.0, 0.0, 0.0), (0.0, 0.0)])
def test_a_share_of_nothing(shares: tuple[float, ...]) -> None:
    """A part of share 0 gets no row, however large the groups are; with no share at all, the first part keeps all."""
    random = np.random.default_rng(0)
    for labels in (np.repeat([0, 1], 60).astype(np.int32), (random.random((120, 3)) < 0.5).astype(np.uint8)):
        for groups in (np.arange(120), np.arange(120) // 17):
            parts = draw(labels, groups, np.arange(120), shares, 0)
            assert sum(map(len, parts)) == 120
            assert not any(len(part) for part, share in zip(parts[1:], shares[1:], strict=True) if share == 0)


def test_a_limit_is_exact_with_several_labels() -> None:
    """A limit keeps exactly so many images, and the share of each label."""
    random = np.random.default_rng(0)
    labels = (random.random((4000, 30)) < np.geomspace(0.4, 0.01, 30)).astype(np.uint8)
    kept = limit_rows(labels, np.arange(4000), 1000, seed=0)
    assert len(kept) == 1000
    assert np.abs(labels[kept].sum(axis=0) - labels.sum(axis=0) / 4).max() < 1


def test_an_even_deal_is_left_alone() -> None:
    """A deal within one image of the targets does not change, so that studies of such data keep their splits."""
    groups = collect_groups(np.zeros(10, np.int32), np.arange(10))
    owner = np.repeat([1, 0], [3, 7])
    assert balance(groups, owner, np.array([[7.4, 2.6]]), np.array([7.4, 2.6])) is owner
