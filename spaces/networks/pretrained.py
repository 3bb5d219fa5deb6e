"""The space `pretrained`: backbones of `keras.applications` under a new head, frozen first and then fine-tuned."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import keras_tuner

from ...datasets.base import DataSpec
from ...errors import SpaceError, UnknownNameError
from ...text import first_line
from ..base import Architecture, FineTuning
from . import layers
from .weights import check_weights, missing_weights, several_backbones, weight_file

SMALLEST_SIDE = 32
# The side of the images that the backbones were trained on; none is scaled up beyond it.
LARGEST_SIDE = 224
# ImageNet's means, in the order that ResNet50's weights expect.
BLUE_GREEN_RED_MEANS = [103.939, 116.779, 123.68]


@dataclass(frozen=True)
class Backbone:
    """One network of `keras.applications`."""

    model: Callable[..., keras.Model]
    """The function that makes it."""
    preprocesses: bool = True
    """True if it takes pixels from 0 to 255 as they are; for any other they are prepared as for ResNet50."""


BACKBONES: dict[str, Backbone] = {
    "mobilenet_v3_small": Backbone(keras.applications.MobileNetV3Small),
    "mobilenet_v3_large": Backbone(keras.applications.MobileNetV3Large),
    "efficientnet_v2_b0": Backbone(keras.applications.EfficientNetV2B0),
    "resnet50": Backbone(keras.applications.ResNet50, preprocesses=False),
    "convnext_tiny": Backbone(keras.applications.ConvNeXtTiny),
}


@dataclass(frozen=True)
class PretrainedNet(Architecture):
    """One network."""

    backbone: str
    """A key of `BACKBONES`."""
    weights: str | None
    """`imagenet`, a file, a folder of files, or None to start from random weights."""
    upscaling: int
    """Factor by which the images are enlarged for the backbone."""
    pooling: str
    """average or max."""
    dense_units: int
    """Units of the dense layer before the last one; 0 for no such layer."""
    head_dropout: float
    tuning: FineTuning | None
    """None where the backbone stays as it is: always trained, or always frozen."""
    frozen: bool
    """True if the backbone starts frozen."""

    def build(self, spec: DataSpec) -> keras.Model:
        """Builds the backbone and its head.

        Raises:
            SpaceError: The images have neither 1 nor 3 channels, or the weights cannot be found, downloaded or loaded.
        """
        inputs, x = colour_pixels(spec, scale=self.upscaling)
        x = backbone_features(self.backbone, self.weights, x, frozen=self.frozen)
        x = layers.pooled(x, self.pooling)
        if self.dense_units:
            x = keras.layers.Dense(self.dense_units, activation="relu")(x)
        x = layers.dropout(x, "plain", self.head_dropout)
        return keras.Model(inputs, layers.answers(x, spec), name="pretrained")

    def without_weights(self) -> PretrainedNet:
        return replace(self, weights=None)

    @property
    def fine_tuning(self) -> FineTuning | None:
        return self.tuning


class PretrainedSpace:
    """All `PretrainedNet`s with the given weights.

    Args:
        weights: `imagenet`, `none`, a folder of files called as Keras publishes them, or a file, which fits one
            backbone only.
        backbone: The one backbone to use; None to search all of them.

    Raises:
        UnknownNameError: There is no such backbone.
        SettingError: A file of weights is given without a backbone.
    """

    def __init__(self, weights: str = "imagenet", backbone: str | None = None) -> None:
        if backbone is not None and backbone not in BACKBONES:
            raise UnknownNameError("backbone", backbone, BACKBONES)
        if weights not in ("imagenet", "none") and backbone is None and not Path(weights).is_dir():
            raise several_backbones(weights)
        self._weights = None if weights == "none" else weights
        self._backbone = backbone

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> PretrainedNet:
        """Declares every setting of a `PretrainedNet`."""
        names = list(BACKBONES) if self._backbone is None else [self._backbone]
        backbone = hp.Choice("backbone", names, default=names[0])
        return PretrainedNet(
            backbone=backbone,
            weights=self._weights,
            upscaling=hp.Choice("upscaling", upscalings(spec)),
            pooling=hp.Choice("pooling", ["average", "max"], default="average"),
            dense_units=hp.Choice("dense_units", [0, 128, 256, 512, 1024], default=0),
            head_dropout=hp.Float("head_dropout", 0.0, 0.6, step=0.1, default=0.2),
            tuning=None if self._weights is None else _declare_tuning(hp),
            frozen=self._weights is not None,
        )


def _declare_tuning(hp: keras_tuner.HyperParameters) -> FineTuning | None:
    tunes = hp.Boolean("fine_tuning", default=True)
    with hp.conditional_scope("fine_tuning", [True]):
        frozen_share = hp.Float("frozen_share", 0.2, 0.8, step=0.1, default=0.4)
        depth = hp.Float("tuned_depth", 0.1, 1.0, step=0.1, default=0.3)
        factor = hp.Float("tuned_rate_factor", 1e-3, 0.3, sampling="log", default=0.03)
        stage_factor = hp.Float("stage_rate_factor", 0.3, 1.0, step=0.1, default=1.0)
    return FineTuning(frozen_share, depth, factor, stage_factor) if tunes else None


def upscalings(spec: DataSpec) -> list[int]:
    """Returns the factors by which images may be enlarged.

    Backbones need sides of at least 32 pixels, and profit from larger ones up to 224.
    """
    side = min(spec.image_shape[:2])
    least = max(1, -(-SMALLEST_SIDE // side))
    longer = max(spec.image_shape[:2])
    return [least, *(factor * least for factor in (2, 4) if factor * least * longer <= LARGEST_SIDE)]


def colour_pixels(spec: DataSpec, *, scale: int) -> tuple[Any, Any]:
    """Returns the input, uint8, and the same in float32, 0 to 255, with three channels and enlarged by a factor.

    Raises:
        SpaceError: The images have neither 1 nor 3 channels.
    """
    height, width, channels = spec.image_shape
    if channels not in (1, 3):
        raise SpaceError(f"a pretrained backbone takes 1 or 3 channels, but these images have {channels}")
    inputs = keras.Input(spec.image_shape, dtype="uint8", name="images")
    x = keras.layers.Rescaling(1.0, dtype="float32", name="rescaling")(inputs)
    if scale > 1:
        x = keras.layers.Resizing(height * scale, width * scale, dtype="float32")(x)
    return inputs, x if channels == 3 else keras.layers.Concatenate(dtype="float32")([x, x, x])


def backbone_features(name: str, weights: str | None, x: Any, *, frozen: bool) -> Any:
    """Returns a backbone's features (batch, rows, columns, features).

    Args:
        name: A key of `BACKBONES`.
        weights: `imagenet`, a file, a folder of files, or None to start from random weights.
        x: Images float32 (batch, height, width, 3), 0 to 255, in the order red, green, blue.
        frozen: Whether the weights stay as they are until fine-tuning thaws them. Batch normalisation then keeps the
            statistics it came with for good.

    Raises:
        SpaceError: The weights cannot be found, downloaded or loaded.
    """
    backbone = BACKBONES[name]
    if not backbone.preprocesses:
        x = keras.layers.Concatenate(dtype="float32")([x[..., 2:3], x[..., 1:2], x[..., 0:1]])
        x = keras.layers.Normalization(mean=BLUE_GREEN_RED_MEANS, variance=[1.0, 1.0, 1.0], dtype="float32")(x)
    if weights not in (None, "imagenet"):
        check_weights(str(weights), [name], one_file=True)
        if Path(str(weights)).is_dir():
            weights = str(Path(str(weights)) / weight_file(name))
    try:
        with warnings.catch_warnings():
            # Keras warns that it loads the weights for 224x224 at other sizes, too, which is what is wanted.
            warnings.filterwarnings("ignore", message="`input_shape` is undefined or non-square")
            model = backbone.model(include_top=False, weights=weights, input_shape=x.shape[1:])
    except Exception as error:
        raise _unusable(name, weights, error) from error
    model.trainable = not frozen
    return model(x, training=False) if frozen else model(x)


def _unusable(name: str, weights: str | None, error: Exception) -> Exception:
    if weights == "imagenet" and "URL fetch failure" in str(error):
        return missing_weights([name], None)
    if weights is not None:
        return SpaceError(f"the weights {weights} do not fit {name}: {first_line(error)}")
    return error
