"""A `tf.data.Dataset` becomes a data set, whatever its batches and its order."""

from __future__ import annotations

import hashlib
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from apertune.datasets import LoadSettings, from_tf_dataset
from apertune.datasets.cache import entries as cache
from apertune.errors import DatasetError, SettingError

IMAGES = np.random.default_rng(0).integers(0, 256, (60, 8, 8, 3), np.uint8)
LABELS = np.arange(60) % 3


def slices(images: Any = IMAGES, labels: Any = LABELS) -> Any:
    return tf.data.Dataset.from_tensor_slices((images, labels))


def test_batched_or_not() -> None:
    """Batches of any size, no batches and another order give the same data set."""
    want = from_tf_dataset("mine", slices(), list("abc"))
    assert want.image_shape == (8, 8, 3)
    for dataset in (
        slices().batch(7),
        slices().batch(60),
        slices().shuffle(60).batch(16),
        slices().shuffle(60, reshuffle_each_iteration=True).prefetch(2),
        slices().map(lambda image, label: {"image": image, "label": label}),
    ):
        assert from_tf_dataset("mine", dataset, list("abc")).fingerprint == want.fingerprint
    assert want.source == "tf.data.Dataset"


def test_contents() -> None:
    """Each image keeps its label, and is named by the digest of its pixels; equal images are numbered."""
    images = IMAGES.copy()
    images[3] = images[0]
    dataset = from_tf_dataset("mine", slices(images).shuffle(60), list("abc"))
    digests = [hashlib.sha256(image.tobytes()).hexdigest()[:12] for image in images]
    assert sorted(dataset.origins.tolist()) == sorted(
        f"image {digest}{' (2)' if row == 3 else ''}" for row, digest in enumerate(digests)
    )
    label_of = dict(zip(digests, LABELS.tolist(), strict=True))
    for image, label in zip(dataset.images, dataset.labels, strict=True):
        assert label_of[hashlib.sha256(image.tobytes()).hexdigest()[:12]] == label


@pytest.mark.parametrize("batch", [None, 8])
def test_grey(batch: int | None) -> None:
    """Grey images need no axis for their channel, in batches or alone."""
    grey = slices(IMAGES[..., 0], LABELS)
    dataset = from_tf_dataset("mine", grey.batch(batch) if batch else grey, list("abc"))
    assert dataset.image_shape == (8, 8, 1)
    assert len(dataset.images) == 60


@pytest.mark.parametrize("mode", ["int", "categorical", "binary"])
def test_image_dataset_from_directory(make: SimpleNamespace, tmp_path: Path, mode: str) -> None:
    """Keras's own function gives classes, labels in its three modes, and floats from 0 to 255, which must be said."""
    root = make.folders(tmp_path / "pictures", ("no", "yes") if mode == "binary" else ("a", "b", "c"), count=8)

    def directory() -> Any:
        return keras.utils.image_dataset_from_directory(
            str(root), label_mode=mode, image_size=(16, 16), batch_size=5, verbose=False
        )

    with pytest.raises(DatasetError, match=r"pixels are float32 from .* not stated; write pixel_range=\(0, 255\)"):
        from_tf_dataset("mine", directory())
    dataset = from_tf_dataset("mine", directory(), pixel_range=(0, 255))
    assert dataset.classes == (("no", "yes") if mode == "binary" else ("a", "b", "c"))
    assert dataset.task == ("binary" if mode == "binary" else "multiclass")
    assert np.bincount(dataset.labels).tolist() == [8] * len(dataset.classes)
    assert from_tf_dataset("mine", directory(), pixel_range=(0, 255)).fingerprint == dataset.fingerprint
    given = {
        np.rint(image).astype(np.uint8).tobytes(): int(label.argmax() if mode == "categorical" else label.item())
        for image, label in directory().unbatch().as_numpy_iterator()
    }
    made = {image.tobytes(): int(label) for image, label in zip(dataset.images, dataset.labels, strict=True)}
    assert made == given


