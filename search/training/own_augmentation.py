"""A user's own layer as augmentation, before that of the recipe. Imported in workers only, since it imports Keras."""

from __future__ import annotations

from typing import Any

import keras
from keras import ops

from ...errors import SpaceError


class OwnAugmentation(keras.layers.Layer):  # type: ignore[misc]  # Keras ships no types
    """A layer that is called with (images, targets) and changes the images in training, by another layer.

    Args:
        layer: The user's layer, from images float32 (batch, height, width, channels), 0 to 255, to the same.
        then: The augmentation of the recipe, which comes after it; None for none.
    """

    def __init__(self, layer: keras.layers.Layer, then: keras.layers.Layer | None) -> None:
        super().__init__(name="own_augmentation", dtype="float32", autocast=False)
        self._layer = layer
        self._then = then
        self.supports_jit = keras.config.backend() != "tensorflow"
        self.built = True

    def call(self, inputs: tuple[Any, Any], training: bool = False) -> tuple[Any, Any]:
        images, targets = inputs
        if not training:
            return images, targets
        images = ops.cast(images, "float32")
        changed = self._layer(images, training=True)
        if tuple(changed.shape[1:]) != tuple(images.shape[1:]):
            raise SpaceError(
                f"augmentation must keep the shape of images, {tuple(images.shape[1:])}, but made "
                f"{tuple(changed.shape[1:])} of it"
            )
        # Whole numbers, since all other images that the network sees are bytes.
        changed = ops.round(ops.clip(ops.cast(changed, "float32"), 0.0, 255.0))
        return (changed, targets) if self._then is None else self._then((changed, targets), training=True)
