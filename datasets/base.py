"""The types in which a data set is passed around.

Life of a data set: an adapter reads one on-disk format into an `Index`, the list of its images. The shared loader
decodes them once into the cache, draws the splits and returns an `ImageDataset`. A search is given its
`TrainingView`, which cannot reach the test rows; only promotion opens those.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from ..errors import DatasetError
from .arrays import EntryArrays
from .grouping import Grouping
from .preview import preview

if TYPE_CHECKING:
    import pandas as pd

Task = Literal["binary", "multiclass", "multilabel"]
Split = Literal["train", "validation", "test"]
Resize = Literal["stretch", "crop", "pad"]
Images = NDArray[np.uint8]
Rows = NDArray[np.int64]
Labels = NDArray[np.int32] | NDArray[np.uint8]
# Called with a stage ("reading"), the work done so far and the total work, both in the same unit.
Progress = Callable[[str, int, int], None]
# The codes for the splits that a format states itself, as a cache entry keeps them.
STATED = {"train": 0, "validation": 1, "test": 2}
UNSTATED = -1


def unmasked(labels: Labels) -> Labels:
    """Labels without their mask; masked ones are 0."""
    plain: Any = np.ma.getdata(labels)
    return cast(Labels, plain)


def _masked(labels: Labels, arrays: EntryArrays, rows: Rows) -> Labels:
    """The labels of some rows, with the mask that the cache entry has for them.

    NumPy's masked arrays keep their mask through indexing, and hold 0 where they are masked.
    """
    masked = arrays.masked()
    if masked is None:
        return labels[rows]
    return cast(Labels, np.ma.masked_array(labels[rows], masked[rows]))


@dataclass(frozen=True)
class FileCounts:
    """The files of a data set, as far as each image is a file."""

    found: int
    """Files found, clutter such as `.DS_Store` left out."""
    read: int
    """Files that were read as images."""
    left_out: dict[str, int]
    """Number of the others by reason; files that cannot be used are counted among `bad`, not here."""
    bad: int = 0
    """Files that cannot be used."""

    @property
    def words(self) -> str:
        """The counts in one line."""
        others = {**self.left_out, **({"cannot be used": self.bad} if self.bad else {})}
        most_first = sorted(others.items(), key=lambda item: -item[1])
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in most_first)
        left = f", {sum(others.values()):,} left out: {reasons}" if others else ", none left out"
        return f"{self.found:,} files found, {self.read:,} read as images{left}"


@dataclass(frozen=True)
class DataSpec:
    """The facts of a data set that a space may depend on."""

    image_shape: tuple[int, int, int]
    """(height, width, channels) in pixels."""
    task: Task
    classes: tuple[str, ...]
    """Class names in label order."""
    class_counts: tuple[int, ...]
    """Number of training images that carry each class."""
    train_size: int
    """Number of training images."""

    @property
    def outputs(self) -> int:
        """The number of values that a network yields per image: 1 for a binary task, else one per class."""
        return 1 if self.task == "binary" else len(self.classes)


@dataclass(frozen=True, eq=False)
class ImageDataset:
    """A decoded data set with its splits; its arrays are read-only."""

    name: str
    """The name that results are kept under."""
    task: Task
    classes: tuple[str, ...]
    """Class names in label order; for a binary task the second is the positive class."""
    images: Images
    """uint8 (n, height, width, channels), memory-mapped."""
    labels: Labels
    """int32 (n,) for binary and multiclass tasks, uint8 multi-hot (n, classes) for multilabel tasks."""
    train: Rows
    """Row numbers, int64, sorted; no row is in two splits."""
    validation: Rows
    test: Rows
    origins: NDArray[np.str_]
    """The source of each row: a path relative to the data set's folder, or "line 12"."""
    fingerprint: str
    """SHA-256 (hexadecimal) of pixels, labels, classes, task and splits."""
    folder: Path
    """The cache entry that holds the arrays."""
    source: str
    """The path the user gave, or where the images come from without one."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read, such as the number of images left out."""
    licence: str | None = None
    """The licence of the data, where it is known."""
    resize: Resize = "stretch"
    """The way images of other shapes were brought to `image_shape`."""
    adapter: str = ""
    """The adapter that read the data; empty for arrays in memory."""
    grouping: Grouping | None = None
    """The rule by which images, such as those of one person, stay in one split and fold; None without groups."""
    files: FileCounts | None = None
    """The files found, read and left out; None where images are no files of their own."""

    def __repr__(self) -> str:
        size = "x".join(map(str, self.image_shape))
        counts = ", ".join(f"{len(self.rows(split)):,} {split}" for split in get_args(Split))
        return f"<ImageDataset {self.name}: {self.task}, {len(self.classes)} classes, images of {size}; {counts}>"

    def _repr_html_(self) -> str:
        """The page of a notebook: counts per class and split, notes, and examples of each class."""
        return preview(self)

    @property
    def image_shape(self) -> tuple[int, int, int]:
        """(height, width, channels) in pixels."""
        height, width, channels = self.images.shape[1:]
        return height, width, channels

    def rows(self, split: Split) -> Rows:
        """The row numbers of a split."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[split]

    def scored_labels(self, split: Split) -> Labels:
        """A split's labels as metrics take them: a masked array where some labels neither count nor teach.

        Those are VOC's classes that are only difficult in an image.
        """
        return _masked(self.labels, EntryArrays(self.folder), self.rows(split))

    def training_view(self) -> TrainingView:
        """The data set as a search may see it.

        Raises:
            DatasetError: The training or the validation split is empty.
        """
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
            grouping=self.grouping,
        )


@dataclass(frozen=True, eq=False)
class TrainingView:
    """The training and validation rows of a data set, with no way to the test rows.

    It is small and can be pickled: it names the cache entry and the rows, and reads the arrays where it is used.
    Fields that it shares with `ImageDataset` mean the same.
    """

    name: str
    task: Task
    classes: tuple[str, ...]
    image_shape: tuple[int, int, int]
    """(height, width, channels) in pixels."""
    folder: Path
    """The cache entry that holds the arrays."""
    train: Rows
    """Row numbers, int64, sorted; no row is in both splits."""
    validation: Rows
    fingerprint: str
    """The fingerprint of the whole data set, test rows included."""
    licence: str | None = None
    resize: Resize = "stretch"
    adapter: str = ""
    grouping: Grouping | None = None

    def images(self, split: Literal["train", "validation"]) -> Images:
        """Copies a split's pixels into memory: uint8 (rows, height, width, channels)."""
        return self._arrays.images()[self._rows(split)]

    def mapped_images(self, split: Literal["train", "validation"]) -> MappedImages:
        """A split's pixels left on disk, for data too large for memory."""
        return MappedImages(self._arrays.images(), self._rows(split))

    def labels(self, split: Literal["train", "validation"]) -> Labels:
        """A split's labels: int32 (rows,), or uint8 multi-hot (rows, classes), masked as `scored_labels` are."""
        return _masked(self._arrays.labels(), self._arrays, self._rows(split))

    def origins(self, split: Literal["train", "validation"]) -> NDArray[np.str_]:
        """The source of each row of a split, as in `ImageDataset`."""
        return self._arrays.origins()[self._rows(split)]

    def targets(self, split: Literal["train", "validation"]) -> NDArray[np.float32]:
        """Labels as a network is trained on them: float32 (rows, outputs), one-hot or multi-hot; NaN where masked."""
        labels = self.labels(split)
        if self.task == "multiclass":
            return np.eye(len(self.classes), dtype=np.float32)[labels]
        return np.ma.filled(labels.astype(np.float32), np.nan).reshape(len(labels), -1)

    def spec(self) -> DataSpec:
        """The facts of the training split that a space may depend on."""
        labels = self.labels("train")
        if self.task == "multilabel":
            counts = unmasked(labels).sum(axis=0, dtype=np.int64)
        else:
            counts = np.bincount(labels, minlength=len(self.classes))
        return DataSpec(self.image_shape, self.task, self.classes, tuple(int(c) for c in counts), len(labels))

    @property
    def _arrays(self) -> EntryArrays:
        return EntryArrays(self.folder)

    def _rows(self, split: str) -> Rows:
        if split == "train":
            return self.train
        if split == "validation":
            return self.validation
        raise DatasetError(f"a search may read the splits 'train' and 'validation', but asked for '{split}'")


