"""The arrays of a decoded data set: reading and writing their files, and walking large ones in blocks."""

from __future__ import annotations

import os
import tempfile
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

MappedPixels = np.memmap[Any, np.dtype[np.uint8]]
# Work on a whole data set keeps this many bytes of pixels in memory at a time, however large the set is.
BLOCK_BYTES = 16 << 20

# Those below the pixels and the names in size.
_CHECKED = ("labels", "stated", "groups", "masked")
_NAMES = ("images", "labels", "origins", "stated", "original_sizes", "groups", "masked")


@dataclass(frozen=True)
class EntryArrays:
    """The arrays in the folder of a cache entry; row i of each describes image i.

    Each array is one `.npy` file. Results computed from them, such as splits, are `.npz` files beside them.
    """

    folder: Path
    """The folder of the entry, which exists."""

    def images(self) -> NDArray[np.uint8]:
        """Maps the pixels: uint8 (n, height, width, channels), read-only."""
        return self.mapped("images")

    def labels(self) -> NDArray[np.int32] | NDArray[np.uint8]:
        """Reads the labels: int32 (n,), or uint8 multi-hot (n, classes); read-only."""
        labels: NDArray[np.int32] | NDArray[np.uint8] = np.load(self.path("labels"))
        labels.setflags(write=False)
        return labels

    def masked(self) -> NDArray[np.bool_] | None:
        """Reads which labels neither count nor teach: bool (n, classes); None where all do."""
        return np.load(self.path("masked")) == 1 if self.path("masked").exists() else None

    def save_masked(self, masked: NDArray[np.uint8]) -> None:
        """Writes the labels that neither count nor teach: uint8 (n, classes), 1 where one is left out."""
        np.save(self.path("masked"), masked)

    def origins(self) -> NDArray[np.str_]:
        """Maps the origins of the rows: paths relative to the source, or "line 12"."""
        return self.mapped("origins")

    def stated(self) -> NDArray[np.int8]:
        """Reads the splits that the format states: int8 (n,), coded as `STATED` and `UNSTATED` say."""
        stated: NDArray[np.int8] = np.load(self.path("stated"))
        return stated

    def original_sizes(self) -> NDArray[np.int32]:
        """Reads the widths and heights before resizing: int32 (n, 2), in pixels."""
        sizes: NDArray[np.int32] = np.load(self.path("original_sizes"))
        return sizes

    def groups(self) -> NDArray[np.int64]:
        """Reads the groups that the adapter names: int64 (n,), the first row of each one's group.

        Raises:
            FileNotFoundError: The adapter names none.
        """
        groups: NDArray[np.int64] = np.load(self.path("groups"))
        return groups

    def save_groups(self, groups: NDArray[np.int64]) -> None:
        """Writes the groups, shaped as `groups` returns them."""
        np.save(self.path("groups"), groups)

    def new_images(self, count: int, shape: tuple[int, ...]) -> MappedPixels:
        """Creates the images, to be written through the map that is returned.

        Args:
            count: Number of images.
            shape: (height, width, channels) in pixels.

        Raises:
            OSError: The disk has no room for them.
        """
        images = self.create("images", np.dtype(np.uint8), (count, *shape))
        if hasattr(os, "posix_fallocate"):
            # Without room reserved, writing to the map on a full disk would kill the process (SIGBUS).
            with self.path("images").open("r+b") as file:
                os.posix_fallocate(file.fileno(), 0, self.path("images").stat().st_size)
        return images

    def keep_images(self, images: NDArray[np.uint8], rows: NDArray[np.int64]) -> MappedPixels:
        """Keeps only some rows of the images.

        Args:
            images: The map that `new_images` returned.
            rows: The rows to keep, sorted.

        Returns:
            The map of the images kept.
        """
        whole = self.path("all")
        self.path("images").replace(whole)
        kept = self.new_images(len(rows), images.shape[1:])
        for block in row_blocks(kept):
            kept[block] = images[rows[block]]
        whole.unlink()
        return kept

    def save_images(self, images: NDArray[np.uint8]) -> None:
        """Writes pixels that are in memory: uint8 (n, height, width, channels)."""
        np.save(self.path("images"), images)

    def save_rows(
        self,
        *,
        labels: NDArray[np.int32] | NDArray[np.uint8],
        origins: NDArray[np.str_],
        stated: NDArray[np.int8],
        original_sizes: NDArray[np.int32],
    ) -> None:
        """Writes everything that an entry says of its images besides the pixels, shaped as the readers return it."""
        np.save(self.path("labels"), labels)
        np.save(self.path("origins"), origins)
        np.save(self.path("stated"), stated)
        np.save(self.path("original_sizes"), original_sizes)

    def path(self, name: str) -> Path:
        """The file of an array."""
        return self.folder / f"{name}.npy"

    def present(self) -> list[str]:
        """The names of the arrays that the folder holds; an entry shipped from another machine lacks some."""
        return [name for name in _NAMES if self.path(name).exists()]

    def sizes(self) -> dict[str, int]:
        """Size in bytes of each array's file, which reveals a file that was cut off."""
        return {self.path(name).name: self.path(name).stat().st_size for name in self.present()}

    def checksums(self) -> dict[str, int]:
        """Checksum of each array that is small beside the pixels, and whose damage would give wrong answers unseen."""
        return {name: zlib.crc32(self.path(name).read_bytes()) for name in _CHECKED if self.path(name).exists()}

    def are_sound(self, checksums: Mapping[str, int]) -> bool:
        """Returns whether the arrays can be read, agree in their rows, and have these checksums; pixels are not read.

        Args:
            checksums: What `checksums` returned when they were written; empty if nobody asked then.
        """
        try:
            rows = {self.mapped(name).shape[0] for name in self.present()}
            return len(rows) == 1 and (not checksums or self.checksums() == checksums)
        # NumPy raises several kinds of errors on damaged headers.
        except Exception:
            return False

    def mapped(self, name: str) -> NDArray[Any]:
        """Maps an array, read-only."""
        array: NDArray[Any] = np.load(self.path(name), mmap_mode="r")
        return array

    def create(self, name: str, dtype: np.dtype[Any], shape: tuple[int, ...]) -> np.memmap[Any, np.dtype[Any]]:
        """Creates an array of zeros, to be written through the map that is returned."""
        return np.lib.format.open_memmap(self.path(name), "w+", dtype, shape)

    def computed(self, name: str, fields: Sequence[str]) -> list[NDArray[Any]] | None:
        """Reads a result that `save_computed` has written.

        Args:
            name: The name it was saved under.
            fields: The arrays to read.

        Returns:
            The arrays in the order of `fields`; None when the file is missing, damaged or lacks one of them.
        """
        try:
            with self._computed_path(name).open("rb") as file, np.load(file) as arrays:
                return [arrays[field] for field in fields]
        # A damaged archive raises errors of NumPy, zipfile and zlib, and may ask for more memory than there is.
        except Exception:
            return None

    def save_computed(self, name: str, **arrays: NDArray[Any]) -> None:
        """Writes a result computed from the entry; its file is complete or absent."""
        path = self._computed_path(name)
        # Several processes may compute the same result at once, so each writes under a name of its own.
        descriptor, unfinished = tempfile.mkstemp(dir=self.folder, prefix=f".{path.name}-")
        try:
            with os.fdopen(descriptor, "wb") as file:
                np.savez(file, **arrays)  # type: ignore[arg-type]
            Path(unfinished).replace(path)
        finally:
            Path(unfinished).unlink(missing_ok=True)

    def _computed_path(self, name: str) -> Path:
        return self.folder / f"{name}.npz"


