"""Flip, rotation, shift, zoom and shear as one affine transform, so that each image is resampled only once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from keras import ops


@dataclass(frozen=True)
class Motion:
    """A motion for each image of a batch; every field is float32 (batch,)."""

    angle: Any
    """Radians."""
    shear_x: Any
    """Tangent of the angle."""
    shear_y: Any
    """Tangent of the angle."""
    shift_x: Any
    """Share of the width."""
    shift_y: Any
    """Share of the height."""
    scale_x: Any
    """Width of the part of the image that is seen, as a share of the whole; negative to mirror it."""
    scale_y: Any
    """Height of the part of the image that is seen, as a share of the whole; negative to mirror it."""

    @classmethod
    def none(cls, batch: Any) -> Motion:
        """Returns the motion that leaves every image as it is; `batch` is the number of images."""
        zeros, ones = ops.zeros((batch,)), ops.ones((batch,))
        return cls(zeros, zeros, zeros, zeros, zeros, ones, ones)


def moved(images: Any, motion: Motion) -> Any:
    """Moves images, float32 (batch, height, width, channels), and fills borders with the nearest pixel."""
    height, width = images.shape[1], images.shape[2]
    cosine, sine = ops.cos(motion.angle), ops.sin(motion.angle)
    # Rotation times shear times scale about the centre, as a map from places in the result to places in the source.
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
