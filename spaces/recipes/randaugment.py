"""RandAugment, which applies a few operations drawn from a list to each image, all at one strength.

Source: Cubuk et al., RandAugment, CVPR workshops 2020. Three differences from the paper make it cheap on whole batches:
an operation is drawn at most once per image, geometric operations come first and share one resampling, and Equalize,
which needs a histogram of each image, is left out.
"""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from . import colour
from .geometry import Motion, moved

GEOMETRIC = ("rotate", "shear_x", "shear_y", "shift_x", "shift_y")
COLOUR = ("brightness", "contrast", "saturation", "sharpness", "solarize", "posterize", "stretch")
OPERATIONS = (*GEOMETRIC, *COLOUR)

# At strength 1, which is magnitude 10 of the paper's implementation.
MOST_RADIANS = 0.52
MOST_SHEAR = 0.3
MOST_SHIFT = 0.3
MOST_ENHANCEMENT = 0.9
MOST_BITS = 4.0


def randaugmented(images: Any, operations: int, strength: float, random: keras.random.SeedGenerator) -> Any:
    """Returns the images after the operations drawn for each.

    Args:
        images: float32 (batch, height, width, channels), 0 to 255.
        operations: Operations per image.
        strength: 0 to 1.
        random: The source of all draws.
    """
    batch = ops.shape(images)[0]
    draws = keras.random.uniform((batch, len(OPERATIONS)), seed=random)
    chosen = draws <= ops.sort(draws, axis=1)[:, operations - 1 : operations]
    signs = ops.sign(keras.random.uniform((batch, len(OPERATIONS)), -1.0, 1.0, seed=random))
    on = {name: chosen[:, index] for index, name in enumerate(OPERATIONS)}
    signed = {name: ops.where(on[name], signs[:, index], 0.0) for index, name in enumerate(OPERATIONS)}
    return _recoloured(_moved(images, signed, strength), on, signed, strength)


def _moved(images: Any, signed: dict[str, Any], strength: float) -> Any:
    ones = ops.ones_like(signed["rotate"])
    motion = Motion(
        angle=signed["rotate"] * (MOST_RADIANS * strength),
        shear_x=signed["shear_x"] * (MOST_SHEAR * strength),
        shear_y=signed["shear_y"] * (MOST_SHEAR * strength),
        shift_x=signed["shift_x"] * (MOST_SHIFT * strength),
        shift_y=signed["shift_y"] * (MOST_SHIFT * strength),
        scale_x=ones,
        scale_y=ones,
    )
    return moved(images, motion)


def _recoloured(images: Any, on: dict[str, Any], signed: dict[str, Any], strength: float) -> Any:
    enhancement = MOST_ENHANCEMENT * strength
    images = colour.brightened(images, signed["brightness"] * (enhancement / 2))
    images = colour.contrasted(images, 1.0 + signed["contrast"] * enhancement)
    if images.shape[-1] == 3:
        images = colour.saturated(images, 1.0 + signed["saturation"] * enhancement)
    images = ops.clip(colour.sharpened(images, 1.0 + signed["sharpness"] * enhancement), 0.0, 255.0)
    images = colour.solarized(images, ops.where(on["solarize"], 256.0 * (1.0 - strength), 257.0))
    images = colour.posterized(images, ops.where(on["posterize"], float(round(MOST_BITS * strength)), 0.0))
    return ops.where(colour.per_image(on["stretch"]), colour.stretched(images), images)
