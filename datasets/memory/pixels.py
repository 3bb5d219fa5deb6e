"""Brings pixels as people hold them in Python to uint8: grey, with alpha, as numbers of any range that is stated."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
from numpy.typing import NDArray

from ...errors import DatasetError, SettingError
from ..arrays import blocks, in_bytes
from ..cache.decoding import PixelFormat, resize_array
from ..settings import LoadSettings

Range = tuple[float, float]
# Sums of floats miss the ends of their range by a little; more than this share of it is another range.
_SLACK = 1e-4
_CHANNELS = (1, 3)
_ALPHA = 4
# A network's usual side, where images of several sizes must be brought to one.
_USUAL_SIZE = 128


def check_range(pixel_range: Any) -> Range | None:
    """Checks the range of pixel values that the user states.

    Raises:
        SettingError: It is no pair of numbers, lowest first.
    """
    if pixel_range is None:
        return None
    try:
        low, high = (float(end) for end in pixel_range)
    except (TypeError, ValueError):
        low = high = np.nan
    if not (np.isfinite([low, high]).all() and low < high):
        raise SettingError(
            f"pixel_range must be the lowest and the highest value a pixel may have, such as (0, 1) or (0, 255), "
            f"but got {pixel_range!r}"
        )
    return low, high


def pixel_format(shapes: set[tuple[int, ...]], settings: LoadSettings, name: str) -> PixelFormat | None:
    """The format that images are brought to; None to leave all as they are.

    Args:
        shapes: The shapes that occur, (height, width, channels).
        settings: The user's words about sizes.
        name: The data set, for messages.

    Raises:
        DatasetError: The images have several sizes, or are not square and are to change channels, and no size is
            stated.
    """
    channels = settings.channels or (3 if any(shape[2] != 1 for shape in shapes) else 1)
    sizes = {shape[:2] for shape in shapes}
    if settings.image_size is None:
        if len(sizes) > 1:
            refuse_sizes(name, sizes)
        if {shape[2] for shape in shapes} == {channels}:
            return None
        height, width = next(iter(sizes))
        if height != width:
            raise DatasetError(
                f"{name}: images of {height}x{width} pixels must become square to change their channels; write "
                f"settings=LoadSettings(image_size={max(height, width)}, resize='pad')"
            )
        return PixelFormat(height, channels, settings.resize)
    return PixelFormat(settings.image_size, channels, settings.resize)


def refuse_sizes(name: str, sizes: set[tuple[int, ...]]) -> NoReturn:
    """Refuses images of several sizes, given as (height, width), that no setting brings to one.

    Raises:
        DatasetError: Always.
    """
    small, large = min(sizes), max(sizes)
    raise DatasetError(
        f"{name}: images have several sizes, such as {small[0]}x{small[1]} and {large[0]}x{large[1]} pixels; bring "
        f"them to one with settings=LoadSettings(image_size={_USUAL_SIZE})"
    )


def image_arrays(name: str, images: Any) -> list[NDArray[Any]]:
    """The images as arrays (n, height, width, channels): one for all, or one per image where their shapes differ.

    Args:
        name: The data set, for messages.
        images: An array or a list of images, grey ones with or without an axis for the channel.

    Raises:
        DatasetError: They are no images.
    """
    if hasattr(images, "__array__") and not (isinstance(images, np.ndarray) and images.dtype == object):
        return [_with_channels(name, np.asarray(images))]
    try:
        each = [np.asarray(image) for image in images]
    except TypeError as error:
        raise DatasetError(f"{name}: images must be an array or a list, but got {type(images).__name__}") from error
    if len({(image.shape, image.dtype) for image in each}) == 1:
        return [_with_channels(name, np.stack(each))]
    return [_with_channels(name, image[None]) for image in each] or [np.zeros((0, 1, 1, 1), np.uint8)]


def _with_channels(name: str, images: NDArray[Any]) -> NDArray[Any]:
    shown = f"{images.dtype} {images.shape}"
    if images.dtype.kind not in "biuf":
        raise DatasetError(f"{name}: images must be numbers (n, height, width, 1 or 3), but got {shown}")
    if images.ndim == 3:
        images = images[..., None]
    if images.ndim == 4 and images.shape[3] not in (*_CHANNELS, _ALPHA) and images.shape[1] in (*_CHANNELS, _ALPHA):
        raise DatasetError(
            f"{name}: images must have their channels last, but got {shown}; write numpy.moveaxis(images, 1, -1)"
        )
    if images.ndim != 4 or images.shape[3] not in (*_CHANNELS, _ALPHA) or 0 in images.shape[1:]:
        raise DatasetError(f"{name}: images must be (n, height, width, 1 or 3), or grey (n, height, width), "
                           f"but got {shown}")  # fmt: skip
    return images


def is_ready(arrays: Sequence[NDArray[Any]], pixel_range: Range | None) -> bool:
    """Returns whether images are uint8 from 0 to 255 as they are.

    Pixels that are all 0 or 1 are not: they are most often floats from 0 to 1 that were cut off to whole numbers.
    """
    bytes_only = len(arrays) == 1 and arrays[0].dtype == np.uint8 and arrays[0].shape[3] in _CHANNELS
    return bytes_only and pixel_range in (None, (0.0, 255.0)) and not (pixel_range is None and _ones(arrays))


def _ones(arrays: Sequence[NDArray[Any]]) -> bool:
    """Returns whether the largest pixel is 1."""
    largest = 0
    for block in blocks(arrays):
        largest = max(largest, int(block.max(initial=0)))
        if largest > 1:
            return False
    return largest == 1


def stated_range(name: str, arrays: Sequence[NDArray[Any]], pixel_range: Range | None) -> Range:
    """The range of pixel values: the one stated, or the only one that the type leaves.

    Raises:
        DatasetError: Another type than uint8 or bool comes without a range; the message has the line to write.
    """
    if pixel_range is not None:
        return pixel_range
    dtype = next((array.dtype for array in arrays if array.dtype != np.uint8), np.dtype(np.uint8))
    if all(array.dtype == np.bool_ for array in arrays):
        return 0.0, 1.0
    if all(array.dtype == np.uint8 for array in arrays) and not _ones(arrays):
        return 0.0, 255.0
    low, high = _bounds(arrays)
    first, *others = _guesses(dtype, low, high)
    also = "".join(f", or pixel_range={other}" for other in others)
    raise DatasetError(
        f"{name}: pixels are {dtype} from {low:g} to {high:g}, and their full range is not stated; write "
        f"pixel_range={first}{also}"
    )


def _bounds(arrays: Sequence[NDArray[Any]]) -> Range:
    low, high = np.inf, -np.inf
    for block in blocks(arrays):
        finite = block[np.isfinite(block)]
        if finite.size:
            low, high = min(low, float(finite.min())), max(high, float(finite.max()))
    return (low, high) if low <= high else (0.0, 0.0)


def _guesses(dtype: np.dtype[Any], low: float, high: float) -> list[tuple[int, int]]:
    """The usual ranges that hold the values, the likeliest first."""
    usual = [(0, 1), (0, 255), (-1, 1), (0, 65535)]
    fitting = [each for each in usual if each[0] <= low and high <= each[1]]
    if dtype.kind == "f":
        fitting = [each for each in fitting if each != (0, 65535)]
    return fitting[:2] or [(int(np.floor(low)), int(np.ceil(max(high, low + 1))))]


class PixelFile:
    """Images written one block after another to a file, as uint8 of one shape; it holds none in memory."""

    def __init__(self, path: Path, name: str, pixel_range: Range, pixel_format: PixelFormat | None) -> None:
        """Stores its arguments.

        Args:
            path: The file, written anew.
            name: The data set, for messages.
            pixel_range: The lowest and the highest value that a pixel may have.
            pixel_format: The format to bring every image to; None where all have the same shape.
        """
        self._path, self._name, self._range, self._format = path, name, pixel_range, pixel_format
        self._file = path.open("wb")
        self._shape: tuple[int, ...] | None = pixel_format.shape if pixel_format else None
        self._largest = -np.inf
        self.sizes: list[tuple[int, int]] = []
        """Width and height of each image before resizing."""
        self.faults: dict[int, str] = {}
        """Rows whose pixels cannot be used, each with its reason; their pixels are written as 0."""

    def append(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        """Writes images (n, height, width, channels), and returns them as they were written.

        Raises:
            DatasetError: Pixels lie outside their range.
        """
        pixels = self._to_bytes(images)
        self.sizes += [(images.shape[2], images.shape[1])] * len(images)
        if self._format is not None:
            shape = (len(images), *self._format.shape)
            pixels = np.array([resize_array(each, self._format) for each in pixels], np.uint8).reshape(shape)
        elif self._shape in (None, pixels.shape[1:]):
            self._shape = pixels.shape[1:]
        else:
            refuse_sizes(self._name, {self._shape[:2], pixels.shape[1:3]})
        self._file.write(np.ascontiguousarray(pixels).data)
        return pixels

    def finish(self) -> NDArray[np.uint8]:
        """Closes the file and maps it: uint8 (n, height, width, channels).

        Raises:
            DatasetError: The stated range is far wider than that of the values.
        """
        self._file.close()
        low, high = self._range
        if self.sizes and (low, high) == (0.0, 255.0) and 0 < self._largest <= 1:
            raise DatasetError(
                f"{self._name}: pixel_range=(0, 255) is stated, but no pixel is above {self._largest:g}; "
                "write pixel_range=(0, 1)"
            )
        shape = (len(self.sizes), *(self._shape or (1, 1, 1)))
        if not self.sizes:
            return np.zeros(shape, np.uint8)
        mapped: NDArray[np.uint8] = np.memmap(self._path, np.uint8, "r", shape=shape)
        return mapped

    def close(self) -> None:
        """Closes the file without a result."""
        self._file.close()

    def _to_bytes(self, images: NDArray[Any]) -> NDArray[np.uint8]:
        low, high = self._range
        if images.dtype == np.uint8 and (low, high) == (0.0, 255.0):
            # A picture of bytes may be as dark as it likes.
            self._largest = 255.0
            return images
        values = images.astype(np.float32 if images.dtype.itemsize <= 2 else np.float64)
        broken = ~np.isfinite(values).reshape(len(values), -1).all(axis=1)
        for row in np.flatnonzero(broken):
            self.faults[len(self.sizes) + int(row)] = "pixels that are no finite numbers"
        values[broken] = low
        smallest, largest = float(values.min(initial=np.inf)), float(values.max(initial=-np.inf))
        self._largest = max(self._largest, largest)
        slack = _SLACK * (high - low)
        if smallest < low - slack or largest > high + slack:
            raise DatasetError(
                f"{self._name}: pixels lie from {smallest:g} to {largest:g}, outside of "
                f"pixel_range=({low:g}, {high:g}); state their full range, or cut them off with numpy.clip"
            )
        return in_bytes(values, self._range)
