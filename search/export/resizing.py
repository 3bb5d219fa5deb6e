"""Pillow's greyscale conversion and bilinear resizing, made of TensorFlow operations that every export format has.

A data set's images are resized by Pillow, whose bilinear filter widens when it shrinks an image. TensorFlow's
`resize` with antialiasing does the same, but converts to neither ONNX nor LiteRT; two matrix products convert to both.
Source: Pillow, src/libImaging/Resample.c (weights, rounding to 8 bits after each pass) and Convert.c (L).
Which pass Pillow does first depends on its release and the image's shape, so a level may differ by one.
"""

from __future__ import annotations

from typing import Any

from ..models.contract import ModelContract, Resize

# Convert.c: L24, ITU-R 601-2 luma in 16-bit fixed point.
_LUMA = (19595.0, 38470.0, 7471.0)


def resize_images(images: Any, contract: ModelContract) -> Any:
    """Brings RGB images, uint8 (n, any, any, 3), to the contract's shape: uint8 (n, height, width, channels)."""
    import tensorflow as tf

    height, width, channels = contract.image_shape
    pixels = tf.cast(images, tf.float32)
    if channels == 1:
        pixels = tf.floor((tf.reduce_sum(pixels * tf.constant(_LUMA), axis=-1, keepdims=True) + 32768.0) / 65536.0)
    # Indexing with [...] would become an operation that LiteRT lacks.
    rows, columns = (tf.gather(tf.cast(tf.shape(images), tf.float32), axis) for axis in (1, 2))
    across = _weights(columns, rows, width, contract.resize)
    down = _weights(rows, columns, height, contract.resize)
    # Halves are rounded up, as Pillow does; tf.round would take them to the even number.
    pixels = tf.floor(tf.einsum("nhwc,xw->nhxc", pixels, across) + 0.5)
    pixels = tf.floor(tf.einsum("nhxc,yh->nyxc", pixels, down) + 0.5)
    return tf.cast(tf.clip_by_value(pixels, 0.0, 255.0), tf.uint8)


def _weights(length: Any, other: Any, size: int, resize: Resize) -> Any:
    """Returns how much each source pixel counts in each resized one: float32 (size, length).

    Args:
        length: The source's extent along this axis, in pixels.
        other: The source's extent along the other axis, which decides what `crop` leaves out and `pad` fills.
        size: The extent to resize to.
        resize: How the image is fitted.
    """
    import tensorflow as tf

    start, offset, inner = tf.constant(0.0), tf.constant(0.0), tf.constant(float(size))
    scale = length / size
    if resize == "crop":
        side = tf.minimum(length, other)
        start, scale = (length - side) / 2.0, side / size
    elif resize == "pad":
        inner = tf.maximum(1.0, tf.round(length * size / tf.maximum(length, other)))
        offset, scale = tf.floor((size - inner) / 2.0), length / inner
    places = tf.range(size, dtype=tf.float32) - offset
    centres = tf.expand_dims(start + (places + 0.5) * scale, 1)
    sources = tf.expand_dims(tf.range(length) + 0.5, 0)
    weights = tf.maximum(0.0, 1.0 - tf.abs(sources - centres) / tf.maximum(scale, 1.0))
    weights /= tf.maximum(tf.reduce_sum(weights, axis=1, keepdims=True), 1e-6)
    filled = tf.cast(tf.logical_and(places >= 0.0, places < inner), tf.float32)
    return weights * tf.expand_dims(filled, 1)
