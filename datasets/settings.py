"""The settings that a data set is opened with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import SettingError
from ..setting_types import check_types
from .base import Resize


@dataclass(frozen=True)
class LoadSettings:
    """The settings that a data set is opened with.

    Raises:
        SettingError: A value is of another type than declared, or out of its range.
    """

    image_size: int | None = None
    """Side of the square images in pixels; None for the adapter's default."""
    channels: Literal[1, 3] | None = None
    """1 for grey, 3 for RGB; None for the adapter's default."""
    resize: Resize = "stretch"
    """The way images of other shapes are fitted into the square."""
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    """Shares of train, validation and test, used where the format states no split of its own."""
    seed: int = field(default=0, metadata={"flag": "data-seed"})
    """Random seed for the splits that are drawn and for `limit`."""
    limit: int | None = None
    """Number of training images to keep, each class with its share; None for all."""
    skip_bad: bool = False
    """Leave out files and rows that cannot be used, instead of refusing the data set."""
    drop_leaks: bool = False
    """Leave out training images that also occur in validation or test, and validation images that occur in test."""
    options: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "option"})
    """The adapter's own options, by flag name."""

    def __post_init__(self) -> None:
        check_types(self)
        if self.image_size is not None and not 1 <= self.image_size <= 4096:
            raise SettingError(f"--image-size must be from 1 to 4096 pixels, but got {self.image_size}")
        if self.limit is not None and self.limit < 1:
            raise SettingError(f"--limit must be at least 1 image, but got {self.limit}")
        if not 0 <= self.seed < 2**32:
            raise SettingError(f"--data-seed must be from 0 to {2**32 - 1}, but got {self.seed}")
        _check_shares(self.split)


def _check_shares(split: tuple[float, float, float]) -> None:
    shown = "/".join(f"{share:g}" for share in split)
    if min(split) < 0 or split[0] <= 0 or abs(sum(split) - 1) > 1e-6:
        raise SettingError(f"--split must be three shares that sum to 1, such as 0.7/0.15/0.15, but got {shown}")


DEFAULT_SETTINGS = LoadSettings()
