"""The standard recipe, which searches everything about training and goes with any network."""

from __future__ import annotations

from dataclasses import dataclass

import keras_tuner

from ...datasets.base import DataSpec
from . import augmentation, class_weights, losses, optimizers, schedules
from .recipe import RecipeSettings

SMALLEST_BATCH, LARGEST_BATCH = 16, 256


@dataclass(frozen=True)
class StandardRecipe:
    """A space of recipes: optimizer, schedule, batch size, loss, class weights and augmentation."""

    def declare(self, hp: keras_tuner.HyperParameters, spec: DataSpec) -> RecipeSettings:
        return RecipeSettings(
            optimizer=optimizers.declare(hp),
            schedule=schedules.declare(hp),
            batch_size=_declare_batch_size(hp, spec),
            loss=losses.declare(hp, spec),
            class_weights=class_weights.declare(hp),
            augmentation=augmentation.declare(hp),
        )


def _declare_batch_size(hp: keras_tuner.HyperParameters, spec: DataSpec) -> int:
    # At least four steps per epoch, unless there are fewer than four images.
    most = LARGEST_BATCH
    while most > 1 and most * 4 > spec.train_size:
        most //= 2
    least = min(SMALLEST_BATCH, most)
    size: int = hp.Int("batch_size", least, most, step=2, sampling="log", default=min(64, most))
    return size
