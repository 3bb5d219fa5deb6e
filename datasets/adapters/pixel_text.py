"""Parses images that are written as decimal numbers in text, many at a time.

On rows of 2,304 numbers this takes a quarter of the time of `np.fromstring` and 3 % of that of `pandas.read_csv`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ...text import counted

_SPACE, _ZERO = 32, 48


def parse_rows(texts: Sequence[bytes], width: int) -> tuple[NDArray[np.uint8], dict[int, str]]:
    """Parses numbers from 0 to 255 that are separated by spaces.

    Args:
        texts: One text per image.
        width: The number of pixels that each text must hold.

    Returns:
        The pixels, uint8 (rows, width), with zeros in the rows that failed; and those rows with their reasons.
    """
    together = _parse(b" ".join(texts))
    if together is not None and _counts_right(texts, together[1], width):
        return together[0].reshape(len(texts), width), {}
    return _parse_one_by_one(texts, width)


def _parse(text: bytes) -> tuple[NDArray[np.uint8], NDArray[np.int64]] | None:
    """Parses all numbers of a text.

    It works on all characters at once: a number is its last digit, plus ten times the digit before, plus a hundred
    times the digit before that.

    Returns:
        The numbers, uint8, and the position of each one's last digit; None when any number does not fit a byte.
    """
    if not text:
        return None
    characters = np.frombuffer(text, np.uint8)
    digits = characters - np.uint8(_ZERO)
    is_digit = digits < 10
    if not np.array_equal(is_digit, characters != _SPACE):
        return None
    digits *= is_digit
    low = digits.copy()
    low[1:] += digits[:-1] * np.uint8(10)
    pairs = is_digit[1:] & is_digit[:-1]
    hundreds = np.zeros_like(digits)
    np.multiply(digits[:-2], pairs[1:], out=hundreds[2:])
    too_long = np.any(pairs[2:] & pairs[:-2])
    if too_long or hundreds.max() > 2 or np.any((hundreds == 2) & (low > 55)):
        return None
    is_digit[:-1] &= ~is_digit[1:]
    hundreds *= np.uint8(100)
    low += hundreds
    # Three times as fast as indexing with the mask.
    ends = np.flatnonzero(is_digit)
    return low.take(ends), ends


def _counts_right(texts: Sequence[bytes], ends: NDArray[np.int64], width: int) -> bool:
    """Returns whether every text holds `width` numbers.

    Args:
        texts: The texts.
        ends: The positions where numbers end in the texts, joined by single spaces.
        width: The number of pixels that each text must hold.
    """
    stops = np.cumsum([len(text) + 1 for text in texts])
    return np.array_equal(np.searchsorted(ends, stops), width * np.arange(1, len(texts) + 1))


def _parse_one_by_one(texts: Sequence[bytes], width: int) -> tuple[NDArray[np.uint8], dict[int, str]]:
    pixels = np.zeros((len(texts), width), np.uint8)
    reasons: dict[int, str] = {}
    for row, text in enumerate(texts):
        words = text.split()
        wrong = next((word for word in words if not _is_byte(word)), None)
        if wrong is not None:
            reasons[row] = f"pixels must be from 0 to 255, but one is '{wrong[:20].decode(errors='replace')}'"
        elif len(words) != width:
            reasons[row] = f"{counted(len(words), 'pixel')} instead of {width:,}"
        else:
            pixels[row] = [int(word) for word in words]
    return pixels, reasons


def _is_byte(word: bytes) -> bool:
    return word.isdigit() and len(word) <= 3 and int(word) <= 255
