"""The views of an image that test-time augmentation averages over.

Source: Krizhevsky et al., ImageNet Classification with Deep Convolutional Neural Networks, NIPS 2012, section 4.1: five
crops and their mirror images.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from keras import ops

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
