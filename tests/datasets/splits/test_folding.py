"""Folds for cross-validation."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from apertune.datasets import from_arrays
from apertune.datasets.base import TrainingView
from apertune.datasets.splits.folding import fold_views
from apertune.errors import DatasetError


def made(labels: np.ndarray, images: np.ndarray | None = None):  # type: ignore[no-untyped-def]
    random = np.random.default_rng(3)
    if images is None:
        images = random.integers(0, 255, (len(labels), 8, 8, 1), np.uint8)
    classes = ("a", "b", "c")
    return from_arrays("folded", images, labels, classes)


def test_every_row_validates_once_and_no_test_row_ever() -> None:
    """Each training and validation row validates in exactly one fold, and test rows are in none."""
    dataset = made(np.arange(90, dtype=np.int32) % 3)
    views = fold_views(dataset.training_view(), 3, seed=0)
    validated = np.sort(np.concatenate([view.validation for view in views]))
    np.testing.assert_array_equal(validated, np.union1d(dataset.train, dataset.validation))
    for view in views:
        assert not np.intersect1d(view.train, view.validation).size
        assert not np.intersect1d(np.union1d(view.train, view.validation), dataset.test).size
        assert np.bincount(view.labels("validation")).min() >= len(view.validation) // 3 - 1


def test_labels_keep_their_shares_with_several_labels() -> None:
    """The images of each label are spread evenly over the folds of a multilabel data set."""
    random = np.random.default_rng(0)
    labels = (random.random((120, 3)) < [0.5, 0.3, 0.2]).astype(np.uint8)
    dataset = made(labels)
    views = fold_views(dataset.training_view(), 4, seed=1)
    counts = np.array([view.labels("validation").sum(axis=0) for view in views])
    assert (counts.max(axis=0) - counts.min(axis=0)).max() <= 4


def test_images_that_are_the_same_stay_in_one_fold() -> None:
    """Copies of an image are never on both sides of a fold."""
    random = np.random.default_rng(5)
    single = random.integers(0, 255, (45, 8, 8, 1), np.uint8)
    dataset = made(np.tile(np.arange(45, dtype=np.int32) % 3, 2), np.concatenate([single, single]))
    for view in fold_views(dataset.training_view(), 3, seed=0):
        train = {image.tobytes() for image in view.images("train")}
        assert not any(image.tobytes() in train for image in view.images("validation"))


def test_another_seed_makes_other_folds() -> None:
    """The same seed makes the same folds, and another seed makes others."""
    view = made(np.arange(90, dtype=np.int32) % 3).training_view()
    first, again, other = (fold_views(view, 3, seed=seed)[0].validation for seed in (0, 0, 1))
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)


def test_a_class_smaller_than_the_folds_is_refused() -> None:
    """Every fold needs an image of each class."""
    labels = np.zeros(60, np.int32)
    labels[30:57], labels[57:] = 1, 2
    with pytest.raises(DatasetError, match=r"--folds 10 needs at least 10 images of each class, .*; too few of: c"):
        fold_views(made(labels).training_view(), 10, seed=0)


def copied(labels: np.ndarray, copies: list[int]) -> TrainingView:
    """A data set that holds each image as many times as `copies` says, and has no test rows."""
    images = np.random.default_rng(7).integers(0, 255, (len(labels), 8, 8, 1), np.uint8)
    dataset = made(np.repeat(labels, copies, axis=0), np.repeat(images, copies, axis=0))
    rows = np.arange(sum(copies))
    return replace(dataset, train=rows[:-1], validation=rows[-1:], test=rows[:0]).training_view()


@pytest.mark.parametrize("several_labels", [False, True])
def test_copies_of_an_image_count_once(*, several_labels: bool) -> None:
    """A class of two images with three copies each is enough for two folds, but not for five."""
    labels = np.eye(3, dtype=np.uint8)[[0, 0, 1, 1]] if several_labels else np.array([0, 0, 1, 1], np.int32)
    view = copied(labels, [3, 3, 3, 3])
    assert [len(fold.validation) for fold in fold_views(view, 2, seed=0)] == [6, 6]
    refused = "--folds 5 needs at least 5 images of each class, copies of one image counted once; too few of: a, b"
    with pytest.raises(DatasetError, match=refused):
        fold_views(view, 5, seed=0)


def test_a_fold_without_images_is_refused() -> None:
    """When the copies of one image leave some folds without images, the folds are refused."""
    refused = "--folds 4 needs images for each fold, but 2 would get none, since copies of one image stay in one fold"
    with pytest.raises(DatasetError, match=refused):
        fold_views(copied(np.zeros((2, 3), np.uint8), [40, 1]), 4, seed=0)


def test_one_image_with_many_copies_leaves_the_other_folds_even() -> None:
    """When one image fills a fold with its copies, the others are spread over the other folds."""
    views = fold_views(copied(np.zeros(4, np.int32), [40, 1, 1, 1]), 4, seed=0)
    assert sorted(len(view.validation) for view in views) == [1, 1, 1, 40]
