"""Keras's built-in image sets, from the files that Keras keeps in ~/.keras/datasets."""

from __future__ import annotations

import os
import pickle
import zipfile
import zlib
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import first_line
from ..base import Index, Progress
from ..files.sources import Source
from .fetching import ORIGINS, DownloadedFolder, KaggleDataset, fetch
from .stored_arrays import read_idx

_DIGITS = tuple(str(digit) for digit in range(10))
_CLOTHES = (
    "T-shirt/top", "Trouser", "Pullover", "Dress", "Coat", "Sandal", "Shirt", "Sneaker", "Bag", "Ankle boot",
)  # fmt: skip
# The names under which versions of Keras keep each set.
_KEPT = {
    "cifar10": ("cifar-10-batches-py-target", "cifar-10-batches-py", "cifar-10-batches-py.tar.gz"),
    "cifar100": ("cifar-100-python-target", "cifar-100-python", "cifar-100-python.tar.gz"),
    "fashion_mnist": ("fashion-mnist",),
    "mnist": ("mnist.npz",),
}
_CIFAR_SIDE = 32
_PARTS = ("train", "test")
# Everything that the pickled arrays of CIFAR are made of.
_PICKLED = {
    ("numpy", "ndarray"),
    ("numpy", "dtype"),
    ("numpy.core.multiarray", "_reconstruct"),
    ("numpy._core.multiarray", "_reconstruct"),
}
_DAMAGE = (OSError, ValueError, KeyError, EOFError, zlib.error, zipfile.BadZipFile, pickle.UnpicklingError)
# Images and labels of a part.
_Part = tuple[NDArray[np.uint8], NDArray[np.int64]]


def keras_folder() -> Path:
    """The folder where Keras keeps its data sets."""
    home = os.environ.get("KERAS_HOME")
    return (Path(home) if home else Path("~/.keras")).expanduser() / "datasets"


def find(name: str, progress: Progress) -> Path:
    """Finds a set among the files that Keras keeps, or fetches it there.

    Args:
        name: The data set.
        progress: Called while it is fetched.

    Raises:
        ApertuneError: It is not there, and cannot be fetched; the message says how to get it by hand.
    """
    folder = keras_folder()
    for kept in _KEPT[name]:
        if _is_whole(name, folder / kept):
            return folder / kept
    return fetch(name, folder, progress)


def _is_whole(name: str, path: Path) -> bool:
    """Returns whether a path holds a set; a folder left by an interrupted download lacks some of the files."""
    origin = ORIGINS[name]
    if isinstance(origin, DownloadedFolder):
        return all((path / file.filename).is_file() for file in origin.files)
    if path.is_dir():
        return any(path.rglob("test_batch" if name == "cifar10" else "test"))
    return path.is_file()


class MnistAdapter:
    """Reads MNIST: a file mnist.npz."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of the training part, then those of the test part."""
        path = _file(source, "mnist", "mnist.npz", ".npz")
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                parts = {part: (arrays[f"x_{part}"], arrays[f"y_{part}"].astype(np.int64)) for part in _PARTS}
        except _DAMAGE as error:
            raise _damaged("mnist", path, error) from error
        return _index("mnist", path, parts, _DIGITS, "CC BY-SA 3.0 (LeCun and Cortes)")


class FashionMnistAdapter:
    """Reads Fashion-MNIST: four files in IDX format, compressed or not."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of the training part, then those of the test part."""
        parts = {}
        for part, before in (("train", "train"), ("test", "t10k")):
            images = _file(source, "fashion_mnist", f"{before}-images-idx3-ubyte")
            labels = _file(source, "fashion_mnist", f"{before}-labels-idx1-ubyte")
            parts[part] = _idx(images), _idx(labels).astype(np.int64)
        return _index("fashion_mnist", source.root, parts, _CLOTHES, "MIT (Zalando SE)")


class Cifar10Adapter:
    """Reads CIFAR-10: pickled batches of pixels, plane by plane."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of the training part, then those of the test part."""
        files = {"train": [f"data_batch_{number}" for number in range(1, 6)], "test": ["test_batch"]}
        return _cifar(source, "cifar10", files, "labels", "batches.meta", "label_names")


class Cifar100Adapter:
    """Reads CIFAR-100, which is pickled like CIFAR-10."""

    def index(self, source: Source, options: Mapping[str, str], scratch: Path, progress: Progress) -> Index:
        """Lists the images of the training part, then those of the test part.

        Options:
            label-mode: "coarse" takes the 20 superclasses.
        """
        mode = options.get("label-mode", "fine")
        if mode not in ("fine", "coarse"):
            raise DatasetError(f"cifar100: --option label-mode must be fine or coarse, but got '{mode}'")
        files = {"train": ["train"], "test": ["test"]}
        return _cifar(source, "cifar100", files, f"{mode}_labels", "meta", f"{mode}_label_names")


