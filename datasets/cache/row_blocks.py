"""Walks a memory-mapped array a few megabytes at a time."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

# Work on a whole set keeps to so many bytes of pixels at a time, whatever the size of the set.
BLOCK_BYTES = 16 << 20


def row_blocks(images: NDArray[np.uint8], *, spread: int = 1) -> list[slice]:
    """Slices over the rows of an array. spread: how many times its size a block takes in the work."""
    rows = max(1, BLOCK_BYTES // max(1, spread * int(np.prod(images.shape[1:]))))
    return [slice(start, min(start + rows, len(images))) for start in range(0, len(images), rows)]
