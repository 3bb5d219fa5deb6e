"""Files of arrays: NPZ as MedMNIST has, NPY, HDF5 as PatchCamelyon has, IDX as EMNIST has, and MATLAB's as SVHN has."""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError
from ...text import first_line, some_of
from ..base import Progress
from ..files.archives import unpack
from ..files.sources import Source
from ..names import SPLIT_NAMES
from .readers import ARRAY_SUFFIXES, IDX_SUFFIXES, reader_hint

Kind = Literal["images", "labels", "classes"]

# A number in the header of IDX files says that each value is an unsigned byte.
_IDX_BYTES = 8
# The test images of MNIST and all that are published like it.
_SPLITS = {**SPLIT_NAMES, "t10k": "test"}
_WORDS: dict[Kind, frozenset[str]] = {
    "classes": frozenset({"classes", "names", "categories"}),
    "labels": frozenset({"y", "label", "labels", "target", "targets", "class", "classes"}),
    "images": frozenset({"x", "image", "images", "img", "imgs", "data", "pixels", "features", "inputs", "faces"}),
}
# `xtrain`, `y_val`, `trainX`.
_GLUED = re.compile(r"([xy])(train|val|valid|validation|test)|(train|val|valid|validation|test)([xy])")


@dataclass(frozen=True, eq=False)
class StoredArray:
    """An array in a file."""

    name: str
    """Its file, and its name in it."""
    values: Any
    """The values: anything with `shape` and `dtype` whose slices are read when they are taken."""
    split: str | None
    """The split that its name, or its file's, says."""
    words: frozenset[str]
    """The words of its name."""

    def may_be(self, kind: Kind) -> bool:
        """Returns whether the name says that the array holds images, labels, or names of classes."""
        return bool(self.words & _WORDS[kind])


@contextmanager
def stored_arrays(source: Source, scratch: Path, progress: Progress) -> Iterator[list[StoredArray]]:
    """Opens all arrays of a source, most without reading them; the values can be read while the context lasts.

    Args:
        source: The files.
        scratch: A folder that the parts of an NPZ file are unpacked to.
        progress: Called with the stage "unpacking".

    Raises:
        DatasetError: There is no such file, one is damaged, or it holds something else than arrays.
    """
    found = [file.path for file in source.with_suffix(*ARRAY_SUFFIXES)]
    paths = found if source.named is None else [source.named]
    if not paths or not paths[0].lower().endswith(ARRAY_SUFFIXES):
        others = some_of(sorted({PurePosixPath(file.path).suffix or file.path for file in source.files}))
        raise DatasetError(
            f"arrays: --data must be an NPZ, NPY, HDF5, IDX or MATLAB file, or a folder of such files, but "
            f"{source.root} holds {others or 'nothing'}{reader_hint(source, 'cifar10', 'table', 'folders')}"
        )
    with ExitStack() as stack:
        yield [array for path in paths for array in _arrays(source.root / path, path, scratch, progress, stack)]


def _arrays(path: Path, name: str, scratch: Path, progress: Progress, stack: ExitStack) -> Iterator[StoredArray]:
    suffix = path.suffix.lower()
    try:
        if name.lower().endswith(IDX_SUFFIXES):
            yield _named(name, read_idx(path))
        elif suffix == ".npy":
            yield _named(name, np.load(path, mmap_mode="r", allow_pickle=False))
        elif suffix == ".npz":
            folder = scratch / f"unpacked-{name.replace('/', '-')}"
            folder.mkdir()
            unpack(path, folder, progress)
            for part in sorted(folder.rglob("*.npy")):
                inside = part.relative_to(folder).with_suffix("").as_posix()
                yield _named(name, np.load(part, mmap_mode="r", allow_pickle=False), inside)
        elif suffix == ".mat":
            for inside, values in _images_first(_matlab(path)).items():
                yield _named(name, values, inside)
        else:
            import h5py

            file = stack.enter_context(h5py.File(path, "r"))
            for inside in _datasets(file):
                yield _named(name, file[inside], inside)
    except DatasetError:
        raise
    # NumPy and h5py raise many kinds of errors on damaged files; NumPy refuses arrays of Python objects.
    except Exception as error:
        raise DatasetError(f"arrays: {name} cannot be read: {first_line(error)}") from error


def read_idx(path: Path) -> NDArray[np.uint8]:
    """Reads a file in IDX format: two zeros, the type, the number of axes, their lengths, the values.

    Args:
        path: The file, which may be compressed with gzip.

    Raises:
        ValueError: The file is no such file, or cut off.
        OSError: It cannot be read, or is no gzip file though its name says so.
    """
    content = gzip.decompress(path.read_bytes()) if path.suffix == ".gz" else path.read_bytes()
    if len(content) < 4 or content[:2] != b"\0\0" or content[2] != _IDX_BYTES:
        raise ValueError("it is not in IDX format")
    shape = np.frombuffer(content, ">u4", content[3], 4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * len(shape)).reshape(shape)


def _matlab(path: Path) -> dict[str, NDArray[Any]]:
    """Returns the arrays of numbers in a MATLAB file, with the axes in MATLAB's order."""
    import h5py

    if h5py.is_hdf5(path):
        # Version 7.3, which stores the axes of an array in the opposite order.
        with h5py.File(path, "r") as file:
            held = {name: np.transpose(file[name][()]) for name in _datasets(file) if file[name].dtype.kind in "biuf"}
        return {name: values for name, values in held.items() if not name.startswith("#")}
    from scipy.io import loadmat

    return {
        name: values
        for name, values in loadmat(path).items()
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf"
    }


def _images_first(arrays: Mapping[str, NDArray[Any]]) -> dict[str, NDArray[Any]]:
    """Puts the axis of images first, which MATLAB has last: (32, 32, 3, n) and labels (n, 1) or (1, n)."""
    vectors = {name: values.ravel() for name, values in arrays.items() if values.ndim <= 2 and 1 in values.shape}
    counts = {len(values) for values in vectors.values()}
    found = {}
    for name, values in arrays.items():
        last = values.shape[-1] in counts and (values.ndim > 2 or values.shape[0] not in counts)
        found[name] = vectors.get(name, np.moveaxis(values, -1, 0) if last else values)
    return found


def _datasets(group: Any) -> list[str]:
    """Returns the names of all arrays below a group; links are not followed, since they may lead out of the file."""
    import h5py

    found: list[str] = []
    group.visititems(lambda name, item: found.append(name) if isinstance(item, h5py.Dataset) else None)
    return [name for name in found if not group[name].external and not group[name].is_virtual]


def _named(file: str, values: Any, inside: str = "") -> StoredArray:
    stem = str(PurePosixPath(file).with_suffix(""))
    own, around = _words(inside or stem), _words(stem)
    split = next((_SPLITS[word] for words in (own, around) for word in words if word in _SPLITS), None)
    # A file may hold but one array, as PatchCamelyon's do, so that only the file's name says what it is.
    return StoredArray(f"{file} {inside}".strip(), values, split, frozenset(own))


def _words(name: str) -> list[str]:
    """Returns the words of a name in lower case: `X_train`, `trainX` and `xtrain` have two."""
    spaced = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", name)
    words = []
    for word in re.findall(r"t10k|[a-z]+|\d+", spaced.lower()):
        glued = _GLUED.fullmatch(word)
        words += [part for part in glued.groups() if part] if glued else [word]
    return words
