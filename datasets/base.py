"""What a data set is to the rest of Apertune.

Life of a data set: an adapter reads one on-disk format into an index (which images there are), the shared
loader decodes it once into the cache and draws the splits, and `ImageDataset` is the result. A search is
handed its `TrainingView`, which cannot reach the test rows; only promotion opens those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["binary", "multiclass", "multilabel"]
Split = Literal["train", "validation", "test"]
Resize = Literal["stretch", "crop", "pad"]
Images = NDArray[np.uint8]
Rows = NDArray[np.int64]
Labels = NDArray[np.int32] | NDArray[np.uint8]
# Called with a stage ("reading"), the work done so far and all of it, both in one unit.
Progress = Callable[[str, int, int], None]
# How `stated.npy` writes a format's own splits.
STATED = {"train": 0, "validation": 1, "test": 2}
UNSTATED = -1


@dataclass(frozen=True)
class DataSpec:
    """The facts of a data set that a space may depend on.

    image_shape: (height, width, channels) in pixels. class_counts: for each class, the training images that
    carry it. train_size: training images.
    """

    image_shape: tuple[int, int, int]
    task: Task
    classes: tuple[str, ...]
    class_counts: tuple[int, ...]
    train_size: int

    @property
    def outputs(self) -> int:
        """Numbers a network yields for one image: 1 for a binary task, else one a class."""
        return 1 if self.task == "binary" else len(self.classes)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A decoded, split data set. Frozen; its arrays are read-only.

    images: uint8 (n, height, width, channels), memory-mapped. labels: int32 (n,) for binary (1 is
    `classes[1]`, the positive class) and multiclass, uint8 multi-hot (n, classes) for multilabel.
    train, validation, test: int64 row numbers, disjoint, sorted. origins: where each row came from, a path
    relative to the source or "line 12". folder: the cache entry that holds the arrays. fingerprint: SHA-256
    (hexadecimal) over pixels, labels, classes, task and splits. notes: lines the user should read, such as
    what was left out. licence: of the data, when known. resize: how images of other shapes were brought to
    `image_shape`. name: what results are kept under; adapter: what read it, empty for arrays in memory.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    images: Images
    labels: Labels
    train: Rows
    validation: Rows
    test: Rows
    origins: NDArray[np.str_]
    fingerprint: str
    folder: Path
    source: str
    notes: tuple[str, ...] = ()
    licence: str | None = None
    resize: Resize = "stretch"
    adapter: str = ""

    @property
    def image_shape(self) -> tuple[int, int, int]:
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def rows(self, split: Split) -> Rows:
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def training_view(self) -> TrainingView:
        """The data set as a search may see it. Raises DatasetError when a split it needs is empty."""
        for split in ("train", "validation"):
            if len(self.rows(split)) == 0:
                raise DatasetError(f"{self.name}: the {split} split is empty; give shares with --split 0.7/0.15/0.15")
        return TrainingView(
            name=self.name,
            task=self.task,
            classes=self.classes,
            image_shape=self.image_shape,
            folder=self.folder,
            train=self.train,
            validation=self.validation,
            fingerprint=self.fingerprint,
            licence=self.licence,
            resize=self.resize,
            adapter=self.adapter,
        )


@dataclass(frozen=True, eq=False)
class TrainingView:
    """Training and validation rows of a data set, and no way to the test rows.

    Small and picklable: it names the cache entry and the rows, and maps the arrays where it is used.
    licence, resize, adapter: as in `ImageDataset`.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    folder: Path
    train: Rows
    validation: Rows
    fingerprint: str
    licence: str | None = None
    resize: Resize = "stretch"
    adapter: str = ""

    def images(self, split: Literal["train", "validation"]) -> Images:
        """Copies a split's pixels into memory: uint8 (rows, height, width, channels)."""
        images: Images = np.load(self.folder / "images.npy", mmap_mode="r")[self._rows(split)]
        return images

    def mapped_images(self, split: Literal["train", "validation"]) -> MappedImages:
        """A split's pixels left on disk, for data too large for memory."""
        return MappedImages(np.load(self.folder / "images.npy", mmap_mode="r"), self._rows(split))

    def labels(self, split: Literal["train", "validation"]) -> Labels:
        labels: Labels = np.load(self.folder / "labels.npy")[self._rows(split)]
        return labels

    def origins(self, split: Literal["train", "validation"]) -> NDArray[np.str_]:
        """Where each row of the split came from, as in `ImageDataset`."""
        origins: NDArray[np.str_] = np.load(self.folder / "origins.npy", mmap_mode="r")[self._rows(split)]
        return origins

    def targets(self, split: Literal["train", "validation"]) -> NDArray[np.float32]:
        """Labels as a network is trained on them: float32 (rows, outputs), one-hot or multi-hot."""
        labels = self.labels(split)
        if self.task == "multiclass":
            return np.eye(len(self.classes), dtype=np.float32)[labels]
        return labels.astype(np.float32).reshape(len(labels), -1)

    def spec(self) -> DataSpec:
        labels = self.labels("train")
        if self.task == "multilabel":
            counts = labels.sum(axis=0, dtype=np.int64)
        else:
            counts = np.bincount(labels, minlength=len(self.classes))
        return DataSpec(self.image_shape, self.task, self.classes, tuple(int(c) for c in counts), len(labels))

    def _rows(self, split: str) -> Rows:
        if split == "train":
            return self.train
        if split == "validation":
            return self.validation
        raise DatasetError(f"a search may read the splits 'train' and 'validation', not '{split}'")


@dataclass(frozen=True, eq=False)
class MappedImages:
    """The chosen rows of a memory-mapped image array; indexing copies just the images asked for."""

    images: Images
    rows: Rows

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: Rows) -> Images:
        """positions: int64 (m,), numbers within the split. Returns uint8 (m, height, width, channels)."""
        return self.images[self.rows[positions]]


@dataclass(frozen=True)
class BadItem:
    """A file or row that cannot be used. where: a path relative to the source, or "line 12"."""

    where: str
    reason: str


@dataclass(frozen=True, eq=False)
class Index:
    """Which images a source holds.

    table: one row an image, in the order the images will have, with the columns `key` (str: a path relative
    to `source.root`, or "line 12"), `label` (str, a class name; for a multilabel task a tuple of them) and
    `split` (str "train", "validation" or "test", or None for every row when the format states no split).
    classes: names in label order; for a binary task the second is the positive class.
    pixels: None when every key is an image file; else uint8 (n, height, width) or (n, height, width, 3), 0 to
    255, one image a table row, which may be a memory map in the scratch folder.
    bad: what had to be left out. notes: what the user should know of. licence: of the data, when known.
    """

    table: pd.DataFrame
    classes: tuple[str, ...]
    task: Task
    pixels: NDArray[np.uint8] | None = None
    bad: tuple[BadItem, ...] = ()
    notes: tuple[str, ...] = ()
    licence: str | None = None
