"""Augmentation as one Keras layer, which changes whole batches on the device and in training only.

Keras's own layers resample the images once per kind of motion, where this one resamples once for all: on two cores, a
batch of 64 images of 48x48x1 is flipped, rotated, shifted and zoomed in 8 ms here and in 21 ms there, erased in 2 ms
and 8 ms, and changed by RandAugment in 16 ms and 47 ms.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import keras
import keras_tuner
from keras import ops

from . import colour, mixing, randaugment
from .geometry import Motion, moved

# Largest proportion of the sides of a random crop, as in the articles on Inception.
MOST_PROPORTION = 4 / 3


@dataclass(frozen=True)
class AugmentationSettings:
    """The kinds of augmentation and their strengths; a strength of 0 is off, and None was not drawn."""

    flip: str | None = None
    """none, horizontal or both."""
    rotation: float | None = None
    """Largest angle in degrees, either way."""
    shift: float | None = None
    """Largest shift as a share of the side, either way."""
    zoom: float | None = None
    """Largest share by which the part of the image that is seen grows or shrinks."""
    shear: float | None = None
    """Largest angle in degrees, either way."""
    brightness: float | None = None
    """Largest share of the range of values that is added or taken off."""
    contrast: float | None = None
    """Largest share by which the contrast grows or shrinks."""
    erasing: float | None = None
    """Largest share of the area that one box erases."""
    noise: float | None = None
    """Standard deviation as a share of the range of values."""
    operations: int | None = None
    """Operations of RandAugment per image."""
    strength: float | None = None
    """Strength of RandAugment, 0 to 1."""
    mixing: str = "none"
    """none, mixup or cutmix."""
    mixing_alpha: float | None = None
    """Both parameters of the beta distribution that the shares of mixed images are drawn from."""
    plain_share: float | None = None
    """Share of the epochs, the last ones, that see images as they are."""
    mirrored_answers: bool | None = None
    """True to answer with the mean over each image and its mirror image."""
    crop_scale: float | None = None
    """Smallest share of the area that a random crop shows, at the size of the whole; None or 1 for the whole image."""
    cropped_answers: bool | None = None
    """True to answer with the mean over crops of the four corners and the centre."""

    @property
    def is_active(self) -> bool:
        """True if anything is changed at all."""
        return bool(self.moves or self.recolours or self.operations or self.mixing != "none")

    @property
    def moves(self) -> bool:
        """True if images are flipped, rotated, shifted, zoomed, sheared or cropped."""
        strengths = (self.rotation, self.shift, self.zoom, self.shear, self.crops)
        return self.flip in ("horizontal", "both") or any(strengths)

    @property
    def crops(self) -> bool:
        """True if images are cropped at random."""
        return self.crop_scale is not None and self.crop_scale < 1.0

    @property
    def recolours(self) -> bool:
        """True if pixel values are changed in place."""
        return any((self.brightness, self.contrast, self.erasing, self.noise))


def declare(hp: keras_tuner.HyperParameters) -> AugmentationSettings:
    """Declares all kinds; the defaults are small shifts, rotations and zooms, which suit digits and faces alike."""
    hp.Choice("augmentation", ["none", "basic", "randaugment"], default="basic")
    with hp.conditional_scope("augmentation", ["basic"]):
        basic = {
            "flip": hp.Choice("flip", ["none", "horizontal", "both"], default="none"),
            "mirrored_answers": _declare_mirrored_answers(hp),
            "rotation": hp.Float("rotation", 0.0, 30.0, step=5.0, default=5.0),
            "shift": hp.Float("shift", 0.0, 0.2, step=0.05, default=0.05),
            "zoom": hp.Float("zoom", 0.0, 0.3, step=0.05, default=0.05),
            "shear": hp.Float("shear", 0.0, 20.0, step=5.0, default=0.0),
            "brightness": hp.Float("brightness", 0.0, 0.3, step=0.05, default=0.0),
            "contrast": hp.Float("contrast", 0.0, 0.5, step=0.1, default=0.0),
            "erasing": hp.Float("erasing", 0.0, 0.3, step=0.05, default=0.0),
            "noise": hp.Float("noise", 0.0, 0.1, step=0.02, default=0.0),
        }
    with hp.conditional_scope("augmentation", ["randaugment"]):
        operations = hp.Int("randaugment_operations", 1, 4, default=2)
        strength = hp.Float("randaugment_strength", 0.1, 1.0, step=0.1, default=0.5)
    kind = hp.Choice("mixing", ["none", "mixup", "cutmix"], default="none")
    with hp.conditional_scope("mixing", ["mixup", "cutmix"]):
        alpha = hp.Float("mixing_alpha", 0.1, 1.0, step=0.1, default=0.2)
    with hp.conditional_scope("augmentation", ["basic", "randaugment"]):
        plain_share = hp.Float("plain_share", 0.0, 0.3, step=0.1, default=0.0)
        hp.Boolean("random_crops", default=False)
        with hp.conditional_scope("random_crops", [True]):
            crop_scale = hp.Float("crop_scale", 0.3, 0.9, step=0.1, default=0.6)
            cropped_answers = hp.Boolean("cropped_answers", default=True)
    return AugmentationSettings(
        **basic,
        operations=operations,
        strength=strength,
        mixing=kind,
        mixing_alpha=alpha,
        plain_share=plain_share,
        crop_scale=crop_scale,
        cropped_answers=cropped_answers,
    )


def _declare_mirrored_answers(hp: keras_tuner.HyperParameters) -> bool | None:
    """Declares it where training sees mirrored images; a network that does not would answer them worse."""
    with hp.conditional_scope("flip", ["horizontal", "both"]):
        mirrored: bool | None = hp.Boolean("mirrored_answers", default=True)
    return mirrored


class Augmentation(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A layer that is called with (images, targets) and returns both, changed in training only.

    Images are uint8 or float32 (batch, height, width, channels), 0 to 255, and come back as whole numbers in float32.
    Targets are float32 (batch, outputs), and are blended where images are mixed. Each image gets its own random draws.
    """

    def __init__(self, settings: AugmentationSettings, *, seed: int) -> None:
        super().__init__(name="augmentation", dtype="float32", autocast=False)
        self._settings = settings
        self._random = keras.random.SeedGenerator(seed)
        self._is_on = None
        if settings.plain_share:
            # A variable, since the compiled step cannot be told otherwise.
            self._is_on = self.add_weight(name="is_on", shape=(), initializer="ones", trainable=False)
        # XLA on TensorFlow has neither the affine transform nor the beta distribution.
        self.supports_jit = keras.config.backend() != "tensorflow"
        self.built = True

    def call(self, inputs: tuple[Any, Any], training: bool = False) -> tuple[Any, Any]:
        images, targets = inputs
        if not training:
            return images, targets
        settings = self._settings
        images, targets = plain = ops.cast(images, "float32"), ops.cast(targets, "float32")
        if settings.moves:
            images = moved(images, self._motion(ops.shape(images)[0]))
        if settings.recolours:
            images = self._recoloured(images)
        if settings.operations:
            images = randaugment.randaugmented(images, settings.operations, settings.strength or 0.0, self._random)
        if settings.mixing != "none":
            mix = {"mixup": mixing.mixed_up, "cutmix": mixing.cut_mixed}[settings.mixing]
            images, targets = mix(images, targets, settings.mixing_alpha or 0.2, self._random)
        # Whole numbers, since all other images that the network sees are bytes.
        images = ops.round(ops.clip(images, 0.0, 255.0))
        if self._is_on is not None:
            is_on = ops.greater(self._is_on, 0.5)
            images, targets = ops.where(is_on, images, plain[0]), ops.where(is_on, targets, plain[1])
        return images, targets

    def switch(self, *, on: bool) -> None:
        """Lets the layer change images, or leave them as they are; only for settings with a `plain_share`."""
        if self._is_on is not None:
            self._is_on.assign(float(on))

    def _motion(self, batch: Any) -> Motion:
        settings = self._settings
        none = Motion.none(batch)
        mirrored_x = self._signs(batch) if settings.flip in ("horizontal", "both") else none.scale_x
        mirrored_y = self._signs(batch) if settings.flip == "both" else none.scale_y
        seen = 1.0 + self._either_way(batch, settings.zoom)
        width, height = self._crop(batch) if settings.crops else (none.scale_x, none.scale_y)
        return Motion(
            angle=self._either_way(batch, math.radians(settings.rotation or 0.0)),
            shear_x=ops.tan(self._either_way(batch, math.radians(settings.shear or 0.0))),
            shear_y=none.shear_y,
            shift_x=self._either_way(batch, settings.shift) + self._place(batch, width),
            shift_y=self._either_way(batch, settings.shift) + self._place(batch, height),
            scale_x=mirrored_x * seen * width,
            scale_y=mirrored_y * seen * height,
        )

    def _crop(self, batch: Any) -> tuple[Any, Any]:
        """Draws width and height of crops as shares of the image's, float32 (batch,) each.

        Source: Szegedy et al., Going Deeper with Convolutions, CVPR 2015, section 6, where the area is drawn evenly
        from 8 % up and the proportions from 3:4 to 4:3. A side that would be longer than the image's ends with it.
        """
        area = keras.random.uniform((batch,), self._settings.crop_scale or 1.0, 1.0, seed=self._random)
        most = math.log(MOST_PROPORTION)
        proportion = ops.exp(keras.random.uniform((batch,), -most, most, seed=self._random))
        return ops.minimum(ops.sqrt(area * proportion), 1.0), ops.minimum(ops.sqrt(area / proportion), 1.0)

    def _place(self, batch: Any, side: Any) -> Any:
        """Draws by how much a crop lies beside the centre, as a share of the image's side, so that it lies within."""
        if not self._settings.crops:
            return 0.0
        return keras.random.uniform((batch,), -0.5, 0.5, seed=self._random) * (1.0 - side)

    def _recoloured(self, images: Any) -> Any:
        settings, batch = self._settings, ops.shape(images)[0]
        if settings.contrast:
            images = colour.contrasted(images, 1.0 + self._either_way(batch, settings.contrast))
        if settings.brightness:
            images = colour.brightened(images, self._either_way(batch, settings.brightness))
        if settings.noise:
            images = images + keras.random.normal(ops.shape(images), stddev=255.0 * settings.noise, seed=self._random)
        if settings.erasing:
            images = mixing.erased(images, settings.erasing, self._random)
        return images

    def _either_way(self, batch: Any, most: float | None) -> Any:
        """Draws uniformly from -most to most, float32 (batch,)."""
        if not most:
            return ops.zeros((batch,))
        return keras.random.uniform((batch,), -most, most, seed=self._random)

    def _signs(self, batch: Any) -> Any:
        """Draws -1 or 1 with equal chances, float32 (batch,)."""
        return ops.where(keras.random.uniform((batch,), seed=self._random) < 0.5, -1.0, 1.0)


class PlainEnd(keras.callbacks.Callback):  # type: ignore[misc]  # Keras ships no types
    """Switches augmentation off for the last epochs, so that the network ends on images as they are.

    Args:
        augmentation: The layer.
        epochs: Epochs of the whole training.
        share: Share of them that see images as they are.
    """

    def __init__(self, augmentation: Augmentation, *, epochs: int, share: float) -> None:
        super().__init__()
        self._augmentation = augmentation
        self._first_plain = epochs - round(share * epochs)

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        self._augmentation.switch(on=epoch < self._first_plain)
