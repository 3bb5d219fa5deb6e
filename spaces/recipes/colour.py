"""Changes of pixel values.

Images are float32 (batch, height, width, channels), 0 to 255. Amounts are one number per image, (batch,).
"""

from __future__ import annotations

from typing import Any

from keras import ops


def per_image(amounts: Any) -> Any:
    """Reshapes amounts (batch,) to (batch, 1, 1, 1)."""
    return ops.reshape(amounts, (-1, 1, 1, 1))


def brightened(images: Any, amount: Any) -> Any:
    """Adds an amount, given as a share of the whole range."""
    return images + 255.0 * per_image(amount)


def contrasted(images: Any, factor: Any) -> Any:
    """Spreads the values about each image's mean by a factor."""
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * per_image(factor)


def saturated(images: Any, factor: Any) -> Any:
    """Spreads the channels about each pixel's grey value by a factor."""
    grey = ops.mean(images, axis=3, keepdims=True)
    return grey + (images - grey) * per_image(factor)


def sharpened(images: Any, factor: Any) -> Any:
    """Spreads each pixel about the mean of its 3x3 neighbourhood by a factor; a factor below 1 blurs."""
    smooth = ops.average_pool(images, 3, strides=1, padding="same", data_format="channels_last")
    return smooth + (images - smooth) * per_image(factor)


def solarized(images: Any, threshold: Any) -> Any:
    """Inverts the values at or above a threshold, 0 to 256."""
    return ops.where(images >= per_image(threshold), 255.0 - images, images)


def posterized(images: Any, bits: Any) -> Any:
    """Clears the lowest bits, a whole number of them."""
    step = per_image(2.0**bits)
    return ops.floor(images / step) * step


def stretched(images: Any) -> Any:
    """Stretches each channel's values to the whole range (autocontrast)."""
    low = ops.min(images, axis=(1, 2), keepdims=True)
    high = ops.max(images, axis=(1, 2), keepdims=True)
    return ops.where(high > low, (images - low) * 255.0 / ops.maximum(high - low, 1.0), images)
