"""Data sets made of a `tf.data.Dataset`; it is read through its own methods, so TensorFlow is not imported here."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, SettingError
from ..adapters.label_values import Labelling, LabelSettings, read_labels
from ..arrays import row_blocks
from ..base import ImageDataset, Index, Progress
from ..settings import DEFAULT_SETTINGS, LoadSettings
from .opening import check_settings, index_of, label_facts, open_index, scratch_folder, silent
from .pixels import PixelFile, Range, check_range, image_arrays, pixel_format, stated_range

_INFINITE = -1
_CHANNELS = (1, 3, 4)
_DIGEST_SHOWN = 12


def from_tf_dataset(
    name: str,
    dataset: Any,
    classes: Sequence[str] | None = None,
    *,
    validation: Any = None,
    test: Any = None,
    task: str | None = None,
    pixel_range: Range | None = None,
    settings: LoadSettings = DEFAULT_SETTINGS,
    progress: Progress | None = None,
) -> ImageDataset:
    """Reads a `tf.data.Dataset` once and puts it into the cache.

    Give it before augmentation, and without `repeat()`. Since most of them are shuffled, rows are kept in the order of
    their contents: reading the same images in another order gives the same data set.

    Args:
        name: The name that results are kept under: letters, digits, "_" and "-".
        dataset: Pairs of images and labels, batched or not, as `keras.utils.image_dataset_from_directory` gives them;
            or dictionaries with "image" and "label".
        classes: Class names in label order; None takes `dataset.class_names`, or else the labels.
        validation: The validation split, likewise; None to draw it.
        test: The test split, likewise; None to draw it.
        task: "multilabel", "multiclass" or "binary", where the labels leave it open.
        pixel_range: The lowest and the highest value that a pixel may have, such as (0, 255), for other types than
            uint8.
        settings: Sizes, splits, and the handling of images that cannot be used. Images keep their size unless it
            states one.
        progress: Called with a stage ("reading"), the images read so far and their total, where it is known.

    Raises:
        SettingError: The name, the range or the task is none, or a split is no `tf.data.Dataset`.
        DatasetError: The images or labels cannot be used as they are.
    """
    check_settings("from_tf_dataset", name, settings)
    pixel_range = check_range(pixel_range)
    given = {"train": dataset, "validation": validation, "test": test}
    parts = {split: part for split, part in given.items() if part is not None}
    for split, part in parts.items():
        _check_dataset(name, split, part)
    classes = classes if classes is not None else getattr(dataset, "class_names", None)
    with scratch_folder() as folder:
        with closing(_Reading(name, folder / "pixels", pixel_range, settings, progress or silent)) as reading:
            for split, part in parts.items():
                reading.read(split, part)
            pixels = reading.finish()
        labels = [reading.labels_of(split) for split in parts]
        labelling = read_labels(name, labels, LabelSettings(classes, task))
        stated = len(parts) > 1
        order = _order(reading, labelling)
        keys = _keys([reading.splits[row] if stated else "" for row in order], [reading.digests[row] for row in order])
        ordered = Labelling(
            [labelling.labels[row] for row in order], labelling.classes, labelling.task, labelling.notes
        )
        faults = {place: reading.faults[row] for place, row in enumerate(order) if row in reading.faults}

        def listed(scratch: Path) -> tuple[Index, Path]:
            moved = _in_order(pixels, order, scratch / "pixels")
            splits = [reading.splits[row] if stated else None for row in order]
            index = index_of(ordered, keys, splits, moved, faults)
            gone = {item.where for item in index.bad}
            sizes = np.array(reading.sizes, np.int32).reshape(-1, 2)[order]
            np.save(scratch / "sizes.npy", sizes[[key not in gone for key in keys]])
            return index, Path("tf.data.Dataset")

        facts = (hashlib.sha256(repr(keys).encode()).hexdigest(), pixels.shape, label_facts(ordered))
        return open_index(name, "tf.data.Dataset", facts, listed, None, settings, progress or silent)


@dataclass(eq=False)
class _Reading:
    """The images and labels of some `tf.data.Dataset`s, as far as they have been read."""

    name: str
    path: Path
    """The file that takes the pixels."""
    pixel_range: Range | None
    settings: LoadSettings
    progress: Progress
    splits: list[str] = field(default_factory=list)
    """The split of each row."""
    digests: list[str] = field(default_factory=list)
    """SHA-256 (hexadecimal) of each row's pixels."""
    _labels: dict[str, list[NDArray[Any]]] = field(default_factory=dict)
    _file: PixelFile | None = None

    def read(self, split: str, dataset: Any) -> None:
        """Reads all elements of a split."""
        total = max(0, int(dataset.cardinality()))
        self._labels[split] = []
        for element, (images, labels) in enumerate(_batches(self.name, dataset)):
            if self._file is None:
                span = stated_range(self.name, [images], self.pixel_range)
                wanted = pixel_format({images.shape[1:]}, self.settings, self.name)
                self._file = PixelFile(self.path, self.name, span, wanted)
            pixels = self._file.append(images)
            self.digests += [hashlib.sha256(np.ascontiguousarray(each).data).hexdigest() for each in pixels]
            self.splits += [split] * len(images)
            self._labels[split].append(labels)
            self.progress("reading", element + 1, max(total, element + 1))

    def finish(self) -> NDArray[np.uint8]:
        """Returns the pixels of all rows, mapped."""
        if self._file is None:
            raise DatasetError(f"{self.name}: the tf.data.Dataset holds no image")
        return self._file.finish()

    def close(self) -> None:
        """Closes the file of the pixels."""
        if self._file is not None:
            self._file.close()

    def labels_of(self, split: str) -> NDArray[Any]:
        """The labels of a split, as they were read."""
        read = self._labels[split]
        if len({labels.shape[1:] for labels in read}) > 1:
            raise DatasetError(f"{self.name}: the labels of '{split}' have several shapes; all must have one")
        return np.concatenate(read) if read else np.zeros(0, np.int64)

    @property
    def sizes(self) -> list[tuple[int, int]]:
        """Width and height of each image before resizing."""
        return self._file.sizes if self._file else []

    @property
    def faults(self) -> dict[int, str]:
        """Rows that cannot be used, each with its reason."""
        return self._file.faults if self._file else {}


