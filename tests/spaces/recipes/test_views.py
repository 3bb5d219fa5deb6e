"""The views that answers are averaged over: of the images' shape and type, and showing what they should."""

from __future__ import annotations

import numpy as np
import pytest

from apertune.spaces.recipes.views import five_crops, mirror, ten_crops

IMAGES = np.random.default_rng(0).integers(0, 256, (2, 16, 24, 3), np.uint8)


@pytest.mark.parametrize(
    ("views", "count"),
    [(mirror, 2), (ten_crops(2), 10), (five_crops(mirrored=False), 5), (five_crops(mirrored=True), 10)],
)
def test_every_view_looks_like_an_image(views: object, count: int) -> None:
    """Each has the shape and type of the batch."""
    found = [np.asarray(view) for view in views(IMAGES)]  # type: ignore[operator]  # a function of images
    assert len(found) == count
    assert {(view.shape, view.dtype) for view in found} == {(IMAGES.shape, IMAGES.dtype)}


def test_five_crops_show_corners_and_centre() -> None:
    """On an image that is bright in one corner, only the crops that show the corner's last pixels are as bright."""
    images = np.zeros((1, 16, 16, 1), np.uint8)
    images[0, 0, 0] = 255
    centre, *corners = (np.asarray(view).max() for view in five_crops(mirrored=False)(images))
    assert centre == 0
    assert [int(one > 100) for one in corners] == [1, 0, 0, 0]


def test_mirrored_crops_follow_each_crop() -> None:
    """Every second view is the one before it, mirrored."""
    found = [np.asarray(view) for view in five_crops(mirrored=True)(IMAGES)]
    for view, mirrored in zip(found[::2], found[1::2], strict=True):
        assert (view[:, :, ::-1] == mirrored).all()
