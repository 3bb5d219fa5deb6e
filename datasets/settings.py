"""How a data set is to be opened."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from ..errors import SettingError
from ..setting_types import check_types
from .base import Resize


@dataclass(frozen=True)
class LoadSettings:
    """How a data set is to be opened.

    image_size: pixels, square; channels: 1 grey, 3 RGB; None for the adapter's default. resize: how other shapes
    are fitted. split: shares of train, validation and test, used where the format has no split of its own.
    seed: of what is drawn. limit: a stratified part of the training rows. skip_bad: leave out files and rows
    that cannot be used instead of refusing. drop_leaks: take training images out that also occur in validation
    or test, and validation images that occur in test. options: the adapter's own, by flag name.

    Raises SettingError for a value of another type than declared or out of its range.
    """

    image_size: int | None = None
    channels: Literal[1, 3] | None = None
    resize: Resize = "stretch"
    split: tuple[float, float, float] = (0.7, 0.15, 0.15)
    seed: int = field(default=0, metadata={"flag": "data-seed"})
    limit: int | None = None
    skip_bad: bool = False
    drop_leaks: bool = False
    options: Mapping[str, str] = field(default_factory=dict, metadata={"flag": "option"})

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