def row_blocks(images: NDArray[np.uint8], *, spread: int = 1) -> list[slice]:
    """Cuts an array into blocks of a few megabytes each.

    Args:
        images: The array to walk, rows first.
        spread: Memory that the work on a block takes, as a multiple of the block's own size.

    Returns:
        Slices over the rows, which together cover all of them.
    """
    rows = max(1, BLOCK_BYTES // max(1, spread * int(np.prod(images.shape[1:]))))
    return [slice(start, min(start + rows, len(images))) for start in range(0, len(images), rows)]


def blocks(arrays: Iterable[Any]) -> Iterator[NDArray[Any]]:
    """Yields the images of some arrays, some megabytes at a time.

    Args:
        arrays: NumPy's arrays, or those of a file whose slices are read when they are taken; rows first.
    """
    for array in arrays:
        rows = max(1, BLOCK_BYTES // max(1, int(array.dtype.itemsize * np.prod(array.shape[1:]))))
        for start in range(0, len(array), rows):
            yield np.asarray(array[start : start + rows])


def in_bytes(values: NDArray[Any], pixel_range: tuple[float, float]) -> NDArray[np.uint8]:
    """Returns pixels of a range, of any shape, as bytes; values outside become its ends."""
    low, high = pixel_range
    scaled: NDArray[np.uint8] = np.rint(np.clip((values - low) * (255 / (high - low)), 0, 255)).astype(np.uint8)
    return scaled
