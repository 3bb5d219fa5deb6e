"""Changes of pixel values. Images are float32 (batch, height, width, channels), 0 to 255; amounts (batch,)."""

from __future__ import annotations

from typing import Any

from keras import ops


def per_image(amounts: Any) -> Any:
    """(batch,) as (batch, 1, 1, 1)."""
    return ops.reshape(amounts, (-1, 1, 1, 1))


def brightened(images: Any, amount: Any) -> Any:
    """amount: share of the whole range that is added."""
    return images + 255.0 * per_image(amount)


def contrasted(images: Any, factor: Any) -> Any:
    """Values are spread about each image's mean by the factor."""
    mean = ops.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + (images - mean) * per_image(factor)


def saturated(images: Any, factor: Any) -> Any:
    """Channels are spread about each pixel's grey value by the factor."""
    grey = ops.mean(images, axis=3, keepdims=True)
    return grey + (images - grey) * per_image(factor)


def sharpened(images: Any, factor: Any) -> Any:
    """Pixels are spread about the mean of their neighbourhood, 3 by 3, by the factor; below 1 blurs."""
    smooth = ops.average_pool(images, 3, strides=1, padding="same", data_format="channels_last")
    return smooth + (images - smooth) * per_image(factor)


def solarized(images: Any, threshold: Any) -> Any:
    """Values from the threshold, 0 to 256, upwards are inverted."""
    return ops.where(images >= per_image(threshold), 255.0 - images, images)


def posterized(images: Any, bits: Any) -> Any:
    """The lowest bits, a whole number, are cleared."""
    step = per_image(2.0**bits)
    return ops.floor(images / step) * step


def stretched(images: Any) -> Any:
    """Each channel's values are stretched to the whole range (autocontrast)."""
    low = ops.min(images, axis=(1, 2), keepdims=True)
    high = ops.max(images, axis=(1, 2), keepdims=True)
    return ops.where(high > low, (images - low) * 255.0 / ops.maximum(high - low, 1.0), images)