@dataclass(frozen=True, eq=False)
class MappedImages:
    """Some rows of a memory-mapped image array; indexing copies only the images asked for."""

    images: Images
    """uint8 (n, height, width, channels), memory-mapped."""
    rows: Rows
    """The rows of the split, in the order they are numbered here."""

    def __len__(self) -> int:
        return len(self.rows)

    def __getitem__(self, positions: Rows) -> Images:
        """Copies images into memory.

        Args:
            positions: int64 (m,), numbers within the split.

        Returns:
            uint8 (m, height, width, channels).
        """
        return self.images[self.rows[positions]]


@dataclass(frozen=True)
class BadItem:
    """A file or row that cannot be used."""

    where: str
    """A path relative to the source, or "line 12"."""
    reason: str
    """The fault, without the file's name."""


@dataclass(frozen=True, eq=False)
class Index:
    """The images that a source holds, as an adapter lists them."""

    table: pd.DataFrame
    """One row per image, in the order the images will have. Columns:

    - `key`: str, a path relative to `source.root`, or "line 12".
    - `label`: str, a class name; for a multilabel task a tuple of class names.
    - `split`: str, "train", "validation" or "test"; None in every row when the format states no split.
    - `group`: str, the name of the group of images, such as those of one person, that stays in one split; the column
      is there only with `groups_from`.
    - `masked`: tuple of the class names that neither count nor teach for the image, none of which it carries; only for
      multilabel tasks, and the column may be missing.
    """
    classes: tuple[str, ...]
    """Class names in label order; for a binary task the second is the positive class."""
    task: Task
    pixels: NDArray[np.uint8] | None = None
    """None when every key is an image file; else one image per row of the table, uint8 (n, height, width) or
    (n, height, width, 3) from 0 to 255, which may be a memory map in the scratch folder."""
    bad: tuple[BadItem, ...] = ()
    """Files and rows that had to be left out."""
    root: Path | None = None
    """The folder that keys are relative to, where it is not the source's, such as one in the scratch folder."""
    groups_from: str | None = None
    """The source of the names of groups in words, such as "column patient"; None without groups."""
    notes: tuple[str, ...] = ()
    """Lines that the user should read."""
    licence: str | None = None
    """The licence of the data, where it is known."""
