"""The networks of articles that a search is held against; nothing in them is searched."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ...errors import SpaceError
from ..base import Architecture
from ..recipes.references import FER2013_CROPPED_MARGIN
from . import layers
from .pretrained import backbone_features, colour_pixels

FER2013_L2 = 0.01

# The convolutions before one pool, each with filters, kernel size and strength of L2.
Stage = list[tuple[int, int, float | None]]


@dataclass(frozen=True)
class PublishedNet(Architecture):
    """One network, without settings."""

    build_network: Callable[[DataSpec], keras.Model]

    def build(self, spec: DataSpec) -> keras.Model:
        return self.build_network(spec)


@dataclass(frozen=True)
class PublishedNetwork:
    """A space of one network."""

    build_network: Callable[[DataSpec], keras.Model]
    smallest_side: int = 1
    """Pixels per side below which the network's pools leave nothing."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> PublishedNet:
        """Declares no parameter.

        Raises:
            SpaceError: The images are smaller than the network needs.
        """
        height, width, _ = spec.image_shape
        if min(height, width) < self.smallest_side:
            least = f"{self.smallest_side}x{self.smallest_side}"
            raise SpaceError(f"this published network needs images of at least {least} pixels, not {height}x{width}")
        return PublishedNet(self.build_network)


def emotion() -> PublishedNetwork:
    """Two pairs of convolutions with 64 filters, a pool after each pair, and two dense layers with dropout.

    The article gives neither the size of the dense layers nor the rate of dropout, so 64 and 0.5 are taken.
    """

    def build(spec: DataSpec) -> keras.Model:
        inputs, x = _unit_pixels(spec)
        for _ in range(2):
            for _ in range(2):
                x = keras.layers.Conv2D(64, 3, padding="same", activation="relu")(x)
            x = keras.layers.MaxPooling2D(2)(x)
        x = keras.layers.Flatten()(x)
        for _ in range(2):
            x = keras.layers.Dropout(0.5)(keras.layers.Dense(64, activation="relu")(x))
        return keras.Model(inputs, layers.answers(x, spec), name="emotion_cnn")

    return PublishedNetwork(build, smallest_side=4)


def simpsons() -> PublishedNetwork:
    """The CIFAR-10 network of the Keras examples."""

    def build(spec: DataSpec) -> keras.Model:
        inputs, x = _unit_pixels(spec)
        for filters in (32, 64):
            x = keras.layers.Conv2D(filters, 3, padding="same", activation="relu")(x)
            x = keras.layers.Conv2D(filters, 3, activation="relu")(x)
            x = keras.layers.Dropout(0.25)(keras.layers.MaxPooling2D(2)(x))
        x = keras.layers.Dense(512, activation="relu")(keras.layers.Flatten()(x))
        x = keras.layers.Dropout(0.5)(x)
        return keras.Model(inputs, layers.answers(x, spec), name="simpsons_cnn")

    return PublishedNetwork(build, smallest_side=10)


def fer2013() -> PublishedNetwork:
    """Five stages of convolutions, with 5,810,183 parameters for 48x48 greyscale images and seven classes."""

    def build(spec: DataSpec) -> keras.Model:
        inputs, x = _unit_pixels(spec)
        deep: Stage = [(512, 3, FER2013_L2)]
        stages: list[Stage] = [[(32, 3, None), (64, 3, None)], [(128, 5, None)], deep, deep, deep]
        for stage in stages:
            for filters, kernel_size, strength in stage:
                x = keras.layers.Conv2D(
                    filters, kernel_size, padding="same", activation="relu", kernel_regularizer=layers.l2(strength)
                )(x)
            x = keras.layers.MaxPooling2D(2)(keras.layers.BatchNormalization()(x))
            x = keras.layers.Dropout(0.25)(x)
        x = keras.layers.Flatten()(x)
        for units in (256, 512):
            x = keras.layers.Dense(units, activation="relu")(x)
            x = keras.layers.Dropout(0.25)(keras.layers.BatchNormalization()(x))
        return keras.Model(inputs, layers.answers(x, spec), name="fer2013_cnn")

    return PublishedNetwork(build, smallest_side=32)


def fer2013_vgg() -> PublishedNetwork:
    """A VGG of four stages with batch normalisation and two dense layers of 4,096 units, on crops of 40x40 pixels.

    Source: Khaireddin and Chen, Facial Emotion Recognition: State of the Art Performance on FER2013, arXiv:2105.03588,
    and its code for the rate of dropout. With images of another size the same margin is cut off.
    """

    def build(spec: DataSpec) -> keras.Model:
        inputs, x = _unit_pixels(spec)
        x = keras.layers.Cropping2D(FER2013_CROPPED_MARGIN)(x)
        for filters in (64, 128, 256, 512):
            for _ in range(2):
                x = keras.layers.Conv2D(filters, 3, padding="same", kernel_initializer="he_normal")(x)
                x = keras.layers.Activation("relu")(keras.layers.BatchNormalization()(x))
            x = keras.layers.MaxPooling2D(2)(x)
        x = keras.layers.Flatten()(x)
        for _ in range(2):
            x = keras.layers.Dropout(0.2)(keras.layers.Dense(4096, activation="relu")(x))
        return keras.Model(inputs, layers.answers(x, spec), name="fer2013_vgg")

    return PublishedNetwork(build, smallest_side=16 + 2 * FER2013_CROPPED_MARGIN)


def voc2012(weights: str = "imagenet") -> PublishedNetwork:
    """A frozen ResNet50 with average pooling under one dense layer.

    Args:
        weights: `imagenet`, a file, a folder of files, or `none` for random weights, which are frozen all the same.
    """

    def build(spec: DataSpec) -> keras.Model:
        inputs, x = colour_pixels(spec, scale=max(1, -(-32 // min(spec.image_shape[:2]))))
        x = backbone_features("resnet50", None if weights == "none" else weights, x, frozen=True)
        return keras.Model(inputs, layers.answers(layers.pooled(x, "average"), spec), name="voc2012_resnet50")

    return PublishedNetwork(build)


def _unit_pixels(spec: DataSpec) -> tuple[Any, Any]:
    """Returns the input, uint8, and the same rescaled to 0 to 1 in float32."""
    inputs = keras.Input(spec.image_shape, dtype="uint8", name="images")
    return inputs, keras.layers.Rescaling(1 / 255, dtype="float32", name="rescaling")(inputs)