def _cifar(
    source: Source, name: str, files: Mapping[str, list[str]], labels_key: str, meta: str, names_key: str
) -> Index:
    """Lists the images of CIFAR's batches.

    Args:
        source: The files.
        name: The data set.
        files: The names of the batches of each part.
        labels_key: The key of the labels in a batch.
        meta: The name of the file with the class names.
        names_key: Their key in it.
    """
    parts = {
        part: _joined([_batch(_file(source, name, each), name, labels_key) for each in batches])
        for part, batches in files.items()
    }
    path = _file(source, name, meta)
    held = _unpickled(path, name)
    if names_key not in held:
        raise DatasetError(f"{name}: {path} does not hold the names of the classes ({names_key})")
    return _index(name, source.root, parts, tuple(_text(each) for each in held[names_key]), None)


def _file(source: Source, name: str, wanted: str, suffix: str | None = None) -> Path:
    """The file of this name, at any depth and also with `.gz`; or the only one with the suffix.

    Raises:
        DatasetError: There is none.
    """
    for file in source.files:
        if PurePosixPath(file.path).name.removesuffix(".gz") == wanted:
            return source.root / file.path
    fitting = source.with_suffix(suffix) if suffix else ()
    if len(fitting) == 1:
        return source.root / fitting[0].path
    origin = ORIGINS[name]
    published = "" if isinstance(origin, KaggleDataset) else origin.filename
    raise DatasetError(
        f"{name}: {source.root} has no file '{wanted}'; give {published} as it is published with --data, or remove "
        "what is left of it there to have it fetched again"
    )


def _index(name: str, path: Path, parts: Mapping[str, _Part], classes: tuple[str, ...], licence: str | None) -> Index:
    """Makes the index of both parts.

    Raises:
        DatasetError: Images and labels do not fit each other.
    """
    import pandas as pd

    for part, (images, labels) in parts.items():
        fit = images.ndim >= 3 and images.dtype == np.uint8 and labels.shape == (len(images),) and len(images)
        if not fit or labels.min() < 0 or labels.max() >= len(classes):
            raise DatasetError(
                f"{name}: {path} does not hold Keras's set: its part '{part}' has images {images.dtype} "
                f"{images.shape} and labels {labels.shape}"
            )
    table = pd.DataFrame(
        {
            "key": [f"{part} {row}" for part, (images, _) in parts.items() for row in range(len(images))],
            "label": [classes[label] for _, labels in parts.values() for label in labels],
            "split": [part for part, (images, _) in parts.items() for _ in range(len(images))],
        }
    )
    pixels = np.concatenate([images for images, _ in parts.values()])
    return Index(table=table, classes=classes, task="multiclass", pixels=pixels, licence=licence)


def _idx(path: Path) -> NDArray[np.uint8]:
    try:
        return read_idx(path)
    except _DAMAGE as error:
        raise _damaged("fashion_mnist", path, error) from error


def _batch(path: Path, name: str, labels_key: str) -> _Part:
    batch = _unpickled(path, name)
    try:
        planes = np.asarray(batch["data"], np.uint8).reshape(-1, 3, _CIFAR_SIDE, _CIFAR_SIDE)
        return planes.transpose(0, 2, 3, 1), np.asarray(batch[labels_key], np.int64)
    except (KeyError, ValueError, TypeError, OverflowError) as error:
        raise _damaged(name, path, error) from error


def _joined(batches: list[_Part]) -> _Part:
    images, labels = zip(*batches, strict=True)
    return np.concatenate(images), np.concatenate(labels)


class _ArraysOnly(pickle.Unpickler):
    """Makes arrays, and refuses everything else that a pickle could run."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) not in _PICKLED:
            raise pickle.UnpicklingError(f"it holds more than arrays: {module}.{name}")
        return super().find_class(module.replace("numpy.core", "numpy._core"), name)


def _unpickled(path: Path, name: str) -> dict[str, Any]:
    try:
        with path.open("rb") as file:
            held = _ArraysOnly(file, encoding="bytes").load()
        return {_text(key): value for key, value in held.items()}
    # A damaged pickle can raise any error.
    except Exception as error:
        raise _damaged(name, path, error) from error


def _text(value: bytes | str) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _damaged(name: str, path: Path, error: BaseException) -> DatasetError:
    return DatasetError(
        f"{name}: {path} cannot be read: {first_line(error)}; remove it to have it fetched again, or give another "
        "with --data"
    )
