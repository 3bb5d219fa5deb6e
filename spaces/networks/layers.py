"""Parts that several networks use, made of stock Keras layers only, so that a saved network loads anywhere and exports.

Tensors are symbolic, (batch, height, width, channels) unless a docstring gives another shape.
"""

from __future__ import annotations

import math
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ...errors import SpaceError

GROUPS = 8
# Limits of the first block: pixels per side, and the side up to which it may have 128 filters instead of 64. They keep
# the costliest network of a space within a few thousand million multiplications per image.
LARGEST_SIDE = 64
SMALL_SIDE = 32
# Keras's default of 0.99 needs hundreds of steps to forget its initial values. A small data set has 20 steps per epoch
# and would be validated with statistics that are not its own.
BATCH_NORMALIZATION_MOMENTUM = 0.9


def pixels(image_shape: tuple[int, int, int]) -> tuple[Any, Any]:
    """Returns the input, uint8 0 to 255, and the same rescaled to -1 to 1 in float32."""
    inputs = keras.Input(image_shape, dtype="uint8", name="images")
    return inputs, keras.layers.Rescaling(1 / 127.5, offset=-1.0, dtype="float32", name="rescaling")(inputs)


def convolution(
    x: Any,
    filters: int,
    kernel_size: int,
    *,
    separable: bool = False,
    l2_strength: float | None = None,
    strides: int = 1,
    use_bias: bool = True,
) -> Any:
    """Applies a convolution with He initialisation; a single channel is never convolved separably."""
    if separable and x.shape[-1] > 1:
        return keras.layers.SeparableConv2D(
            filters,
            kernel_size,
            strides=strides,
            padding="same",
            use_bias=use_bias,
            depthwise_initializer="he_normal",
            pointwise_initializer="he_normal",
            depthwise_regularizer=l2(l2_strength),
            pointwise_regularizer=l2(l2_strength),
        )(x)
    return keras.layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=use_bias,
        kernel_initializer="he_normal",
        kernel_regularizer=l2(l2_strength),
    )(x)


def stem_stride(spec: DataSpec) -> int:
    """Returns the first convolution's stride, a power of two that brings the longer side to at most `LARGEST_SIDE`."""
    return int(2 ** max(0, math.ceil(math.log2(max(spec.image_shape[:2]) / LARGEST_SIDE))))


def first_side(spec: DataSpec) -> int:
    """Returns the pixels of the shorter side in the first block.

    Raises:
        SpaceError: It has fewer than 2 pixels, which cannot be pooled.
    """
    height, width, _ = spec.image_shape
    side = -(-min(height, width) // stem_stride(spec))
    if side < 2:
        raise SpaceError(
            f"images must be at least 2x2 pixels and less than 32 times as long as wide, but these are {height}x{width}"
        )
    return side


def most_first_filters(spec: DataSpec) -> int:
    """Returns the largest number of filters in the first block."""
    return 128 if first_side(spec) <= SMALL_SIDE else 64


def declare_squeeze_ratio(hp: keras_tuner.HyperParameters) -> int | None:
    """Declares squeeze-and-excitation, off by default, and returns its ratio; None where it is off."""
    hp.Boolean("squeeze_excitation", default=False)
    with hp.conditional_scope("squeeze_excitation", [True]):
        ratio: int | None = hp.Choice("squeeze_ratio", [4, 8, 16], default=8)
    return ratio


def squeezed_and_excited(x: Any, ratio: int) -> Any:
    """Weights the channels by the output of a small network that sees their means."""
    channels = x.shape[-1]
    weights = keras.layers.GlobalAveragePooling2D(keepdims=True)(x)
    weights = keras.layers.Dense(max(4, channels // ratio), activation="relu")(weights)
    weights = keras.layers.Dense(channels, activation="sigmoid")(weights)
    return keras.layers.Multiply()([x, weights])


def normalized(x: Any, kind: str) -> Any:
    """Normalizes by kind: batch, group or none."""
    if kind == "batch":
        return keras.layers.BatchNormalization(momentum=BATCH_NORMALIZATION_MOMENTUM)(x)
    if kind == "group":
        return keras.layers.GroupNormalization(math.gcd(GROUPS, x.shape[-1]))(x)
    return x


def activated(x: Any, activation: str) -> Any:
    """Applies a Keras activation by name."""
    return keras.layers.Activation(activation)(x)


def dropout(x: Any, kind: str, rate: float) -> Any:
    """Drops by kind: single numbers (plain) or whole channels (spatial)."""
    if rate == 0.0:
        return x
    return keras.layers.SpatialDropout2D(rate)(x) if kind == "spatial" else keras.layers.Dropout(rate)(x)


def pooled(x: Any, head: str) -> Any:
    """Reduces to (batch, features) by head: average, max or flatten."""
    if head == "flatten":
        return keras.layers.Flatten()(x)
    return keras.layers.GlobalMaxPooling2D()(x) if head == "max" else keras.layers.GlobalAveragePooling2D()(x)


def answers(x: Any, spec: DataSpec) -> Any:
    """Returns probabilities float32 (batch, outputs): a softmax for a multiclass task, else one sigmoid per output."""
    x = keras.layers.Dense(spec.outputs, name="logits")(x)
    # float32 even under mixed precision, since 16 bits are too few for a probability near 1.
    activation = "softmax" if spec.task == "multiclass" else "sigmoid"
    return keras.layers.Activation(activation, dtype="float32", name="probabilities")(x)


def l2(strength: float | None) -> Any:
    """Returns a regularizer, or None for no strength."""
    return None if strength is None else keras.regularizers.L2(strength)