def _check_dataset(name: str, split: str, dataset: Any) -> None:
    if not all(hasattr(dataset, method) for method in ("as_numpy_iterator", "cardinality")):
        argument = "dataset" if split == "train" else split
        raise SettingError(f"{argument} must be a tf.data.Dataset, but got {type(dataset).__name__}")
    if int(dataset.cardinality()) == _INFINITE:
        raise DatasetError(f"{name}: the tf.data.Dataset repeats without end; give it as it is before .repeat()")


def _batches(name: str, dataset: Any) -> Iterator[tuple[NDArray[Any], NDArray[Any]]]:
    """The elements as batches: images (b, height, width, channels) and labels (b, ...)."""
    for element in dataset.as_numpy_iterator():
        image, label = _pair(name, element)
        alone = image.ndim == 2 or (image.ndim == 3 and image.shape[2] in _CHANNELS)
        images, labels = (image[None], label[None]) if alone else (image, label)
        if labels.ndim == 0 or len(labels) != len(images):
            raise DatasetError(
                f"{name}: give one label per image, but an element has images {image.shape} and labels {label.shape}"
            )
        yield image_arrays(name, images)[0], labels


def _pair(name: str, element: Any) -> tuple[NDArray[Any], NDArray[Any]]:
    found = element
    if isinstance(element, dict):
        names = (("image", "images"), ("label", "labels"))
        found = [next((element[key] for key in usual if key in element), None) for usual in names]
        if any(each is None for each in found):
            raise DatasetError(
                f"{name}: elements must have the keys 'image' and 'label', but have {', '.join(map(str, element))}; "
                "write dataset.map(lambda row: (row['...'], row['...']))"
            )
    if not isinstance(found, tuple | list) or len(found) != 2:
        seen = f"{len(found)} parts" if isinstance(found, tuple | list) else "no label"
        raise DatasetError(f"{name}: elements must be pairs of images and labels, but have {seen}")
    image, label = (np.asarray(each) if isinstance(each, bytes | int | float) else each for each in found)
    for each in (image, label):
        if not hasattr(each, "ndim"):
            raise DatasetError(f"{name}: images and labels must be dense tensors, but one is {type(each).__name__}")
    return np.asarray(image), np.asarray(label)


def _order(reading: _Reading, labelling: Labelling) -> list[int]:
    """The rows in the order of their splits and contents, which does not depend on shuffling."""
    place = {"train": 0, "validation": 1, "test": 2}
    return sorted(
        range(len(reading.digests)),
        key=lambda row: (place[reading.splits[row]], reading.digests[row], str(labelling.labels[row])),
    )


def _keys(splits: Sequence[str], digests: Sequence[str]) -> list[str]:
    """A name for each row, made of the digest of its pixels; copies are numbered."""
    seen: dict[str, int] = {}
    keys = []
    for split, digest in zip(splits, digests, strict=True):
        key = f"{split} image {digest[:_DIGEST_SHOWN]}".strip()
        seen[key] = seen.get(key, 0) + 1
        keys.append(key if seen[key] == 1 else f"{key} ({seen[key]})")
    return keys


def _in_order(pixels: NDArray[np.uint8], order: Sequence[int], path: Path) -> NDArray[np.uint8]:
    """Writes images in another order to a file, and maps that."""
    rows = np.asarray(order)
    moved = np.memmap(path, np.uint8, "w+", shape=pixels.shape)
    for block in row_blocks(pixels):
        moved[block] = pixels[rows[block]]
    moved.flush()
    return moved
