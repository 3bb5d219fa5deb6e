"""The space `convnet`: plain convolutional networks of one to six blocks."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ..base import Architecture
from . import layers

MOST_BLOCKS = 6
MOST_FILTERS = 512


@dataclass(frozen=True)
class ConvNet(Architecture):
    """One network; a setting is None where its parameter is not active. `ConvNetSpace` declares the ranges."""

    blocks: int
    """Blocks, each of which ends in a pool that halves the sides."""
    convolutions: int
    """Convolutions per block."""
    filters: int
    """Filters of the first block."""
    filters_growth: float
    """Factor on the filters from block to block."""
    convolution: str
    """plain or separable."""
    kernel_size: int
    """Side of a block's first kernel; the others are 3x3."""
    normalization: str
    """batch, group or none."""
    activation: str
    """A Keras activation by name."""
    squeeze_ratio: int | None
    """Channels per unit of squeeze-and-excitation's hidden layer, at each block's end; None to go without it."""
    block_dropout: str
    """none, plain or spatial."""
    block_dropout_rate: float | None
    """Rate after each block."""
    l2: float | None
    """Strength of L2 on all kernels."""
    head: str
    """average, max or flatten."""
    dense_layers: int
    """Dense layers before the last one."""
    dense_units: int | None
    """Units of each of them."""
    head_dropout: float | None
    """Rate after each of them."""

    def build(self, spec: DataSpec) -> keras.Model:
        inputs, x = layers.pixels(spec.image_shape)
        strides = layers.stem_stride(spec)
        if strides > 1:
            x = self._convolution(x, self.filters, kernel_size=2 * strides - 1, strides=strides)
        for block in range(self.blocks):
            filters = filters_of_block(self.filters, self.filters_growth, block)
            for index in range(self.convolutions):
                # One wide kernel per block: more would cost much and add little to the field of view.
                x = self._convolution(x, filters, kernel_size=self.kernel_size if index == 0 else 3)
            if self.squeeze_ratio is not None:
                x = layers.squeezed_and_excited(x, self.squeeze_ratio)
            x = keras.layers.MaxPooling2D(2)(x)
            if self.block_dropout_rate is not None:
                x = layers.dropout(x, self.block_dropout, self.block_dropout_rate)
        x = layers.pooled(x, self.head)
        for _ in range(self.dense_layers):
            x = keras.layers.Dense(self.dense_units, kernel_regularizer=layers.l2(self.l2))(x)
            x = keras.layers.Activation(self.activation)(x)
            x = layers.dropout(x, "plain", self.head_dropout or 0.0)
        return keras.Model(inputs, layers.answers(x, spec), name="convnet")

    def _convolution(self, x: Any, filters: int, *, kernel_size: int, strides: int = 1) -> Any:
        x = layers.convolution(
            x,
            filters,
            kernel_size,
            separable=self.convolution == "separable",
            l2_strength=self.l2,
            strides=strides,
            use_bias=self.normalization == "none",
        )
        return layers.activated(layers.normalized(x, self.normalization), self.activation)


@dataclass(frozen=True)
class ConvNetSpace:
    """All `ConvNet`s that fit the images, which limit the blocks since each halves the sides."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> ConvNet:
        """Declares every setting of a `ConvNet`.

        Raises:
            SpaceError: The images are smaller than 2x2 pixels.
        """
        most = most_blocks(spec)
        blocks = hp.Int("blocks", 1, most, default=max(1, min(4, most - 1)))
        convolutions = hp.Int("convolutions", 1, 3, default=2)
        filters = hp.Int("filters", 16, layers.most_first_filters(spec), step=2, sampling="log", default=32)
        filters_growth = hp.Float("filters_growth", 1.0, 2.0, step=0.25, default=1.5)
        convolution = hp.Choice("convolution", ["plain", "separable"], default="plain")
        kernel_size = hp.Choice("kernel_size", [3, 5, 7], default=3)
        normalization = hp.Choice("normalization", ["batch", "group", "none"], default="batch")
        activation = hp.Choice("activation", ["relu", "leaky_relu", "elu", "silu", "gelu"], default="relu")
        squeeze_ratio = layers.declare_squeeze_ratio(hp)
        block_dropout = hp.Choice("block_dropout", ["none", "plain", "spatial"], default="spatial")
        with hp.conditional_scope("block_dropout", ["plain", "spatial"]):
            block_dropout_rate = hp.Float("block_dropout_rate", 0.05, 0.5, step=0.05, default=0.1)
        hp.Choice("regularization", ["none", "l2"], default="none")
        with hp.conditional_scope("regularization", ["l2"]):
            l2 = hp.Float("l2", 1e-6, 1e-2, sampling="log", default=1e-4)
        head = hp.Choice("head", ["average", "max", "flatten"], default="average")
        dense_layers = hp.Int("dense_layers", 0, 2, default=1)
        with hp.conditional_scope("dense_layers", [1, 2]):
            dense_units = hp.Int("dense_units", 64, 1024, step=2, sampling="log", default=128)
            head_dropout = hp.Float("head_dropout", 0.0, 0.6, step=0.1, default=0.3)
        return ConvNet(
            blocks=blocks,
            convolutions=convolutions,
            filters=filters,
            filters_growth=filters_growth,
            convolution=convolution,
            kernel_size=kernel_size,
            normalization=normalization,
            activation=activation,
            squeeze_ratio=squeeze_ratio,
            block_dropout=block_dropout,
            block_dropout_rate=block_dropout_rate,
            l2=l2,
            head=head,
            dense_layers=dense_layers,
            dense_units=dense_units,
            head_dropout=head_dropout,
        )


def most_blocks(spec: DataSpec) -> int:
    """Returns the number of blocks that bring the shorter side to one pixel, at most `MOST_BLOCKS`."""
    return min(MOST_BLOCKS, int(math.log2(layers.first_side(spec))))


def filters_of_block(first: int, growth: float, block: int) -> int:
    """Returns the filters of a block, counted from 0: a multiple of 8, which group normalisation can divide."""
    return min(MOST_FILTERS, max(8, 8 * round(first * growth**block / 8)))
