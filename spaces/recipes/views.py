"""The views of an image that test-time augmentation averages over.

Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012, section 4.1: five
crops and their mirror images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
from keras import ops

# Side of a fixed crop as a share of the image's, as crops of 224 pixels from images of 256.
CROPPED_SIDE = 0.875
JUST_OVER_HALF = 0.503

Views = Callable[[Any], list[Any]]


def mirror(images: Any) -> list[Any]:
    """Returns images (batch, height, width, channels) and their mirror images."""
    return [images, images[:, :, ::-1, :]]


def ten_crops(margin: int) -> Views:
    """Returns the views for a network that cuts a margin off its images: so it sees four corners, the centre, and both
    ways round.

    Args:
        margin: Pixels that the network cuts off at each side.
    """

    def views(images: Any) -> list[Any]:
        height, width = images.shape[1:3]
        # The network cuts off again what is added at the sides.
        wide = ops.pad(images, [(0, 0), (margin, margin), (margin, margin), (0, 0)])
        ends = (0, 2 * margin)
        places = [(margin, margin), *((top, left) for top in ends for left in ends)]
        shifted = [wide[:, top : top + height, left : left + width, :] for top, left in places]
        return [view for one in shifted for view in mirror(one)]

    return views


def five_crops(*, mirrored: bool) -> Views:
    """Returns the views for a network that was trained on random crops: corners and centre, each at the whole's size.

    Args:
        mirrored: Adds the mirror image of each, which makes ten.
    """

    def views(images: Any) -> list[Any]:
        height, width = images.shape[1:3]
        rows, columns = max(1, round(CROPPED_SIDE * height)), max(1, round(CROPPED_SIDE * width))
        bottom, right = height - rows, width - columns
        places = [(bottom // 2, right // 2), (0, 0), (0, right), (bottom, 0), (bottom, right)]
        enlarge = keras.layers.Resizing(height, width, dtype="float32")
        pixels = ops.cast(images, "float32")
        crops = [enlarge(pixels[:, top : top + rows, left : left + columns, :]) for top, left in places]
        # Whole numbers, as all images that the network sees; halves, at which exports may differ, are no border.
        crops = [ops.cast(ops.floor(crop + JUST_OVER_HALF), images.dtype) for crop in crops]
        return [view for crop in crops for view in (mirror(crop) if mirrored else [crop])]

    return views
