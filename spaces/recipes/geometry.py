"""Flip, rotation, shift, zoom and shear, composed into one affine transform: each image is resampled once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Motion:
    """What happens to each image of a batch; every field is float32 (batch,).

    angle: radians. shear_x, shear_y: tangents. shift_x, shift_y: shares of width and height. scale_x, scale_y:
    how much larger a part of the image is seen, negative where it is mirrored.
    """

    angle: Any
    shear_x: Any
    shear_y: Any
    shift_x: Any
    shift_y: Any
    scale_x: Any
    scale_y: Any

    @classmethod
    def none(cls, batch: Any) -> Motion:
        zeros, ones = ops.zeros((batch,)), ops.ones((batch,))
        return cls(zeros, zeros, zeros, zeros, zeros, ones, ones)


def moved(images: Any, motion: Motion) -> Any:
    """The images, float32 (batch, height, width, channels), after the motion; borders are filled with the nearest."""
    height, width = images.shape[1], images.shape[2]
    cosine, sine = ops.cos(motion.angle), ops.sin(motion.angle)
    # Rotation times shear times scale, about the centre; it maps a place in the result to its source.
    xx = (cosine - sine * motion.shear_y) * motion.scale_x
    xy = (cosine * motion.shear_x - sine) * motion.scale_y
    yx = (sine + cosine * motion.shear_y) * motion.scale_x
    yy = (sine * motion.shear_x + cosine) * motion.scale_y
    centre_x, centre_y = (width - 1) / 2, (height - 1) / 2
    offset_x = centre_x - xx * centre_x - xy * centre_y + motion.shift_x * width
    offset_y = centre_y - yx * centre_x - yy * centre_y + motion.shift_y * height
    zeros = ops.zeros_like(xx)
    transform = ops.stack([xx, xy, offset_x, yx, yy, offset_y, zeros, zeros], axis=1)
    return ops.image.affine_transform(
        images, transform, interpolation="bilinear", fill_mode="nearest", data_format="channels_last"
    )
