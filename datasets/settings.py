"""Settings for opening a data set, each declared once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ..errors import SettingError
from ..settings_fields import assignments, check, setting

_SHARES = "three shares that sum to 1, such as 0.7/0.15/0.15"


def _shares(called: str, value: Any) -> tuple[float, ...]:
    try:
        shares = tuple(float(part) for part in (value.split("/") if isinstance(value, str) else value))
    except (TypeError, ValueError):
        shares = ()
    if len(shares) != 3:
        raise SettingError(f"{called} must be {_SHARES}, but got {value!r}")
    return shares


def _options(called: str, given: Any) -> dict[str, Any]:
    """Reads an adapter's options; TOML's true and false become yes and no."""
    truths = {True: "yes", False: "no"}
    pairs = assignments(called, given).items()
    return {name: truths[value] if isinstance(value, bool) else value for name, value in pairs}


@dataclass(frozen=True)
class LoadSettings:
    """The way a data set is opened.

    Raises:
        SettingError: a value has another type than declared or is out of its bounds.
    """

    image_size: int | None = setting(
        None,
        "Resize images to squares of this many pixels.",
        metavar="PIXELS",
        least=1,
        most=4096,
        shown_default="the data set's own size",
        group="Data",
    )
    channels: Literal[1, 3] | None = setting(
        None,
        "Read images in grey (1) or in colour (3).",
        metavar="1|3",
        shown_default="as the data set has them",
        group="Data",
    )
    # `Resize` of `base`, written out here: that module imports NumPy, which would slow the command's help down.
    resize: Literal["stretch", "crop", "pad"] = setting(
        "stretch", "Fit images of other shapes in this way.", group="Data"
    )
    split: tuple[float, float, float] = setting(
        (0.7, 0.15, 0.15),
        "Draw these shares of training, validation and test images where the format has no split of its own.",
        metavar="SHARES",
        shown_default="0.7/0.15/0.15",
        reader=_shares,
        group="Data",
    )
    seed: int = setting(
        0,
        "Use this random seed for the splits that are drawn.",
        flag="data-seed",
        least=0,
        most=2**32 - 1,
        group="Data",
    )
    group: str | int | None = setting(
        None,
        "Keep the images of one group, such as a person or a video, in one split and fold: name a column of the "
        "table, a folder level (1 is the topmost, -1 the image's own), or a pattern over the path.",
        metavar="COLUMN|LEVEL|PATTERN",
        group="Data",
    )
    """A pattern is a regular expression; what its parentheses catch names the group."""
    limit: int | None = setting(
        None, "Take only this many training images, stratified, for quick runs.", metavar="N", least=1, group="Data"
    )
    skip_bad: bool = setting(
        False, "Leave out files and rows that cannot be read instead of refusing the data.", group="Data"
    )
    drop_leaks: bool = setting(False, "Leave out training images that occur in validation or test.", group="Data")
    """Validation images that occur in test are left out, too."""
    options: Mapping[str, str] = setting(
        {}, "Set one of the data set's own options.", flag="option", reader=_options, group="Data"
    )
    """Options of the adapter, by the name that their flags have."""

    def __post_init__(self) -> None:
        check(self)
        train, validation, test = self.split
        if min(self.split) < 0 or train <= 0 or abs(train + validation + test - 1) > 1e-6:
            shown = "/".join(f"{share:g}" for share in self.split)
            raise SettingError(f"--split must be {_SHARES}, but got {shown}")


DEFAULT_SETTINGS = LoadSettings()
