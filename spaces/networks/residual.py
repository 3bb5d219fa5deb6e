"""The space `residual`: ResNets and wide ResNets with pre-activation, with or without squeeze-and-excitation.

Sources: He et al., Identity Mappings in Deep Residual Networks, ECCV 2016 (the order of layers in a block);
Zagoruyko and Komodakis, Wide Residual Networks, BMVC 2016 (width); Hu et al., Squeeze-and-Excitation Networks,
CVPR 2018.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ..base import Architecture
from . import layers

MOST_STAGES = 4
MOST_FILTERS = 512
BOTTLENECK = 4


@dataclass(frozen=True)
class ResidualNet(Architecture):
    """One network, whose filters double and whose sides halve from stage to stage."""

    stages: int
    blocks: int
    """Blocks per stage."""
    filters: int
    """Filters of the first stage."""
    block: str
    """basic or bottleneck."""
    normalization: str
    """batch or group."""
    activation: str
    """A Keras activation by name."""
    squeeze_ratio: int | None
    """Channels per unit of squeeze-and-excitation's hidden layer; None to go without it."""
    block_dropout: float
    """Rate between the two convolutions of a basic block."""
    head_dropout: float
    """Rate before the last layer."""
    l2: float | None
    """Strength of L2 on all kernels; None for none."""

    def build(self, spec: DataSpec) -> keras.Model:
        inputs, x = layers.pixels(spec.image_shape)
        strides = layers.stem_stride(spec)
        x = layers.convolution(x, self.filters, 2 * strides + 1, strides=strides, l2_strength=self.l2, use_bias=False)
        for stage in range(self.stages):
            filters = min(MOST_FILTERS, self.filters * 2**stage)
            for index in range(self.blocks):
                x = self._block(x, filters, strides=2 if stage > 0 and index == 0 else 1)
        x = layers.pooled(self._preactivated(x), "average")
        x = layers.dropout(x, "plain", self.head_dropout)
        return keras.Model(inputs, layers.answers(x, spec), name="residual")

    def _block(self, x: Any, filters: int, *, strides: int) -> Any:
        before = self._preactivated(x)
        shortcut = x
        if strides > 1 or x.shape[-1] != filters:
            shortcut = self._convolution(before, filters, 1, strides)
        if self.block == "bottleneck":
            inner = filters // BOTTLENECK
            y = self._convolution(before, inner, 1, 1)
            y = self._convolution(self._preactivated(y), inner, 3, strides)
            y = self._convolution(self._preactivated(y), filters, 1, 1)
        else:
            y = self._convolution(before, filters, 3, strides)
            y = layers.dropout(self._preactivated(y), "plain", self.block_dropout)
            y = self._convolution(y, filters, 3, 1)
        if self.squeeze_ratio is not None:
            y = layers.squeezed_and_excited(y, self.squeeze_ratio)
        return keras.layers.Add()([shortcut, y])

    def _preactivated(self, x: Any) -> Any:
        return layers.activated(layers.normalized(x, self.normalization), self.activation)

    def _convolution(self, x: Any, filters: int, kernel_size: int, strides: int) -> Any:
        return layers.convolution(x, filters, kernel_size, strides=strides, l2_strength=self.l2, use_bias=False)


@dataclass(frozen=True)
class ResidualSpace:
    """All `ResidualNet`s that fit the images, from one narrow stage, which a CPU can train, to wide ones for a GPU."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> ResidualNet:
        """Declares every setting of a `ResidualNet`.

        Raises:
            SpaceError: The images are smaller than 2x2 pixels.
        """
        most = most_stages(spec)
        stages = hp.Int("stages", 1, most, default=min(3, most))
        blocks = hp.Int("blocks", 1, 3, default=1)
        filters = hp.Int("filters", 16, layers.most_first_filters(spec), step=2, sampling="log", default=32)
        block = hp.Choice("block", ["basic", "bottleneck"], default="basic")
        normalization = hp.Choice("normalization", ["batch", "group"], default="batch")
        activation = hp.Choice("activation", ["relu", "silu", "gelu"], default="relu")
        squeeze_ratio = layers.declare_squeeze_ratio(hp)
        with hp.conditional_scope("block", ["basic"]):
            block_dropout = hp.Float("block_dropout_rate", 0.0, 0.4, step=0.1, default=0.0)
        hp.Choice("regularization", ["none", "l2"], default="none")
        with hp.conditional_scope("regularization", ["l2"]):
            l2 = hp.Float("l2", 1e-6, 1e-2, sampling="log", default=1e-4)
        return ResidualNet(
            stages=stages,
            blocks=blocks,
            filters=filters,
            block=block,
            normalization=normalization,
            activation=activation,
            squeeze_ratio=squeeze_ratio,
            block_dropout=block_dropout or 0.0,
            head_dropout=hp.Float("head_dropout", 0.0, 0.6, step=0.1, default=0.2),
            l2=l2,
        )


def most_stages(spec: DataSpec) -> int:
    """Returns the number of stages that bring the shorter side to 2 pixels, at most `MOST_STAGES`."""
    return min(MOST_STAGES, int(math.log2(layers.first_side(spec))))
