"""A few images of a data set, kept with a promotion.

With them an export is compared on test images, and calibrated on training images, where the data set is not at hand.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from ...datasets.base import ImageDataset, Images, Rows
from ...errors import ModelError
from ..models.contract import ModelContract
from .parity import ParityImages

SAMPLES_FILE = "export_samples.npz"
_MOST_IMAGES = 200
_MOST_BYTES = 16 * 2**20  # per split


@dataclass(frozen=True, eq=False)
class Samples:
    """Images of a data set that an export needs."""

    parity: ParityImages
    """Test images with their labels, to compare the formats on."""
    calibration: Images
    """Training images, uint8 (n, height, width, channels), to calibrate int8 on."""


def samples_of(dataset: ImageDataset) -> Samples:
    """Takes samples evenly spaced over the test and the training rows."""
    test, train = _spread(dataset, dataset.test), _spread(dataset, dataset.train)
    source = f"{len(test)} test images of {dataset.name}"
    return Samples(ParityImages(dataset.images[test], dataset.labels[test], source), dataset.images[train])


def write_samples(dataset: ImageDataset, folder: Path) -> None:
    """Writes the data set's samples into the folder, as `read_samples` reads them."""
    test, train = _spread(dataset, dataset.test), _spread(dataset, dataset.train)
    np.savez_compressed(
        folder / SAMPLES_FILE,
        test_images=dataset.images[test],
        test_labels=dataset.labels[test],
        training_images=dataset.images[train],
    )


def read_samples(file: Path, contract: ModelContract) -> Samples:
    """Reads samples and checks them, since the file may come from anywhere.

    Args:
        file: A file that `write_samples` wrote.
        contract: The contract of the model that they belong to.

    Raises:
        ModelError: The file is damaged or does not fit the model.
    """
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as saved:
            pixels, labels, training = (saved[name] for name in ("test_images", "test_labels", "training_images"))
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{file} is damaged: {error}") from None
    wanted = (np.uint8, contract.image_shape)
    if (pixels.dtype, pixels.shape[1:]) != wanted or (training.dtype, training.shape[1:]) != wanted:
        raise ModelError(f"{file} holds images that are not uint8 of the model's shape {contract.image_shape}")
    if len(labels) != len(pixels) or labels.shape[1:] != (() if contract.task != "multilabel" else (contract.outputs,)):
        raise ModelError(f"{file} holds labels that do not fit its {len(pixels)} test images")
    return Samples(ParityImages(pixels, labels, f"{len(pixels)} test images of {contract.dataset}"), training)


def _spread(dataset: ImageDataset, rows: Rows) -> Rows:
    most = max(1, min(_MOST_IMAGES, _MOST_BYTES // int(np.prod(dataset.image_shape))))
    return rows[:: -(-len(rows) // most) or 1]
