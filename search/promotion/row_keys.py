"""Keys by which an image is known again under another split, another name or another study."""

from __future__ import annotations

import hashlib
from pathlib import Path
from zipfile import BadZipFile

import numpy as np
from numpy.typing import NDArray

from ...datasets.base import ImageDataset, Rows
from ...errors import ModelError

# uint64 (rows, 2): a digest of the pixels, and one of where they came from, which stays when the image size changes.
RowKeys = NDArray[np.uint64]

LEARNED_FILE = "learned_rows.npz"


def row_keys(dataset: ImageDataset, rows: Rows) -> RowKeys:
    """Returns the keys of rows of a data set."""
    keys = np.empty((len(rows), 2), np.uint64)
    for place, row in enumerate(rows):
        keys[place, 0] = _digest(np.ascontiguousarray(dataset.images[row]).tobytes())
        keys[place, 1] = _digest(f"{dataset.source}\0{dataset.origins[row]}".encode())
    return keys


def known_among(keys: RowKeys, others: RowKeys) -> NDArray[np.bool_]:
    """Returns which rows are among others, by pixels or by origin: (rows,)."""
    same_pixels, same_origin = (np.isin(keys[:, column], others[:, column]) for column in (0, 1))
    return np.asarray(same_pixels | same_origin, dtype=np.bool_)


def write_learned(dataset: ImageDataset, folder: Path) -> None:
    """Writes the keys of the images that a model is trained or chosen on into a folder."""
    rows = np.concatenate([dataset.train, dataset.validation])
    np.savez_compressed(folder / LEARNED_FILE, keys=row_keys(dataset, rows))


def read_learned(file: Path) -> RowKeys:
    """Reads keys that `write_learned` wrote.

    Raises:
        ModelError: The file is damaged.
    """
    try:
        with file.open("rb") as content, np.load(content, allow_pickle=False) as saved:
            keys: RowKeys = saved["keys"]
    except (OSError, ValueError, KeyError, EOFError, BadZipFile) as error:
        raise ModelError(f"{file.name} is damaged: {error}") from None
    if keys.dtype != np.uint64 or keys.shape[1:] != (2,):
        raise ModelError(f"{file.name} holds no keys of images")
    return keys


def _digest(content: bytes) -> int:
    return int.from_bytes(hashlib.blake2b(content, digest_size=8).digest(), "little")
