"""Pixels as published tables and arrays hold them, from 0 to 255 or from 0 to 1, as bytes of square images."""

from __future__ import annotations

import math
from collections.abc import Mapping

from ...errors import DatasetError

BYTE = 255
_LEAST_SIDE = 8
_COLOURS = 3
# From this level down, a picture of 0 to 255 would be so dark that another range is more likely.
_DARK = 127


def stated_white(name: str, options: Mapping[str, str]) -> float | None:
    """Returns the number that stands for white, as the option `pixel-max` states it; None where it does not.

    Args:
        name: The data set, for messages.
        options: The user's options.

    Raises:
        DatasetError: It is no number above 0.
    """
    given = options.get("pixel-max")
    if given is None:
        return None
    try:
        white = float(given)
    except ValueError:
        white = 0.0
    if not 0 < white < math.inf:
        raise DatasetError(f"{name}: --option pixel-max must be a number above 0, such as 16, but got {given}")
    return white


def white_level(largest: float, stated: float | None) -> float:
    """Returns the number that stands for white: the stated one, 1 where no pixel is above it, else 255.

    Args:
        largest: The largest pixel of all images.
        stated: The number that the user states.
    """
    return stated or (1.0 if largest <= 1 else float(BYTE))


def darkness(largest: float, white: float, stated: float | None) -> tuple[str, ...]:
    """Returns a line where white was taken for 255, but no pixel comes near it.

    Args:
        largest: The largest pixel of all images.
        white: The number that was taken for white.
        stated: The number that the user states.
    """
    if stated is not None or white != BYTE or largest > _DARK:
        return ()
    return (f"no pixel is above {largest:g} of 255; if that is white, say so with --option pixel-max={largest:g}",)


def square_shape(count: int) -> tuple[int, ...] | None:
    """Returns the shape of a square image of so many numbers, grey or in colour; None where there is none.

    Args:
        count: The numbers; in colour, three for each pixel.
    """
    side, coloured = math.isqrt(count), math.isqrt(count // _COLOURS)
    if side >= _LEAST_SIDE and side**2 == count:
        return side, side
    if coloured >= _LEAST_SIDE and coloured**2 * _COLOURS == count:
        return coloured, coloured, _COLOURS
    return None