def test_stated_splits() -> None:
    """Further `tf.data.Dataset`s are the splits they are given for."""
    dataset = from_tf_dataset(
        "mine",
        slices(IMAGES[:30], LABELS[:30]).batch(8),
        list("abc"),
        validation=slices(IMAGES[30:40], LABELS[30:40]),
        test=slices(IMAGES[40:], LABELS[40:]).batch(3),
    )
    assert [len(dataset.rows(split)) for split in ("train", "validation", "test")] == [30, 10, 20]
    assert {image.tobytes() for image in dataset.images[dataset.test]} == {image.tobytes() for image in IMAGES[40:]}
    assert str(dataset.origins[dataset.test[0]]).startswith("test image ")


def test_several_labels_and_names() -> None:
    """Multi-hot labels and labels that are texts are read as in arrays."""
    marks = np.random.default_rng(0).integers(0, 2, (60, 3))
    assert from_tf_dataset("mine", slices(labels=marks).batch(8), list("abc")).task == "multilabel"
    names = np.array(["fig", "pear", "plum"])[LABELS]
    for dataset in (slices(labels=names), slices(labels=names).batch(8)):
        assert from_tf_dataset("mine", dataset).classes == ("fig", "pear", "plum")


def test_sizes() -> None:
    """Images of several sizes need a stated one, and remember their own."""

    def unlike() -> Any:
        for row in range(60):
            yield IMAGES[row, : 8 - row % 2], LABELS[row]

    spec = (tf.TensorSpec((None, None, 3), tf.uint8), tf.TensorSpec((), tf.int64))
    dataset = tf.data.Dataset.from_generator(unlike, output_signature=spec)
    with pytest.raises(DatasetError, match=r"several sizes, such as 7x8 and 8x8 pixels; .*LoadSettings\(image_size="):
        from_tf_dataset("mine", dataset)
    made = from_tf_dataset("mine", dataset, settings=LoadSettings(image_size=8))
    assert made.image_shape == (8, 8, 3)
    assert set(map(tuple, cache.EntryArrays(made.folder).original_sizes().tolist())) == {(8, 8), (8, 7)}


def test_rows_that_cannot_be_used() -> None:
    """Pixels that are not finite are counted, and left out with their labels when asked."""
    floats = IMAGES.astype(np.float32)
    floats[[4, 9], 0, 0] = np.inf
    words: dict[str, Any] = {"classes": list("abc"), "pixel_range": (0, 255)}
    with pytest.raises(DatasetError, match=r"2 images cannot be used .*no finite numbers"):
        from_tf_dataset("mine", slices(floats).batch(8), **words)
    dataset = from_tf_dataset("mine", slices(floats).batch(8), settings=LoadSettings(skip_bad=True), **words)
    kept = {IMAGES[row].tobytes(): int(LABELS[row]) for row in range(60) if row not in (4, 9)}
    made = {image.tobytes(): int(label) for image, label in zip(dataset.images, dataset.labels, strict=True)}
    assert made == kept


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        (slices().repeat(), r"repeats without end; give it as it is before \.repeat\(\)"),
        (tf.data.Dataset.from_tensor_slices(IMAGES), "must be pairs of images and labels, but have no label"),
        (tf.data.Dataset.from_tensor_slices((IMAGES, LABELS, LABELS)), "labels, but have 3 parts"),
        (tf.data.Dataset.from_tensor_slices({"x": IMAGES, "y": LABELS}), "keys 'image' and 'label', but have x, y"),
        (slices().take(0), "the tf.data.Dataset holds no image"),
        (slices(labels=np.zeros(60, int)), "at least 2 classes are needed, but all labels are '0'"),
        (slices(IMAGES / 255), r"write pixel_range=\(0, 1\)"),
    ],
)
def test_refused(dataset: Any, message: str, own_cache: Path) -> None:
    """Elements that cannot be read are refused in one line, and leave nothing in the cache."""
    with pytest.raises(DatasetError, match=message) as refused:
        from_tf_dataset("mine", dataset)
    assert "\n" not in str(refused.value)
    assert not list((own_cache / "reading").glob("*"))


def test_something_else() -> None:
    """Other objects than a `tf.data.Dataset` are refused by their argument."""
    with pytest.raises(SettingError, match=r"dataset must be a tf\.data\.Dataset, but got ndarray"):
        from_tf_dataset("mine", IMAGES)
    with pytest.raises(SettingError, match=r"test must be a tf\.data\.Dataset, but got tuple"):
        from_tf_dataset("mine", slices(), test=(IMAGES, LABELS))
