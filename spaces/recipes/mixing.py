"""Boxes, erasing, MixUp and CutMix.

Images are float32 (batch, height, width, channels), 0 to 255, and targets float32 (batch, outputs).
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from .colour import per_image


def boxes(images: Any, share: Any, random: keras.random.SeedGenerator) -> Any:
    """Returns a mask, bool (batch, height, width, 1), of one box at a random place in each image.

    Args:
        images: The images that the boxes are for.
        share: Share of the image's area, (batch,); a box has the image's proportions and is cut off at its border.
        random: The source of the places.
    """
    batch, height, width = ops.shape(images)[0], images.shape[1], images.shape[2]
    centre = keras.random.uniform((batch, 2), seed=random)
    half = ops.reshape(ops.sqrt(share) / 2, (-1, 1))
    rows = ops.reshape((ops.arange(height, dtype="float32") + 0.5) / height, (1, -1))
    columns = ops.reshape((ops.arange(width, dtype="float32") + 0.5) / width, (1, -1))
    inside_rows = ops.abs(rows - centre[:, 0:1]) < half
    inside_columns = ops.abs(columns - centre[:, 1:2]) < half
    mask = ops.logical_and(ops.expand_dims(inside_rows, 2), ops.expand_dims(inside_columns, 1))
    return ops.expand_dims(mask, 3)


def erased(images: Any, largest_share: float, random: keras.random.SeedGenerator) -> Any:
    """Fills a box in each image, of up to the largest share of its area, with one random value.

    Source: Zhong et al., Random Erasing Data Augmentation, AAAI 2020, whose boxes also vary in proportions.
    """
    batch = ops.shape(images)[0]
    share = keras.random.uniform((batch,), 0.0, largest_share, seed=random)
    fill = keras.random.uniform((batch, 1, 1, 1), 0.0, 255.0, seed=random)
    return ops.where(boxes(images, share, random), fill, images)


def mixed_up(images: Any, targets: Any, alpha: float, random: keras.random.SeedGenerator) -> tuple[Any, Any]:
    """Blends each image and target with another image and its target.

    Source: Zhang et al., mixup, ICLR 2018, equation 1.
    """
    share = keras.random.beta((ops.shape(images)[0],), alpha, alpha, seed=random)
    other_images, other_targets = _partners(images, targets, random)
    images = images * per_image(share) + other_images * per_image(1.0 - share)
    return images, _blend(targets, other_targets, share)


def cut_mixed(images: Any, targets: Any, alpha: float, random: keras.random.SeedGenerator) -> tuple[Any, Any]:
    """Replaces a box in each image by the same part of another image, and blends the targets by the areas.

    Source: Yun et al., CutMix, ICCV 2019.
    """
    share = keras.random.beta((ops.shape(images)[0],), alpha, alpha, seed=random)
    other_images, other_targets = _partners(images, targets, random)
    mask = boxes(images, 1.0 - share, random)
    kept = 1.0 - ops.mean(ops.cast(mask, "float32"), axis=(1, 2, 3))
    return ops.where(mask, other_images, images), _blend(targets, other_targets, kept)


def _partners(images: Any, targets: Any, random: keras.random.SeedGenerator) -> tuple[Any, Any]:
    # A random order, since neighbours in a batch are of one class where a data set is stored sorted by class.
    order = ops.argsort(keras.random.uniform((ops.shape(images)[0],), seed=random))
    return ops.take(images, order, axis=0), ops.take(targets, order, axis=0)


def _blend(targets: Any, others: Any, share: Any) -> Any:
    share = ops.reshape(share, (-1, 1))
    return targets * share + others * (1.0 - share)
