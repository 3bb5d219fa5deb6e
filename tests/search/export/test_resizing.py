"""Resizing inside exported graphs is the resizing that made the data set."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.datasets.cache.decoding import PixelFormat, resize_array
from apertune.search.export.resizing import resize_images
from apertune.search.models.contract import ModelContract, Resize


@pytest.mark.parametrize("resize", ["stretch", "crop", "pad"])
@pytest.mark.parametrize("channels", [1, 3])
@pytest.mark.parametrize("size", [(16, 16), (40, 31), (7, 9), (33, 100), (300, 5), (1, 1)])
def test_graph_resizes_as_pillow_does(resize: Resize, channels: int, size: tuple[int, int]) -> None:
    """Whatever the fit, colours and size of the source, the graph is within one grey level of Pillow."""
    images = np.random.default_rng(3).integers(0, 256, (2, *size, 3), dtype=np.uint8)
    contract = ModelContract(("a", "b"), "multiclass", (16, 16, channels), "toys", "ab" * 32, resize=resize)
    ours = np.asarray(resize_images(images, contract))
    pillow = np.stack([resize_array(image, PixelFormat(16, channels, resize)) for image in images])  # type: ignore[arg-type]
    assert ours.dtype == np.uint8
    difference = np.abs(ours.astype(int) - pillow.astype(int))
    assert difference.max() <= 1
    assert difference.mean() < 0.25
